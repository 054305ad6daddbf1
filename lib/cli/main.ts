/** The command line: which command, with which options; help and version. */
import { parseArgs } from "node:util";
import deno from "../../deno.json" with { type: "json" };
import { type Argument, type Completed, completionScript, type Shell, SHELLS } from "./completion.ts";
import { logOptions, relayConfig, workloadConfig } from "./config.ts";
import { describe, type Description } from "./describe_error.ts";
import { UsageError } from "../util/errors.ts";
import { createLogger, type Logger } from "../util/log.ts";
import { type Environment, type Flags, type Option, OPTIONS, type Switch, switchesOf } from "./options.ts";
import { wrap } from "./wrap.ts";

export interface Surroundings {
  readonly env: Environment;
  readonly signal: AbortSignal;
}

interface Context {
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Whether standard error is a terminal where progress may be drawn. */
  readonly terminal: boolean;
}

interface Command extends Completed {
  readonly examples: readonly string[];
  /** Loaded when called, so that help is instant. */
  readonly run: (given: { flags: Flags; env: Environment }, context: Context) => Promise<void>;
}

const PROGRAM = "mongodb_cdc_cratedb";
const CALL = `deno run -A ${PROGRAM}.ts`;
const INSTALLED = deno.name;

const COMMANDS: Readonly<Record<string, Command>> = {
  "cdc-relay": {
    summary: "Copy MongoDB collections into CrateDB, and keep the tables in step with their change stream",
    options: OPTIONS["cdc-relay"],
    examples: [
      `${CALL} cdc-relay`,
      `${CALL} cdc-relay --database weather --collection readings --table weather.readings`,
      `${CALL} cdc-relay --database shop --exclude 'tmp_*'`,
      `${CALL} cdc-relay --database shop --collection orders --filter '{"status": "open"}' --omit card`,
      `CRATEDB_URL=postgresql://crate@localhost:5432/doc ${CALL} cdc-relay`,
    ],
    run: async (given, context) => {
      const config = relayConfig(given);
      await (await import("../pipeline/relay.ts")).relay(config, context);
    },
  },
  "db-workload": {
    summary: "Write example data into the collection",
    options: OPTIONS["db-workload"],
    examples: [
      `${CALL} db-workload`,
      `${CALL} db-workload --count 20000 --mix insert=70,update=20,replace=5,delete=5`,
    ],
    run: async (given, context) => {
      const config = workloadConfig(given);
      await (await import("../workload/workload.ts")).workload(config, context);
    },
  },
  "demo": {
    summary: "Show the relay at work, on servers of its own where none are named",
    options: OPTIONS.demo,
    examples: [
      `${CALL} demo`,
      `${CALL} demo --keep`,
      `MONGODB_URL=mongodb://localhost/ CRATEDB_SQLALCHEMY_URL=crate:// ${CALL} demo`,
    ],
    run: async (given, context) => {
      const config = (await import("../demo/settings.ts")).demoConfig(given);
      await (await import("../demo/demo.ts")).demo(config, context);
    },
  },
  "completion": {
    summary: "Print the script that completes commands and options in a shell",
    options: [],
    argument: { name: "shell", choices: SHELLS },
    examples: [
      `source <(${INSTALLED} completion bash)`,
      `source <(${INSTALLED} completion zsh)`,
      `${INSTALLED} completion fish > ~/.config/fish/completions/${INSTALLED}.fish`,
    ],
    run: ({ flags }) => Promise.resolve(print(Deno.stdout, completionScript(flags.shell as Shell, COMMANDS))),
  },
};

/**
 * Runs a command line.
 *
 * @example
 * IN: ["--version"] → OUT: prints "mongodb_cdc_cratedb 0.1.0", returns 0
 *
 * @returns the exit code: 0 done or stopped by a signal, 1 failed, 2 wrong usage
 */
export async function main(args: readonly string[], { env, signal }: Surroundings): Promise<number> {
  const outcome = { tell: tellPeople };
  try {
    await dispatch(args, { env, signal, outcome });
    return 0;
  } catch (error) {
    const description = describe(error);
    if (signal.aborted && description.exitCode === 1 && isAbort(error)) return 0;
    outcome.tell(description);
    return description.exitCode;
  }
}

const tellPeople = ({ message, hint }: Description): void =>
  print(Deno.stderr, [`Error: ${message}`, ...hint ? [hint] : []].join("\n"));

const isAbort = (error: unknown): boolean => error instanceof Error && error.name === "AbortError";

interface Dispatched extends Surroundings {
  /** How the error is told that ends the program. */
  readonly outcome: { tell: (description: Description) => void };
}

async function dispatch(
  [name, ...args]: readonly string[],
  { env, signal, outcome }: Dispatched,
): Promise<void> {
  if (name === "--version" || name === "-V") return print(Deno.stdout, `${PROGRAM} ${deno.version}`);
  if (name === "--help" || name === "-h" || name === "help") return print(Deno.stdout, programHelp(env));
  if (name === undefined) throw new UsageError(`No command given.\n\n${programHelp(env)}`);
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) throw unknown("command", name, Object.keys(COMMANDS));
  const { help, ...flags } = parseFlags(command, args);
  if (help !== undefined) return print(Deno.stdout, commandHelp(name, command, env));
  if (command.argument) checkArgument(name, command.argument, flags);
  const given = { flags, env };
  const logging = logOptions(given);
  const terminal = Deno.stderr.isTerminal() && env.TERM !== "dumb";
  const log = createLogger({ ...logging, colour: terminal && !env.NO_COLOR });
  if (logging.format === "json") {
    outcome.tell = ({ message, hint, exitCode }) => log.error(message, { hint, exitCode });
  }
  await command.run(given, {
    signal,
    log,
    terminal: terminal && logging.format === "text" && ["debug", "info"].includes(logging.level),
  });
}

/** @throws UsageError */
function checkArgument(command: string, { name, choices }: Argument, { [name]: given }: Flags): void {
  if (given !== undefined && choices.includes(given)) return;
  const hint = `e.g. ${CALL} ${command} ${choices[0]}`;
  if (given === undefined) {
    throw new UsageError(`${command} needs a ${name}: ${choices.join(", ")}`, { hint });
  }
  throw unknown(name, given, choices);
}

/** Switches become the option that they are short for, the argument a flag of its name. */
function parseFlags({ options, argument }: Command, args: readonly string[]): Flags {
  const switches = switchesOf(options);
  const bare = ["help", ...switches.map(({ flag }) => flag)];
  const known = [...bare, ...options.map(({ flag }) => flag)];
  const { tokens } = parseArgs({
    args: [...args],
    options: {
      ...Object.fromEntries(options.map(({ flag }) => [flag, { type: "string" }])),
      ...Object.fromEntries(switches.map(({ flag, short }) => [flag, { type: "boolean", short }])),
      help: { type: "boolean", short: "h" },
    },
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const flags: Record<string, string> = {};
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    if (!known.includes(token.name)) throw unknown("option", token.rawName, known.map((flag) => `--${flag}`));
    if (bare.includes(token.name)) {
      if (token.value === undefined) continue;
      throw new UsageError(`--${token.name} takes no value`, {
        hint: `It was given ${JSON.stringify(token.value)}.`,
      });
    }
    if (token.value === undefined || !token.inlineValue && /^--|^-[a-z]$/i.test(token.value)) {
      throw new UsageError(`${token.rawName} needs a value`, {
        hint: `e.g. ${exampleOf(options, token.name)}`,
      });
    }
    const before = options.some(({ flag, list }) => list && flag === token.name)
      ? flags[token.name]
      : undefined;
    flags[token.name] = [...before === undefined ? [] : [before], token.value].join(",");
  }
  const given = new Set(tokens.flatMap((token) => token.kind === "option" ? [token.name] : []));
  if (given.has("help")) return { help: "" };
  const values = tokens.flatMap((token) => token.kind === "positional" ? [token.value] : []);
  const [stray] = values.slice(argument ? 1 : 0);
  if (stray !== undefined) {
    throw new UsageError(`Unexpected argument: ${JSON.stringify(stray)}`, {
      hint: "Options are written --name VALUE; see --help.",
    });
  }
  const meant = meaningOf(switches.filter(({ flag }) => given.has(flag)), flags);
  return { ...flags, ...meant, ...argument && { [argument.name]: values[0] } };
}

/** @throws UsageError when they say different things, or an option does */
function meaningOf(switches: readonly Switch[], flags: Flags): Flags {
  const meant: Record<string, string> = {};
  for (const { flag, means: [option, value] } of switches) {
    const other = switches.find((each) => each.flag !== flag && each.means[0] === option);
    if (other || flags[option] !== undefined) {
      throw new UsageError(
        `--${flag} cannot be given with --${other?.flag ?? `${option} ${flags[option]}`}`,
        {
          hint: `--${flag} is short for --${option} ${value}; give one of the two.`,
        },
      );
    }
    meant[option] = value;
  }
  return meant;
}

const exampleOf = (options: readonly Option[], name: string): string =>
  options.filter(({ flag }) => flag === name).map((option) => `--${name} ${option.default || option.value}`)
    .join();

function unknown(what: string, name: string, known: readonly string[]): UsageError {
  const nearest = known.map((each) => ({ each, distance: distance(name, each) }))
    .sort((one, other) => one.distance - other.distance)[0];
  const close = nearest && nearest.distance <= Math.max(2, name.length / 3);
  return new UsageError(`Unknown ${what}: ${name}`, {
    hint: close ? `Did you mean ${nearest.each}?` : `There are: ${known.join(", ")}. See --help.`,
  });
}

/** Levenshtein distance. */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...one].entries()) {
    const next = [i + 1];
    for (const [j, opposite] of [...other].entries()) {
      next.push(
        Math.min((row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1, (row[j] ?? 0) + (letter === opposite ? 0 : 1)),
      );
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

function programHelp(env: Environment): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const entry = (name: string, text: string) =>
    `  ${name.padEnd(width)}${
      wrap(text, { width: columns(env), indent: " ".repeat(width + 4) }).slice(width + 2)
    }`;
  return [
    "Keep CrateDB in step with MongoDB.",
    "",
    `Usage: ${CALL} <command> [options]`,
    "",
    "Commands:",
    ...Object.entries(COMMANDS).map(([name, { summary }]) => entry(name, summary)),
    "",
    "Options:",
    entry("--help", "Help for the program or, after a command, for that command"),
    entry("--version", "The version"),
    "",
    wrap("Exit codes: 0 done or stopped by a signal, 1 failed, 2 wrong usage.", {
      width: columns(env),
      indent: "",
    }),
  ].join("\n");
}

function commandHelp(
  name: string,
  { summary, options, argument, examples }: Command,
  env: Environment,
): string {
  const width = columns(env);
  const details = (text: string) => wrap(text, { width, indent: "      " });
  const rows = options.flatMap(({ flag, value, help, env, default: fallback }) => [
    `  --${flag} ${value}`,
    details(help),
    details(`${env.join(" or ")}; default: ${fallback || "none"}`),
  ]);
  const switches = switchesOf(options).flatMap(({ flag, short, help }) => [
    `  -${short}, --${flag}`,
    details(help),
  ]);
  return [
    wrap(`${summary}.`, { width, indent: "" }),
    "",
    `Usage: ${CALL} ${[name, ...argument ? [argument.choices.join("|")] : ["[options]"]].join(" ")}`,
    "",
    rows.length > 0 ? "Options, each with its environment variable; the flag wins:" : "Options:",
    ...rows,
    ...switches,
    "  -h, --help",
    "      This text",
    "",
    "Examples:",
    ...examples.map((example) => continued(`  ${example}`, width)),
  ].join("\n");
}

/** A command that may be copied still, broken before its flags where it is too long. */
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

/** Of the terminal; lines beyond 100 characters are hard to read. */
function columns({ COLUMNS }: Environment): number {
  const known = Number(COLUMNS) || (Deno.stdout.isTerminal() ? Deno.consoleSize().columns : 0);
  return Math.max(40, Math.min(known || 80, 100));
}

function print(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let rest = new TextEncoder().encode(`${text}\n`);
  try {
    while (rest.length > 0) rest = rest.subarray(stream.writeSync(rest));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error; // Whoever reads, head(1) perhaps, has had enough.
  }
}
