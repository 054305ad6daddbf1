/** Parses the command line by the option table. */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { flagOf, type Option, type OptionTable, switchesOf } from "../config/option.ts";
import { isList, placeholderOf } from "../config/parsers.ts";
import type { Flags } from "../config/read.ts";
import { UsageError } from "../util/errors.ts";
import { similarName } from "../util/text.ts";
import { PROGRAM, VERSION } from "../util/runtime.ts";
import type { Command } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { commandHelp, programHelp } from "./help.ts";

/** A command to run, or a text to print. */
export type Parsed = { readonly command: Command; readonly flags: Flags } | { readonly text: string };

/**
 * Parses a command line. Its help has lines of `width` characters.
 * @example IN: ["cdc-relay", "--batch-size", "7"] → OUT: {command: cdc-relay, flags: {"batch-size": "7"}}
 */
export function parseCommandLine(args: readonly string[], width: number): Parsed {
  const [first, ...rest] = args;
  if (first === undefined) throw new UsageError(`No command given.\n\n${programHelp(COMMANDS, width)}`);
  if (first === "--version" || first === "-V") return { text: `${PROGRAM} ${VERSION}` };
  const isHelp = [...HELP, "help"].includes(first);
  const words = isHelp ? rest : args;
  const name = commandIn(words);
  if (name === undefined) {
    if (!isHelp && !HELP.includes(rest[0] ?? "")) throw incomplete(first);
    return { text: programHelp(COMMANDS, width) };
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) {
    throw new UsageError(`Unknown command: ${name}`, { hint: meant(name, Object.keys(COMMANDS), "--help") });
  }
  const flags = isHelp ? undefined : parseFlags(words.slice(name.split(" ").length), name, command);
  return flags ? { command, flags } : { text: commandHelp(name, command, width) };
}

const HELP: readonly string[] = ["--help", "-h"];

/** The error for a command of two words without its second one. */
function incomplete(first: string): UsageError {
  const seconds = Object.keys(COMMANDS).flatMap((name) =>
    name.startsWith(`${first} `) ? [name.slice(first.length + 1)] : []
  );
  return new UsageError(`${first} needs a second word, before its options: ${seconds.join(", ")}`, {
    hint: `For example: ${first} ${seconds[0]} --help`,
  });
}

/** The name of the command, of one word or two. @example IN: ["config", "check", "relay.yaml"] → OUT: config check */
function commandIn([first, second]: readonly string[]): string | undefined {
  const isGroup = first !== undefined && Object.keys(COMMANDS).some((name) => name.startsWith(`${first} `));
  if (!isGroup) return first;
  return second === undefined || second.startsWith("-") ? undefined : `${first} ${second}`;
}

/** Returns the options' values as texts, by flag; undefined if help is asked for. */
function parseFlags(args: readonly string[], name: string, command: Command): Flags | undefined {
  const { options: table, argument } = command;
  const valued = valuedFlags(table);
  const switches = switchesOf(table);
  const config: ParseArgsConfig["options"] = {
    help: { type: "boolean", short: "h" },
    ...Object.fromEntries(Object.keys(valued).map((flag) => [flag, { type: "string" }])),
    ...Object.fromEntries(switches.map(({ flag, letter }) => [flag, { type: "boolean", short: letter }])),
  };
  const { tokens } = parseArgs({ args: [...args], options: config, strict: false, tokens: true });
  if (tokens.some((token) => token.kind === "option" && token.name === "help")) return undefined;
  const flags: Record<string, string> = {};
  const switched: Record<string, string> = {};
  /** Arguments without a flag. */
  const words: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") {
      if (argument !== undefined && flags[argument] === undefined) {
        flags[argument] = token.value;
        words.push(token.value);
        continue;
      }
      const hint = `Options are written --name VALUE. See ${name} --help.`;
      throw new UsageError(`Unexpected argument: ${JSON.stringify(token.value)}`, { hint });
    }
    if (token.kind === "option-terminator") continue;
    const { name: flag, rawName, value, inlineValue } = token;
    const option = Object.hasOwn(valued, flag) ? valued[flag] : undefined;
    const found = switches.find((each) => each.flag === flag);
    if (found) {
      if (value !== undefined) {
        const message = `${rawName} takes no value: current value is ${JSON.stringify(value)}`;
        throw new UsageError(message, { hint: `See ${name} --help.` });
      }
      const set = flagOf(found.name);
      const before = switched[set];
      if (before !== undefined && before !== flag) throw contradiction(`--${before}`, `--${flag}`);
      switched[set] = flag;
    } else if (option) {
      if (value === undefined || !inlineValue && /^--|^-[a-z]$/i.test(value)) {
        const hint = `e.g. --${flag} ${option.default || placeholderOf(option)}`;
        throw new UsageError(`--${flag} needs a value`, { hint });
      }
      if (flag === argument && words.length > 0) throw contradiction(JSON.stringify(words[0]), `--${flag}`);
      flags[flag] = isList(option) && flags[flag] !== undefined ? `${flags[flag]},${value}` : value;
    } else throw unknownOption(rawName, name, table);
  }
  for (const [set, flag] of Object.entries(switched)) {
    if (flags[set] !== undefined) throw contradiction(`--${flag}`, `--${set} ${flags[set]}`);
    flags[set] = switches.find((each) => each.flag === flag)?.value ?? "";
  }
  for (const flag of Object.keys(flags)) {
    if (flags[`${flag}-file`] !== undefined) throw contradiction(`--${flag}`, `--${flag}-file`);
  }
  return flags;
}

/** The options by flag; a secret has a second flag, for its file. */
const valuedFlags = (table: OptionTable): Readonly<Record<string, Option>> =>
  Object.fromEntries(
    Object.entries(table).flatMap(([name, option]) => {
      const flag = flagOf(name);
      return (option.secret ? [flag, `${flag}-file`] : [flag]).map((each) => [each, option]);
    }),
  );

const contradiction = (one: string, other: string): UsageError =>
  new UsageError(`${one} cannot be given with ${other}`, { hint: "Give one of the two." });

function unknownOption(rawName: string, name: string, table: OptionTable): UsageError {
  const owners = Object.entries(COMMANDS).filter(([, { options }]) => flagsOf(options).includes(rawName));
  if (owners.length > 0) {
    const hint = `It is an option of ${owners.map(([owner]) => owner).join(", ")}.`;
    return new UsageError(`${name} has no option ${rawName}`, { hint });
  }
  const hint = meant(rawName, flagsOf(table), `${name} --help`);
  return new UsageError(`Unknown option: ${rawName}`, { hint });
}

const flagsOf = (table: OptionTable): readonly string[] =>
  [...Object.keys(valuedFlags(table)), ...switchesOf(table).map(({ flag }) => flag)].map((each) =>
    `--${each}`
  );

function meant(name: string, names: readonly string[], help: string): string {
  const similar = similarName(name, names);
  return similar ? `Did you mean ${similar}?` : `See ${help}.`;
}
