/** Reads options from the command line, the environment, and files that these name. */
import { readFileSync } from "node:fs";
import { UsageError } from "../../util/errors.ts";
import type { Option, Values } from "./option.ts";

export type Flags = Readonly<Record<string, string | undefined>>;

export type Environment = Readonly<Record<string, string | undefined>>;

/** What the command line and the environment say. */
export interface Given {
  readonly flags: Flags;
  readonly env: Environment;
}

/**
 * The values of options: the flag's, else the environment's, else the default.
 *
 * @example
 * IN: [--batch-size, --lease], {flags: {"batch-size": "7"}, env: {}} → OUT: {batchSize: 7, lease: 10000}
 *
 * @throws UsageError that names where a bad value came from
 */
export function readOptions<const Options extends readonly Option[]>(
  options: Options,
  given: Given,
): Values<Options> {
  const entries = options.filter(({ flag }) => !NAMES_FILE.test(flag))
    .map((each) => [camelCase(each.flag), valueOf(each, given)]);
  return Object.fromEntries(entries) as Values<Options>;
}

/** The flag or variable that sets an option, itself or by naming a file; undefined if the default applies. */
export function sourceOf(
  { flag, env, file }: Option,
  { flags, env: variables }: Given,
): string | undefined {
  const flagNames = [flag, ...file ? [`${flag}-file`] : []];
  const variableNames = [...env, ...file ? env.map((name) => `${name}_FILE`) : []];
  const given = flagNames.find((name) => flags[name] !== undefined);
  if (given !== undefined) return `--${given}`;
  return variableNames.find((name) => variables[name] !== undefined && variables[name] !== "");
}

/** The file that has the value of an option; undefined if none has. */
export function fileWith(option: Option, given: Given): string | undefined {
  const source = sourceOf(option, given);
  return option.file && source !== undefined && NAMES_FILE.test(source) ? givenAt(source, given) : undefined;
}

/** What was given there. */
const givenAt = (source: string, { flags, env }: Given): string =>
  (source.startsWith("--") ? flags[source.slice(2)] : env[source]) ?? "";

const NAMES_FILE = /-file$|_FILE$/;

function valueOf(option: Option, given: Given): unknown {
  const { flag, help } = option;
  if (given.flags[flag] === "") throw new UsageError(`--${flag} is empty`, { hint: `${help}.` });
  const source = sourceOf(option, given);
  const name = source ?? `--${flag}`;
  const isInFile = option.file === true && NAMES_FILE.test(name);
  const value = source === undefined
    ? option.default
    : isInFile
    ? contentOf(givenAt(source, given), source)
    : givenAt(source, given);
  if (option.file && NOT_BARE.test(value)) throw notBare(name);
  try {
    return option.parse(value);
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${name}: ${error.message}`, error);
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(
      isInFile
        ? `${name}: what is in the file ${error.message}`
        : option.file
        ? `${name} ${error.message}`
        : `${name} ${error.message}: current value is ${JSON.stringify(value)}`,
      { hint: `${help}.${option.default === "" ? "" : ` Default: ${option.default}`}` },
    );
  }
}

/** A line of a shell script or an env file in place of its value. */
const NOT_BARE = /^(?:["'`]|export\s|[A-Z][A-Z0-9_]*=)/;

const notBare = (name: string): UsageError =>
  new UsageError(`${name} has quotation marks or a variable's name around its value`, {
    hint:
      'Give the bare value, e.g. mongodb://host/ and neither "mongodb://host/" nor MONGODB_URL=mongodb://host/.',
  });

/** Without the line end that editors leave. */
function contentOf(path: string, source: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    throw new UsageError(`${source} names a file that cannot be read: ${path}`, {
      hint: "It needs to be there, and to be readable by the user of this program.",
      cause: error,
    });
  }
}

const camelCase = (flag: string): string =>
  flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
