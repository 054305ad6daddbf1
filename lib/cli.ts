/** The command line: which command, with which options; help and version. */
import { parseArgs } from "node:util";
import deno from "../deno.json" with { type: "json" };
import { logOptions, relayConfig, workloadConfig } from "./config.ts";
import { describe, UsageError } from "./errors.ts";
import { createLogger, type Logger } from "./ops/log.ts";
import { type Environment, type Flags, type Option, OPTIONS } from "./options.ts";

export interface Surroundings {
  readonly env: Environment;
  readonly signal: AbortSignal;
}

interface Context {
  readonly signal: AbortSignal;
  readonly log: Logger;
}

interface Command {
  readonly summary: string;
  readonly options: readonly Option[];
  readonly examples: readonly string[];
  /** Loaded when called, so that help is instant. */
  readonly run: (given: { flags: Flags; env: Environment }, context: Context) => Promise<void>;
}

const PROGRAM = "mongodb_cdc_cratedb";
const CALL = `deno run -A ${PROGRAM}.ts`;

const COMMANDS: Readonly<Record<string, Command>> = {
  "cdc-relay": {
    summary: "Follow a collection's change stream and keep a CrateDB table in step with it",
    options: OPTIONS["cdc-relay"],
    examples: [
      `${CALL} cdc-relay`,
      `${CALL} cdc-relay --collection readings --table weather.readings`,
      `CRATEDB_URL=postgresql://crate@localhost:5432/doc ${CALL} cdc-relay`,
    ],
    run: async (given, context) => {
      const config = relayConfig(given);
      await (await import("./relay.ts")).relay(config, context);
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
      await (await import("./workload.ts")).workload(config, context);
    },
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
  try {
    await dispatch(args, { env, signal });
    return 0;
  } catch (error) {
    const { message, hint, exitCode } = describe(error);
    if (signal.aborted && exitCode === 1 && isAbort(error)) return 0;
    print(Deno.stderr, [`Error: ${message}`, ...hint ? [hint] : []].join("\n"));
    return exitCode;
  }
}

const isAbort = (error: unknown): boolean => error instanceof Error && error.name === "AbortError";

async function dispatch([name, ...args]: readonly string[], { env, signal }: Surroundings): Promise<void> {
  if (name === "--version" || name === "-V") return print(Deno.stdout, `${PROGRAM} ${deno.version}`);
  if (name === "--help" || name === "-h" || name === "help") return print(Deno.stdout, programHelp());
  if (name === undefined) throw new UsageError(`No command given.\n\n${programHelp()}`);
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) throw unknown("command", name, Object.keys(COMMANDS));
  const { help, ...flags } = parseFlags(command, args);
  if (help !== undefined) return print(Deno.stdout, commandHelp(name, command));
  const given = { flags, env };
  await command.run(given, { signal, log: createLogger(logOptions(given)) });
}

function parseFlags({ options }: Command, args: readonly string[]): Flags {
  const known = ["help", ...options.map(({ flag }) => flag)];
  const types = Object.fromEntries(options.map(({ flag }) => [flag, { type: "string" as const }]));
  const { tokens } = parseArgs({
    args: [...args],
    options: { ...types, help: { type: "boolean", short: "h" } },
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const flags: Record<string, string> = {};
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    if (!known.includes(token.name)) throw unknown("option", token.rawName, known.map((flag) => `--${flag}`));
    if (
      token.name !== "help" &&
      (token.value === undefined || !token.inlineValue && token.value.startsWith("--"))
    ) {
      throw new UsageError(`${token.rawName} needs a value`, {
        hint: `e.g. ${exampleOf(options, token.name)}`,
      });
    }
    flags[token.name] = token.value ?? "";
  }
  const stray = tokens.find(({ kind }) => kind === "positional");
  if (stray) {
    throw new UsageError(`Unexpected argument: ${JSON.stringify(args[stray.index])}`, {
      hint: "Options are written --name VALUE; see --help.",
    });
  }
  return flags;
}

const exampleOf = (options: readonly Option[], name: string): string =>
  `--${name} ${options.find(({ flag }) => flag === name)?.default}`;

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

function programHelp(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  return [
    "Keep CrateDB in step with MongoDB.",
    "",
    `Usage: ${CALL} <command> [options]`,
    "",
    "Commands:",
    ...Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`),
    "",
    "Options:",
    "  --help     Help for the program or, after a command, for that command",
    "  --version  The version",
    "",
    "Exit codes: 0 done or stopped by a signal, 1 failed, 2 wrong usage.",
  ].join("\n");
}

function commandHelp(name: string, { summary, options, examples }: Command): string {
  const rows = options.flatMap(({ flag, value, help, env, default: fallback }) => [
    `  --${flag} ${value}`,
    `      ${help}`,
    `      ${env.join(" or ")}; default: ${fallback}`,
  ]);
  return [
    `${summary}.`,
    "",
    `Usage: ${CALL} ${name} [options]`,
    "",
    "Options, each with its environment variable; the flag wins:",
    ...rows,
    "  --help",
    "      This text",
    "",
    "Examples:",
    ...examples.map((example) => `  ${example}`),
  ].join("\n");
}

function print(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  stream.writeSync(new TextEncoder().encode(`${text}\n`));
}
