/** The options of a program that embeds the relay: their check, and their names in messages. */
import { UsageError } from "../util/errors.ts";
import { similarName } from "../util/text.ts";
import { flagOf, type OptionTable, switchesOf, variablesOf } from "./option.ts";
import { OPTIONS } from "./options.ts";
import type { Given } from "./read.ts";
import { RELAY } from "./relay_options.ts";

/** What replaces an option of the command line. */
const INSTEAD: Readonly<Record<string, string>> = {
  listen: "Serve status and metrics() of the relay yourself.",
  onEventUrl: "Handle the events of type `recorded` in onEvent.",
  maxLag: "Compare it with the lag in the status of the relay.",
  logFormat: "Pass a logger as `log`, such as createLogger({ format, level }).",
  logLevel: "Pass a logger as `log`, such as createLogger({ format, level }).",
  output: "The function returns the result.",
  runs: "Call the function again.",
};

/** Checks the names of a program's options. Nothing is read from the environment. */
export function givenByProgram(options: object, known: OptionTable): Given {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const unknown = Object.keys(given).find((name) => !(name in known));
  if (unknown !== undefined) {
    const meant = similarName(unknown, Object.keys(known));
    throw new UsageError(`Unknown option: ${unknown}`, {
      hint: INSTEAD[unknown] ??
        (meant ? `Did you mean ${meant}?` : `Options: ${Object.keys(known).join(", ")}.`),
    });
  }
  for (const name of ["mongodbUrl", "cratedbUrl"]) {
    if (name in known && !(name in given)) {
      throw new UsageError(`${name} is missing`, { hint: "It has no default in a program." });
    }
  }
  return { options: given };
}

/** Flags and variables, and their names in a program. */
const NAMES: ReadonlyMap<string, string> = new Map(
  [...Object.values<OptionTable>(OPTIONS), RELAY].flatMap((table) => [
    ...Object.entries(table).flatMap(([name, option]) => [
      ...[`--${flagOf(name)}`, ...variablesOf(name, option)].map((each) => [each, name] as const),
      [`--${flagOf(name)}-file`, `${name}.file`] as const,
    ]),
    ...switchesOf(table).map(({ flag, name, value }) => [`--${flag}`, `${name} ${value}`] as const),
  ]),
);

/**
 * Returns a text of the command line in the words of the library.
 *
 * @example IN: "Give --shards 1, and check CRATEDB_SQLALCHEMY_URL or CRATEDB_URL." → OUT: "Give shards 1, and check cratedbUrl."
 */
export const inProgramWords = (text: string): string =>
  text.replace(/--[a-z][a-z-]*\b|\b[A-Z]+_[A-Z_]+\b/g, (name) => NAMES.get(name) ?? name)
    .replace(/\b(\w+) or \1\b/g, "$1");
