/** Reads options from flags, the environment, the options of a program, and files that these name. */
import { readFileSync } from "node:fs";
import { UsageError } from "../util/errors.ts";
import { flagOf, type Option, type OptionTable, type Values, variablesOf } from "./option.ts";

export type Flags = Readonly<Record<string, string | undefined>>;

export type Environment = Readonly<Record<string, string | undefined>>;

/** The sources of values, in the order of precedence. */
export interface Given {
  /** By flag, without the dashes. */
  readonly flags?: Flags;
  readonly env?: Environment;
  /** By name, with typed values: those of a program that embeds the relay. */
  readonly options?: Readonly<Record<string, unknown>>;
}

/** A value, and what messages call its source: `--table`, `CRATEDB_TABLE`, `table`. */
export interface Found {
  readonly source: string;
  /** The value; undefined if a file has it. */
  readonly value: unknown;
  /** The file that has the value. */
  readonly file?: string | undefined;
}

/**
 * Finds the value of an option, or the file that has it; undefined if the default applies.
 *
 * @example
 * IN: "cratedbUrl", {flags: {}, env: {CRATEDB_URL_FILE: "/run/url"}} → OUT: {source: "CRATEDB_URL_FILE", file: "/run/url"}
 */
export function find(name: string, option: Option, { flags = {}, env = {}, options = {} }: Given) {
  const flag = flagOf(name);
  const variables = variablesOf(name, option);
  const found = (source: string, value: unknown): Found => ({ source, value });
  const inFile = (source: string, file: string): Found => ({ source, value: undefined, file });
  const places: readonly (Found | undefined | false)[] = [
    flags[flag] !== undefined && found(`--${flag}`, flags[flag]),
    option.kind.secret && flags[`${flag}-file`] !== undefined &&
    inFile(`--${flag}-file`, flags[`${flag}-file`] ?? ""),
    ...variables.map((each) => env[each] ? found(each, env[each]) : undefined),
    ...variables.map((each) => {
      const file = option.kind.secret && env[`${each}_FILE`];
      return file ? inFile(`${each}_FILE`, file) : undefined;
    }),
    options[name] !== undefined &&
    (isFile(options[name]) && option.kind.secret
      ? inFile(name, options[name].file)
      : found(name, options[name])),
  ];
  return places.find((place) => place !== false && place !== undefined) || undefined;
}

const isFile = (value: unknown): value is { readonly file: string } =>
  typeof value === "object" && typeof (value as { file?: unknown } | null)?.file === "string";

/**
 * Returns the values of a table: what is given, else the defaults.
 *
 * @example
 * IN: {batchSize: …, lease: …}, {flags: {"batch-size": "7"}} → OUT: {batchSize: 7, lease: 10000}
 *
 * @throws UsageError that names the source of a bad value
 */
export function readOptions<Table extends OptionTable>(table: Table, given: Given): Values<Table> {
  const entries = Object.entries(table).map(([name, option]) => [name, valueOf(name, option, given)]);
  return Object.fromEntries(entries) as Values<Table>;
}

function valueOf(name: string, option: Option, given: Given): unknown {
  const { kind, help, default: fallback } = option;
  const found = find(name, option, given);
  if (!found) return kind.parse(fallback);
  const { source, file } = found;
  if ((file ?? found.value) === "") throw new UsageError(`${source} is empty`, { hint: `${help}.` });
  const value = file === undefined ? found.value : contentOf(file, source);
  if (kind.secret && NOT_BARE.test(String(value))) {
    throw new UsageError(`${source} has quotation marks or a variable's name around its value`, {
      hint: 'Write only the value: mongodb://host/, not "mongodb://host/" or MONGODB_URL=mongodb://host/.',
    });
  }
  try {
    return kind.parse(value);
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${source}: ${error.message}`, error);
    if (!(error instanceof RangeError)) throw error;
    const fault = file === undefined ? error.message : `names a file whose content ${error.message}`;
    // A secret is not shown.
    const current = kind.secret ? "" : `: current value is ${JSON.stringify(value)}`;
    throw new UsageError(`${source} ${fault}${current}`, {
      hint: `${help}.${fallback === "" ? "" : ` Default: ${fallback}`}`,
    });
  }
}

/** A line of a shell script or an env file, instead of its value. */
const NOT_BARE = /^(?:["'`]|export\s|[A-Z][A-Z0-9_]*=)/;

/** Returns the content of a file, without the line end that editors add. */
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
