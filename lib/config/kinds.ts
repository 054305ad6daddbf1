/**
 * Kinds of option values. Each parses the text of a flag or a variable, and the typed value of a program or a file.
 * A RangeError has the message that follows the option's name.
 */
import { readFileSync } from "node:fs";
import { BSON } from "mongodb";
import { LAST_ORDINAL } from "../source/stream/cluster_time.ts";

export interface Kind<Value, Input = Value> {
  /** Stands for the value in the help; a choice lists its words: `text|json`. */
  readonly placeholder: string;
  /** @throws RangeError */
  readonly parse: (given: unknown) => Value;
  /** Whether a flag that is given again adds to the list. */
  readonly list?: true;
  /** Whether a file may have the value: `--FLAG-file`, `VARIABLE_FILE`, `{file: PATH}`. */
  readonly secret?: true;
  /** Only a type: what a program may give. It has no value. */
  readonly input?: Input;
}

/** A document of MongoDB. */
export type Json = Readonly<Record<string, unknown>>;

/** A kind whose values are texts. @example IN: "K/N", parseWorker → OUT: parses "1/4" */
export const textual = <Value>(
  placeholder: string,
  parse: (text: string) => Value,
): Kind<Value, string> => ({
  placeholder,
  parse: (given) => {
    if (typeof given !== "string") throw new RangeError("is not a text");
    return parse(given);
  },
});

/** Any text but an empty one. */
export const text = (placeholder: string): Kind<string, string> =>
  textual(placeholder, (value) => {
    if (value === "") throw new RangeError("is empty");
    return value;
  });

/** Parses what is given, unless it is an empty text. */
export const optional = <Value, Input>(kind: Kind<Value, Input>): Kind<Value | undefined, Input> => ({
  ...kind as Kind<Value | undefined, Input>,
  parse: (given) => given === "" ? undefined : kind.parse(given),
});

/** A kind with a further condition. */
export const checked = <Value, Input>(
  kind: Kind<Value, Input>,
  check: (value: Value) => string | undefined,
): Kind<Value, Input> => ({
  ...kind,
  parse: (given) => {
    const value = kind.parse(given);
    const fault = check(value);
    if (fault !== undefined) throw new RangeError(fault);
    return value;
  },
});

/** The file that has a secret; it may be replaced while the program runs. */
export interface SecretFile {
  readonly file: string;
}

/** A value that may be in a file. */
export const secret = <Value, Input>(kind: Kind<Value, Input>): Kind<Value, Input | SecretFile> => ({
  ...kind as Kind<Value, Input | SecretFile>,
  secret: true,
});

/** A list, as an array or with commas. @example IN: "a, b_*" → OUT: ["a", "b_*"] */
export const list = (
  placeholder: string,
  parse: (text: string) => readonly string[],
): Kind<readonly string[], string | readonly string[]> => ({
  placeholder,
  list: true,
  parse: (given) => {
    const texts = Array.isArray(given) ? given : [given];
    if (!texts.every((each) => typeof each === "string")) throw new RangeError("is not a list of texts");
    return Object.freeze(parse(texts.join(",")));
  },
});

export const NAMES = list("NAME,…", (value) => {
  const names = value.split(",").map((name) => name.trim()).filter(Boolean);
  if (value !== "" && names.length === 0) throw new RangeError("names nothing");
  return names;
});

export const count = (minimum: number): Kind<number> => ({
  placeholder: "N",
  parse: (given) => {
    const number = typeof given === "string" && /^\d+$/.test(given) ? Number(given) : given;
    if (typeof number !== "number" || !Number.isInteger(number) || number < minimum) {
      throw new RangeError(`is not a whole number of at least ${minimum}`);
    }
    return number;
  },
});

export const oneOf = <const Choice extends string>(...choices: readonly Choice[]): Kind<Choice> => ({
  placeholder: choices.join("|"),
  parse: (given) => {
    const choice = choices.find((each) => each === given);
    if (choice === undefined) throw new RangeError(`is not one of ${choices.join(", ")}`);
    return choice;
  },
});

/** @example IN: {placeholder: "text|json"} → OUT: ["text", "json"]; IN: {placeholder: "URL"} → OUT: [] */
export const choicesOf = ({ placeholder }: Kind<unknown>): readonly string[] =>
  placeholder.includes("|") ? placeholder.split("|") : [];

/** A number, or a text with a unit. */
const quantity = (
  placeholder: string,
  parse: (text: string) => number,
): Kind<number, number | string> => ({
  placeholder,
  parse: (given) => {
    if (given === Infinity) return parse("forever");
    return parse(typeof given === "number" ? String(given) : textual("", String).parse(given));
  },
});

const UNITS_MS: Readonly<Record<string, number>> = { "": 1, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Milliseconds. @example IN: 250ms → OUT: 250; IN: 2m → OUT: 120000; IN: forever or Infinity → OUT: Infinity */
export const DURATION = quantity("TIME", (value) => {
  if (value === "forever") return Infinity;
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|)$/.exec(value) ?? [];
  if (number === undefined) throw new RangeError("is not a duration such as 250ms, 10s or 2m");
  return Number(number) * (UNITS_MS[unit ?? ""] ?? 1);
});

const UNITS_BYTES: Readonly<Record<string, number>> = { "": 1, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 };

/** Bytes. @example IN: 16MiB → OUT: 16777216 */
export const SIZE = quantity("SIZE", (value) => {
  const [, number, unit] = /^(\d+)(kib|mib|gib|)$/i.exec(value) ?? [];
  if (number === undefined || Number(number) === 0) {
    throw new RangeError("is not a size such as 16MiB or 500000");
  }
  return Number(number) * (UNITS_BYTES[unit?.toLowerCase() ?? ""] ?? 1);
});

/** Extended JSON as text, or the object itself. */
export const json = <Value, Input>(
  parse: (given: unknown) => Value,
): Kind<Value, Input | string> => ({ placeholder: "JSON", parse });

/**
 * @example
 * IN: now → OUT: "now"; IN: 1700000000:3 → OUT: Timestamp(1700000000, 3); IN: 2023-11-14T22:13:20Z → OUT: the end of that second
 */
export const OPERATION_TIME = textual("TIME", (value): "now" | BSON.Timestamp => {
  if (value === "now") return value;
  const [, t, i] = /^(\d{1,10}):(\d{1,10})$/.exec(value) ?? [];
  if (t !== undefined && i !== undefined) return timestamp(Number(t), Number(i));
  const time = /^\d{4}-\d{2}-\d{2}/.test(value) ? Date.parse(value) : NaN;
  return timestamp(Math.floor(time / 1_000), LAST_ORDINAL);
});

function timestamp(t: number, i: number): BSON.Timestamp {
  if (t <= LAST_ORDINAL && i <= LAST_ORDINAL) return new BSON.Timestamp({ t, i });
  throw new RangeError("is neither now, nor a time such as 2026-01-31T12:00:00Z, nor an operation time T:I");
}

/** The certificates in a PEM file. */
export const CERTIFICATE_FILE = textual(
  "FILE",
  (path) => pemFile(path, /-----BEGIN CERTIFICATE-----/, "a certificate"),
);

/** The private key in a PEM file. */
export const PRIVATE_KEY_FILE = textual("FILE", (path) => {
  const pem = pemFile(path, /-----BEGIN [A-Z ]*PRIVATE KEY-----/, "a private key");
  if (!/-----BEGIN ENCRYPTED|^Proc-Type:.*ENCRYPTED/m.test(pem)) return pem;
  throw new RangeError("names a file with a key that needs a passphrase");
});

function pemFile(path: string, block: RegExp, what: string): string {
  let pem;
  try {
    pem = readFileSync(path, "utf8");
  } catch {
    throw new RangeError("names a file that cannot be read");
  }
  if (!block.test(pem)) throw new RangeError(`names a file without ${what} in PEM`);
  return pem;
}
