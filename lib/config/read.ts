/** Reads options from flags, the environment, the options of a program, and files that these name. */
import { readFileSync } from "node:fs";
import { EntryError, UsageError } from "../util/errors.ts";
import { flagOf, type Option, type OptionTable, variablesOf } from "./option.ts";
import { parse, type Values } from "./parsers.ts";

export type Flags = Readonly<Record<string, string | undefined>>;

export type Environment = Readonly<Record<string, string | undefined>>;

/** The sources of values, in the order of precedence. */
export interface Given {
  /** By flag, without the dashes. */
  readonly flags?: Flags;
  readonly env?: Environment;
  /** By name, with typed values: those of a program that embeds the relay. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Where `options` are from, by name, for messages. @default {their names} */
  readonly places?: Readonly<Record<string, string>>;
  /** Other values of `options` for some collections. */
  readonly collections?: readonly CollectionRule[];
}

/** What is given for the collections that match a pattern: a collection, or `database.collection`. */
export interface CollectionRule extends Pick<Given, "options" | "places"> {
  readonly pattern: string;
}

/** The same without the flags of these options. */
export function withoutFlags(given: Given, names: readonly string[]): Given {
  const without = names.map(flagOf);
  const flags = Object.entries(given.flags ?? {}).filter(([flag]) => !without.includes(flag));
  return { ...given, flags: Object.fromEntries(flags) };
}

/** A value, or the file that has it, with the name of its source. */
export interface Found {
  readonly source: string;
  readonly value?: unknown;
  readonly file?: string | undefined;
}

/**
 * Finds what is given for an option; undefined if the default applies.
 *
 * @example
 * IN: "cratedbUrl", {flags: {}, env: {CRATEDB_URL_FILE: "/run/url"}} → OUT: {source: "CRATEDB_URL_FILE", file: "/run/url"}
 */
export function find(name: string, option: Option, given: Given): Found | undefined {
  const { flags = {}, env = {}, options = {}, places = {} } = given;
  const flag = flagOf(name);
  const { secret } = option;
  if (flags[flag] !== undefined) return { source: `--${flag}`, value: flags[flag] };
  const file = flags[`${flag}-file`];
  if (secret && file !== undefined) return { source: `--${flag}-file`, file };
  const variables = variablesOf(name, option);
  // An empty variable is not set.
  for (const source of variables) if (env[source]) return { source, value: env[source] };
  const ofFile = secret && variables.find((each) => env[`${each}_FILE`]);
  if (ofFile) return { source: `${ofFile}_FILE`, file: env[`${ofFile}_FILE`] };
  const value = options[name];
  if (value === undefined) return undefined;
  const source = places[name] ?? name;
  const named = secret && (value as { readonly file?: unknown } | null)?.file;
  return typeof named === "string" ? { source, file: named } : { source, value };
}

/**
 * Returns the values of a table: what is given, else the defaults.
 *
 * @example IN: {batchSize: …, lease: …}, {flags: {"batch-size": "7"}} → OUT: {batchSize: 7, lease: 10000}
 */
export function readOptions<Table extends OptionTable>(table: Table, given: Given): Values<Table> {
  const entries = Object.entries(table).map(([name, option]) => [name, valueOf(name, option, given)]);
  return Object.fromEntries(entries) as Values<Table>;
}

/** The value of one option. @throws UsageError */
export function valueOf(name: string, option: Option, given: Given): unknown {
  const { secret, help, default: fallback = "" } = option;
  const found = find(name, option, given);
  if (!found) return parse(option, fallback);
  const { source, file } = found;
  if ((file ?? found.value) === "") throw new UsageError(`${source} is empty`, { hint: `${help}.` });
  const value = file === undefined ? found.value : contentOf(file, source);
  if (value === "" && fallback !== "") {
    throw new UsageError(`${source} names an empty file`, { hint: `${help}.` });
  }
  if (secret && NOT_BARE.test(String(value))) {
    throw new UsageError(`${source} has quotation marks or a variable's name around its value`, {
      hint: 'Write only the value: mongodb://host/, not "mongodb://host/" or MONGODB_URL=mongodb://host/.',
    });
  }
  try {
    return parse(option, value);
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${source}: ${error.message}`, error);
    if (!(error instanceof RangeError)) throw error;
    const fault = file === undefined ? error.message : `names a file whose content ${error.message}`;
    // A secret is not shown.
    const entry = error instanceof EntryError ? error : undefined;
    const current = secret ? "" : `: current value is ${JSON.stringify(entry ? entry.value : value)}`;
    throw new UsageError(`${entry ? `${source}.${entry.key}` : source} ${fault}${current}`, {
      cause: error,
      hint: `${help}.${fallback === "" ? "" : ` Default: ${fallback}`}`,
    });
  }
}

/** A line of a shell script or an env file, instead of its value. */
const NOT_BARE = /^(?:["'`]|export\s|[A-Z][A-Z0-9_]*=)/;

/** The content of a file, without the line end that editors add. */
function contentOf(path: string, source: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    throw new UsageError(`${source} names a file that cannot be read: ${path}`, {
      hint: "Check that the file exists, and that the user of this program may read it.",
      cause: error,
    });
  }
}
