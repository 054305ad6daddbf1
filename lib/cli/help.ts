/** The texts of `--help`, made from the option table. */
import { basename, isAbsolute, relative } from "node:path";
import process from "node:process";
import { flagOf, type Option, switchesOf, variablesOf } from "../config/option.ts";
import { grouped } from "../config/options.ts";
import { placeholderOf } from "../config/parsers.ts";
import type { Environment } from "../config/read.ts";
import { INSTALLED_NAME } from "../util/runtime.ts";
import type { Command } from "./command.ts";

const LEAST_WIDTH = 40;
/** Longer lines are hard to read. */
const MOST_WIDTH = 100;

/** The width of the help, from the variable COLUMNS, or the columns of the terminal if it is one. */
export const helpWidth = ({ COLUMNS }: Environment, columns: number | undefined): number =>
  Math.max(LEAST_WIDTH, Math.min(Number(COLUMNS) || columns || MOST_WIDTH, MOST_WIDTH));

const COMMAND_COLUMN = 17;
/** Column of the descriptions of options; narrow terminals have them below. */
const OPTION_COLUMN = 35;
const NARROW = 80;

const EXIT_CODES =
  "Exit codes: 0 done (cdc-relay, db-workload, --watch: or stopped by a signal), 1 failed, 2 wrong usage, 3 verify, " +
  "config diff or plan --apply found a difference, 4 check, plan or status found a problem or wait timed out.";

export function programHelp(commands: Readonly<Record<string, Command>>, width: number): string {
  const line = (term: string, description: string) => item(term, description, width, COMMAND_COLUMN);
  return [
    `Usage: ${CALL} <command> [options]`,
    "",
    "Keeps CrateDB in sync with MongoDB.",
    "",
    "Commands:",
    ...Object.entries(commands).flatMap(([name, { summary }]) => line(name, summary)),
    ...line("help", "Help for the program; help COMMAND is COMMAND --help"),
    "",
    "Options:",
    ...line("-h, --help", "Help for the program or, after a command, for that command"),
    ...line("-V, --version", "The version"),
    "",
    ...wrapped(EXIT_CODES, width),
  ].join("\n");
}

export function commandHelp(
  name: string,
  { summary, options, argument, examples }: Command,
  width: number,
): string {
  const column = width < NARROW ? 0 : OPTION_COLUMN;
  const secrets = Object.entries(options).filter(([, { secret }]) => secret).map(([name]) =>
    `--${flagOf(name)}-file`
  );
  const variables = grouped(options).flatMap(([, table]) =>
    Object.entries(table).map(([name, option]) => variablesOf(name, option).join(" or "))
  );
  const given = argument === undefined ? undefined : options[argument];
  const files = ` Secrets may be in files: ${secrets.join(", ")}, or a variable with _FILE at its end.`;
  return [
    `Usage: ${CALL} ${name} ${given ? `[${placeholderOf(given)}] ` : ""}[options]`,
    "",
    ...wrapped(`${summary}.`, width),
    ...grouped(options).flatMap(([title, table]) => [
      "",
      `${title}:`,
      ...Object.entries(table).flatMap(([name, option]) => [
        ...item(`--${flagOf(name)} ${placeholderOf(option)}`, helpOf(option), width, column),
        ...switchesOf({ [name]: option }).flatMap(({ flag, letter, value }) =>
          item(`-${letter}, --${flag}`, `Same as --${flagOf(name)} ${value}`, width, column)
        ),
      ]),
    ]),
    "",
    ...wrapped(
      `Environment variables, in the same order (a flag wins): ${variables.join(", ")}.` +
        `${secrets.length > 0 ? files : ""} Details: docs/options.md.`,
      width,
    ),
    "",
    "Examples:",
    ...examples.map((example) => continued(`  ${CALL} ${name}${example && ` ${example}`}`, width)),
  ].join("\n");
}

const helpOf = ({ help, default: fallback }: Option): string => fallback ? `${help} [${fallback}]` : help;

const BELOW_INDENT = 6;

/** Lays out a term and its description: side by side if both fit. With column 0 the description is below the term. */
function item(term: string, description: string, width: number, column: number): string[] {
  const indent = column || BELOW_INDENT;
  const [first = "", ...rest] = wrapped(description, width - indent);
  const head = `  ${term}`;
  const pad = " ".repeat(indent);
  return head.length + 1 < column
    ? [head.padEnd(column) + first, ...rest.map((line) => pad + line)]
    : [head, ...[first, ...rest].map((line) => pad + line)];
}

const wrapped = (text: string, width: number): string[] => filled(text.split(" "), width);

/** Breaks a long command before its flags, so that a shell still accepts it. */
const continued = (command: string, width: number): string =>
  filled(command.split(/ (?=--)/), width - " \\".length, "      ").join(" \\\n");

/** Joins parts to lines that fit. */
function filled(parts: readonly string[], width: number, indent = ""): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const line = lines.at(-1);
    if (line === undefined) lines.push(part);
    else if (line.length + part.length >= width) lines.push(indent + part);
    else lines[lines.length - 1] = `${line} ${part}`;
  }
  return lines;
}

const RUNTIME = /^(?:deno|node|nodejs|bun)(?:\.exe)?$/i;

/**
 * Returns the command that calls this program. The script is an absolute path or a URL.
 * @example
 * IN: {execPath: "/usr/bin/deno", cwd: () => "/src/relay"}, "/src/relay/mongodb_cdc_cratedb.ts"
 * OUT: "deno run -A mongodb_cdc_cratedb.ts"
 * IN: {execPath: "/opt/mongodb-cdc-cratedb-x86_64", …} → OUT: "mongodb-cdc-cratedb-x86_64"
 */
export function callOf({ execPath, cwd }: Pick<typeof process, "execPath" | "cwd">, script: string): string {
  const executable = basename(execPath);
  if (!RUNTIME.test(executable)) return executable;
  // A clone has TypeScript; the npm package has JavaScript and a command with this name.
  if (!script.endsWith(".ts") || basename(script, ".ts") === INSTALLED_NAME) return INSTALLED_NAME;
  const fromHere = isAbsolute(script) ? relative(cwd(), script) : script;
  return `deno run -A ${fromHere.startsWith("..") ? script : fromHere}`;
}

const CALL = callOf(process, process.argv[1] ?? "");
