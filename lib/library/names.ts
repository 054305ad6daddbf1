/** What the options are called by an embedding program: the flags, in camel case. */
import type { Option } from "../config/options/option.ts";
import { OPTIONS } from "../config/options/options.ts";
import { SWITCHES } from "../config/options/switches.ts";

/** @example IN: snapshot-lanes → OUT: snapshotLanes */
export const camelCase = (flag: string): string =>
  flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

/** Flags and variables, and what they are in an embedding program. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ...Object.values<readonly Option[]>(OPTIONS).flat().flatMap(({ flag, env }) =>
    [`--${flag}`, ...env].map((name) => [name, camelCase(flag)] as const)
  ),
  ...SWITCHES.map(({ flag, means: [meant, value] }) =>
    [`--${flag}`, `${camelCase(meant)} ${value}`] as const
  ),
]);

/**
 * A text for users of the command line, for those of the library.
 *
 * @example
 * IN: "--snapshot-lanes is not a whole number of at least 1" → OUT: "snapshotLanes is not a whole number of at least 1"
 * IN: "Check CRATEDB_SQLALCHEMY_URL or CRATEDB_URL." → OUT: "Check cratedbUrl."
 */
export const inLibraryWords = (text: string): string =>
  text.replace(/--[a-z][a-z-]*\b|\b[A-Z]+_[A-Z_]+\b/g, (name) => NAMES.get(name) ?? name)
    .replace(/\b(\w+) or \1\b/g, "$1");
