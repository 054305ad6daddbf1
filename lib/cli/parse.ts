/** The command line, parsed by commander from the table of options; help and errors in this program's words. */
import * as commander from "commander";
import { UsageError } from "../util/errors.ts";
import { CALL } from "./call.ts";
import { type Command, COMMANDS } from "./commands.ts";
import { grouped } from "../config/options/groups.ts";
import type { Option } from "../config/options/option.ts";
import type { Environment } from "../config/options/read.ts";
import { type Switch, switchesOf } from "../config/options/switches.ts";
import { PROGRAM, VERSION } from "../util/version.ts";

/** What is to be done: run a command, or print a text. */
export type Parsed =
  | { readonly command: Command; readonly flags: Readonly<Record<string, string | undefined>> }
  | { readonly text: string };

/**
 * @example
 * IN: ["cdc-relay", "--batch-size", "7"] → OUT: {command: cdc-relay, flags: {"batch-size": "7"}}
 * IN: ["--version"] → OUT: {text: "mongodb_cdc_cratedb 0.1.0"}
 *
 * @throws UsageError
 */
export function parseCommandLine(args: readonly string[], surroundings: ParseSurroundings): Parsed {
  const printed: string[] = [];
  let parsed: Parsed | undefined;
  const program = programOf({
    ...surroundings,
    print: (text) => printed.push(text),
    select: (command, flags) => parsed = { command, flags },
  });
  if (args.length === 0) throw new UsageError(`No command given.\n\n${program.helpInformation().trimEnd()}`);
  const [first = ""] = args;
  if (first.startsWith("-") && !PROGRAM_FLAGS.includes(first)) {
    throw new UsageError(`Unknown command: ${first}`, {
      hint: `There are: ${Object.keys(COMMANDS).join(", ")}. See --help.`,
    });
  }
  try {
    program.parse([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof commander.CommanderError)) throw error;
    if (error.exitCode !== 0) throw usageErrorOf(error, args);
  }
  return parsed ?? { text: printed.join("").trimEnd() };
}

export interface ParseSurroundings {
  readonly env: Environment;
  /** Characters in a line of the terminal; undefined where there is none. */
  readonly columns: number | undefined;
}

const PROGRAM_FLAGS = ["--help", "-h", "--version", "-V"];
const EXIT_CODES =
  "Exit codes: 0 done or stopped by a signal, 1 failed, 2 wrong usage, 3 verify found differences, " +
  "4 status found a problem or wait timed out.";
const HELP = "Help for the program or, after a command, for that command";

interface ProgramOptions extends ParseSurroundings {
  readonly print: (text: string) => void;
  readonly select: (command: Command, flags: Readonly<Record<string, string | undefined>>) => void;
}

function programOf({ env, columns, print, select }: ProgramOptions): commander.Command {
  const width = widthOf(env, columns);
  const configure = (command: commander.Command): commander.Command =>
    command.exitOverride().helpOption("-h, --help", HELP).configureOutput({
      writeOut: print,
      writeErr: () => {},
      getOutHelpWidth: () => width,
      getErrHelpWidth: () => width,
    });
  const program = configure(new commander.Command(PROGRAM))
    .usage("<command> [options]")
    .description("Keep CrateDB in sync with MongoDB.")
    .version(`${PROGRAM} ${VERSION}`, "-V, --version", "The version")
    .helpCommand("help [command]", "The same as --help")
    .addHelpText("after", `\n${new commander.Help().boxWrap(EXIT_CODES, width)}`);
  program.configureHelp({
    commandUsage: () => `${CALL} <command> [options]`,
    subcommandTerm: (each) => each.name(),
  });
  for (const [name, command] of Object.entries(COMMANDS)) {
    program.addCommand(configure(commandOf(name, command, select)));
  }
  return program;
}

function commandOf(name: string, command: Command, select: ProgramOptions["select"]): commander.Command {
  const { summary, options, argument, examples } = command;
  const note = options.length > 0 ? OPTIONS_NOTE : "";
  const made = new commander.Command(name)
    .description(`${summary}.${note}`)
    .summary(summary)
    .allowExcessArguments(false);
  const terms = new Map<commander.Option, string>();
  for (const group of grouped(options)) {
    const heading = `${group.title}:`;
    for (const each of group.options) {
      const option = new commander.Option(`--${each.flag} <value>`, helpOf(each)).argParser(collect(each));
      terms.set(option, `--${each.flag} ${each.value}`);
      made.addOption(option.helpGroup(heading));
    }
    for (const each of switchesOf(group.options)) made.addOption(switchOf(each, options).helpGroup(heading));
  }
  if (argument) {
    made.addArgument(new commander.Argument(`<${argument.name}>`).choices([...argument.choices]));
  }
  made.configureHelp({
    commandUsage: () => `${CALL} ${name} ${argument ? argument.choices.join("|") : "[options]"}`,
    optionTerm: (option) => terms.get(option) ?? option.flags,
    // The description below the term: terms are as long as a line.
    formatItem: (term, _width, description, helper) => {
      const wrapped = helper.boxWrap(description, (helper.helpWidth ?? DEFAULT_WIDTH) - DETAIL_INDENT);
      return `  ${term}\n${wrapped.replace(/^/gm, " ".repeat(DETAIL_INDENT))}`;
    },
  });
  made.addHelpText(
    "after",
    ({ command }) => {
      const width = command.configureOutput().getOutHelpWidth?.() ?? DEFAULT_WIDTH;
      return `\nExamples:\n${examples.map((example) => continued(`  ${example}`, width)).join("\n")}`;
    },
  );
  made.action((...values: unknown[]) => {
    const [given] = values;
    select(command, {
      ...flagsOf(made, options),
      ...argument && { [argument.name]: typeof given === "string" ? given : undefined },
    });
  });
  return made;
}

const OPTIONS_NOTE = "\n\nEach option has an environment variable; the flag wins.";
const DETAIL_INDENT = 6;

const helpOf = ({ help, env, default: fallback }: Option): string =>
  `${help}\n${env.join(" or ")}; default: ${fallback || "none"}`;

/** A flag that is given again replaces the value, or adds to the list. */
const collect = (option: Option) => (value: string, before: unknown) => {
  if (/^--|^-[a-z]$/i.test(value)) throw needsValue(option);
  return option.list && typeof before === "string" ? `${before},${value}` : value;
};

const needsValue = ({ flag, default: fallback, value }: Option): UsageError =>
  new UsageError(`--${flag} needs a value`, { hint: `e.g. --${flag} ${fallback || value}` });

function switchOf({ flag, short, means: [meant, value], help }: Switch, options: readonly Option[]) {
  const rivals = switchesOf(options).filter((each) => each.flag !== flag && each.means[0] === meant);
  return new commander.Option(`-${short}, --${flag}`, help)
    .implies({ [attributeOf(meant)]: value })
    .conflicts(rivals.map((rival) => rival.flag));
}

/** @example IN: log-level → OUT: logLevel */
const attributeOf = (flag: string): string => new commander.Option(`--${flag} <value>`).attributeName();

/**
 * The options' values as texts, by their flags.
 *
 * @throws UsageError when a switch and the option that it is short for are given
 */
function flagsOf(command: commander.Command, options: readonly Option[]): Record<string, string | undefined> {
  const values = command.opts();
  for (const { flag, means: [meant, value] } of switchesOf(options)) {
    const attribute = attributeOf(meant);
    if (!values[flag] || command.getOptionValueSource(attribute) !== "cli") continue;
    throw new UsageError(`--${flag} cannot be given with --${meant} ${values[attribute]}`, {
      hint: `--${flag} is short for --${meant} ${value}; give one of the two.`,
    });
  }
  return Object.fromEntries(options.map(({ flag }) => [flag, values[attributeOf(flag)]]));
}

/** Says an error of commander's in this program's words; its suggestions are kept. */
function usageErrorOf(
  { code, message }: commander.CommanderError,
  [name = ""]: readonly string[],
): UsageError {
  const { options = [], argument } = COMMANDS[name] ?? {};
  const [first = "", suggestion = ""] = message.replace(/^error: /, "").split("\n");
  const [, quoted = ""] = /'([^']*)'/.exec(first) ?? [];
  const meant = /Did you mean (?:one of )?(.*)\?/.exec(suggestion)?.[1];
  const known = (list: readonly string[]) =>
    meant ? `Did you mean ${meant}?` : `There are: ${list.join(", ")}. See --help.`;
  switch (code) {
    case "commander.unknownCommand":
      return new UsageError(`Unknown command: ${quoted}`, { hint: known(Object.keys(COMMANDS)) });
    case "commander.unknownOption": {
      const [flag = ""] = quoted.split("=");
      if (switchesOf(options).some((each) => `--${each.flag}` === flag)) {
        return new UsageError(`${flag} takes no value`, { hint: `It was given as ${quoted}.` });
      }
      const owners = Object.keys(COMMANDS).filter((each) =>
        COMMANDS[each]?.options.some((option) => `--${option.flag}` === flag)
      );
      if (owners.length > 0) {
        return new UsageError(`${name} has no option ${flag}`, {
          hint: `It is an option of ${owners.join(", ")}.`,
        });
      }
      return new UsageError(`Unknown option: ${flag}`, {
        hint: known([...options, ...switchesOf(options)].map(({ flag }) => `--${flag}`)),
      });
    }
    case "commander.optionMissingArgument": {
      const option = options.find(({ flag }) => quoted.split(" ")[0] === `--${flag}`);
      if (option) return needsValue(option);
      break;
    }
    case "commander.conflictingOption": {
      const flags = [...first.matchAll(/'(?:-\w, )?(--[\w-]+)[^']*'/g)].map(([, flag]) => flag);
      return new UsageError(flags.join(" cannot be given with "), {
        hint: "They say different things; give one of the two.",
      });
    }
    case "commander.missingArgument":
      if (argument) {
        return new UsageError(`${name} needs a ${argument.name}: ${argument.choices.join(", ")}`, {
          hint: `e.g. ${CALL} ${name} ${argument.choices[0]}`,
        });
      }
      break;
    case "commander.invalidArgument":
      if (argument) {
        return new UsageError(`Unknown ${argument.name}: ${quoted}`, { hint: known(argument.choices) });
      }
      break;
    case "commander.excessArguments": {
      const values = first.split(": ").at(-1)?.replace(/\.$/, "").split(", ") ?? [];
      return new UsageError(`Unexpected argument: ${JSON.stringify(values.at(argument ? 1 : 0))}`, {
        hint: "Options are written --name VALUE; see --help.",
      });
    }
  }
  return new UsageError(`${first.charAt(0).toUpperCase()}${first.slice(1)}`, { hint: "See --help." });
}

/** Breaks a long command before its flags, so that a shell still takes it. */
function continued(command: string, width: number): string {
  const lines: string[] = [];
  for (const part of command.split(/ (?=--)/)) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + part.length + " \\ ".length <= width) {
      lines[lines.length - 1] = `${line} ${part}`;
    } else lines.push(line === undefined ? part : `      ${part}`);
  }
  return lines.join(" \\\n");
}

const DEFAULT_WIDTH = 80;
const LEAST_WIDTH = 40;
/** Longer lines are hard to read. */
const MOST_WIDTH = 100;

const widthOf = ({ COLUMNS }: Environment, columns: number | undefined): number =>
  Math.max(LEAST_WIDTH, Math.min(Number(COLUMNS) || columns || DEFAULT_WIDTH, MOST_WIDTH));
