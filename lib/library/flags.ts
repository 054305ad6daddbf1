/** Options that another program gives, as the command line would have them. */
import { BSON } from "mongodb";
import type { Option } from "../config/options/option.ts";
import { OPTIONS } from "../config/options/options.ts";
import type { Flags } from "../config/options/read.ts";
import { LOGGING } from "../config/options/logging.ts";
import { MONITORING } from "../config/options/relay.ts";
import { STATUS, STREAM, WAIT } from "../config/options/status.ts";
import { UsageError } from "../util/errors.ts";
import { camelCase } from "./names.ts";

const URLS = ["mongodb-url", "cratedb-url"];

/** Of the command line alone: how it logs, prints and repeats, and files with a URL, which a program reads itself. */
const COMMAND_LINE = [
  ...LOGGING.map(({ flag }) => flag),
  ...MONITORING.map(({ flag }) => flag),
  ...URLS.map((flag) => `${flag}-file`),
  "output",
  "runs",
];

const withoutCommandLine = (options: readonly Option[], kept: readonly string[] = []): readonly Option[] =>
  options.filter(({ flag }) => kept.includes(flag) || !COMMAND_LINE.includes(flag));

/** The options of each function of the library. */
export const LIBRARY_OPTIONS = {
  startRelay: withoutCommandLine(OPTIONS["cdc-relay"]),
  status: withoutCommandLine([...STATUS, ...STREAM], ["max-lag"]),
  wait: withoutCommandLine([...WAIT, ...STREAM]),
  verify: withoutCommandLine(OPTIONS.verify),
} as const;

/** Those that have no default here: data must not go to whatever listens on this machine. */
export const isRequired = ({ flag }: Option): boolean => URLS.includes(flag);

/** What stands in for an option of the command line. */
const INSTEAD: Readonly<Record<string, string>> = {
  listen: "Answer requests of your own with status and metrics() of the relay.",
  maxLag: "Compare it with the lag in the status of the relay.",
  logFormat: "Give a logger as `log`, such as createLogger({ format, level }).",
  logLevel: "Give a logger as `log`, such as createLogger({ format, level }).",
  mongodbUrlFile: "Read the file, and give what it has as mongodbUrl.",
  cratedbUrlFile: "Read the file, and give what it has as cratedbUrl.",
  output: "The function returns what it has found.",
  runs: "Call the function again.",
};

/**
 * Options of a function as the command line would have them.
 *
 * @example
 * IN: {mongodbUrl: "…", cratedbUrl: "…", database: ["a", "b"], filter: {n: 1}, snapshotLanes: 2}
 * OUT: {"mongodb-url": "…", "cratedb-url": "…", database: "a,b", filter: "{\"n\":1}", "snapshot-lanes": "2"}
 *
 * @throws UsageError for a name that is none, and a URL that is missing
 */
export function flagsOf(options: object, known: readonly Option[]): Flags {
  const flags = new Map(known.map(({ flag }) => [camelCase(flag), flag]));
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  for (const [name] of given) {
    if (!flags.has(name)) throw unknown(name, [...flags.keys()]);
  }
  for (const [name] of [...flags].filter(([, flag]) => URLS.includes(flag))) {
    if (!given.some(([each]) => each === name)) {
      throw new UsageError(`${name} is missing`, { hint: "It has no default in a program." });
    }
  }
  return Object.fromEntries(given.map(([name, value]) => [flags.get(name) ?? name, flagText(value)]));
}

const unknown = (name: string, known: readonly string[]): UsageError =>
  new UsageError(`There is no option ${name}`, {
    hint: INSTEAD[name] ?? `The options are: ${known.join(", ")}.`,
  });

function flagText(value: unknown): string {
  if (Array.isArray(value) && value.every((each) => typeof each === "string")) return value.join(",");
  return typeof value === "object" ? BSON.EJSON.stringify(value, { relaxed: false }) : String(value);
}
