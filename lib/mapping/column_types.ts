/**
 * What each BSON type becomes: its JSON text, the kind of column created for it, and the other kinds of column that store
 * it unchanged. One row per type. A cell returns `undefined` for a value that does not fit, e.g. an integer out of range.
 */
import { isIPv4, isIPv6 } from "node:net";
import { BSON } from "mongodb";
import {
  base64At,
  BsonType,
  type BsonValue,
  float64At,
  hexAt,
  int32At,
  int64At,
  int64TextAt,
  stringAt,
} from "../bson/bson.ts";

/**
 * The kinds of column below `data`.
 *
 * - `varchar` is text of a limited length, `char` of a fixed one, `ip` text that is an address.
 * - `longtext` is text without Lucene's limit, `inferred` a BIGINT that CrateDB may have created from dates.
 * - `ignored` stores all objects, `jsonb` what PostgreSQL's type keeps unchanged.
 * - `any` stores what the column created for the value would store, `unfit` stores nothing.
 */
export type Kind = TextKind | NumberKind | OtherKind;
type TextKind = "text" | "longtext" | "varchar" | "char" | "ip";
type NumberKind = "bigint" | "inferred" | "integer" | "smallint" | "double" | "real";
type OtherKind = "boolean" | "timestamp" | "object" | "array" | "ignored" | "any" | "jsonb" | "unfit";

type Render = (...value: Parameters<Fit>) => string;
type Fit = (bytes: Uint8Array, offset: number, length: number) => string | undefined;

interface ScalarRow {
  /** The kind of the column created for it; none for null. */
  readonly column: Kind | undefined;
  readonly json: Render;
  readonly fits: Partial<Record<Kind, Fit>>;
}

/** Lucene's limit for one indexed term, in bytes of UTF-8. */
export const MAX_TEXT_BYTES = 32_766;
/** A BSON string's length field and terminating NUL. */
const STRING_OVERHEAD_BYTES = 5;
const FLOAT_DIGITS = 6;
const INT64_MIN = "-9223372036854775808";
const INT64_MAX = "9223372036854775807";

/** Doubles hold integers up to this one exactly; larger ones move to `overflow` when their column is widened. */
export const MAX_EXACT = 2 ** 53;

/** Whether a BIGINT column becomes DOUBLE PRECISION when it meets `20.5`. */
export const isWidened = (column: Kind): boolean => column === "bigint" || column === "inferred";

/** Whether a column has to be widened to store this scalar. @example IN: 20.5, bigint → OUT: true; IN: NaN, bigint → OUT: false */
export const needsWidening = ({ type, bytes, offset }: BsonValue, column: Kind): boolean =>
  type === BsonType.double && isWidened(column) && Number.isFinite(float64At(bytes, offset));

export const isTooLong = (length: number): boolean => length - STRING_OVERHEAD_BYTES > MAX_TEXT_BYTES;

const quoted: Render = (bytes, offset) => JSON.stringify(stringAt(bytes, offset));
const quotedShort: Fit = (bytes, offset, length) =>
  isTooLong(length) ? undefined : quoted(bytes, offset, length);

/** A double as JSON that is read back as a double. @example IN: 1 → OUT: 1.0; IN: 1e21 → OUT: 1e+21; IN: NaN → OUT: "NaN" */
export function doubleText(value: number): string {
  if (!Number.isFinite(value)) return `"${value}"`;
  if (Object.is(value, -0)) return "-0.0";
  const text = String(value);
  return Number.isInteger(value) && !text.includes("e") ? `${text}.0` : text;
}

const boolean: Render = (bytes, offset) => bytes[offset] === 1 ? "true" : "false";
const double: Render = (bytes, offset) => doubleText(float64At(bytes, offset));
const int32: Render = (bytes, offset) => String(int32At(bytes, offset));
const int64: Render = int64TextAt;

/** An integer as JSON that reads back as a double, in case the column is dropped by then. */
const wholeDouble = (fit: Fit): Fit => (...value) => {
  const text = fit(...value);
  return text === undefined ? undefined : `${text}.0`;
};

const integralDouble = (limit: number): Fit => (bytes, offset) => {
  const value = float64At(bytes, offset);
  const fits = Number.isInteger(value) && Math.abs(value) <= limit && !Object.is(value, -0);
  return fits ? String(value) : undefined;
};
const smallInt64 = (limit: number): Fit => (bytes, offset) => {
  const value = int64At(bytes, offset);
  return value >= -limit && value <= limit ? String(value) : undefined;
};
/** CrateDB 6 refuses both ends of the range, so no column gets them. */
const innerInt64: Fit = (bytes, offset) => {
  const text = int64TextAt(bytes, offset);
  return text === INT64_MIN || text === INT64_MAX ? undefined : text;
};
/** A REAL column returns the shortest text of the float: up to six digits, that is the double's text. */
const singleDouble: Fit = (bytes, offset) => {
  const value = float64At(bytes, offset);
  const digits = String(value).replace(/e.*|^-?[0.]*|\./g, "").replace(/0+$/, "");
  const isSame = Object.is(Math.fround(value), value) && digits.length <= FLOAT_DIGITS;
  return isSame || !Number.isFinite(value) ? doubleText(value) : undefined;
};
const smallInt32 = (limit: number): Fit => (bytes, offset) =>
  Math.abs(int32At(bytes, offset)) <= limit ? int32(bytes, offset, 4) : undefined;

function binaryText(bytes: Uint8Array, offset: number): string {
  const length = int32At(bytes, offset);
  const subtype = bytes[offset + 4];
  if ((subtype === 3 || subtype === 4) && length === 16) {
    return hexAt(bytes, offset + 5, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }
  const inner = subtype === 2 ? 4 : 0;
  return base64At(bytes, offset + 5 + inner, length - inner);
}

function textual(plain: Render): ScalarRow {
  const json: Render = (...value) => `"${plain(...value)}"`;
  const text: Fit = (...value) => {
    const rendered = json(...value);
    return rendered.length - 2 <= MAX_TEXT_BYTES ? rendered : undefined;
  };
  return { column: "text", json, fits: { text, longtext: json } };
}

/** An address as CrateDB writes it. CrateDB rewrites other spellings. */
const address: Fit = (bytes, offset) => {
  const text = stringAt(bytes, offset);
  return isIPv4(text) || isIPv6(text) && isCanonical(text) ? JSON.stringify(text) : undefined;
};
const isCanonical = (text: string): boolean =>
  !text.startsWith("::ffff:") && new URL(`http://[${text}]/`).hostname === `[${text}]`;

const STRING: ScalarRow = {
  column: "text",
  json: quoted,
  fits: { text: quotedShort, longtext: quoted, varchar: quotedShort, char: quotedShort, ip: address },
};
const NULL: ScalarRow = { column: undefined, json: () => "null", fits: {} };

export const SCALARS: Readonly<Record<number, ScalarRow>> = {
  [BsonType.string]: STRING,
  [BsonType.symbol]: STRING,
  [BsonType.code]: STRING,
  [BsonType.objectId]: textual((bytes, offset) => hexAt(bytes, offset, 12)),
  [BsonType.decimal128]: textual((bytes, offset) =>
    new BSON.Decimal128(bytes.subarray(offset, offset + 16)).toString()
  ),
  [BsonType.binary]: textual(binaryText),
  [BsonType.minKey]: textual(() => "MinKey"),
  [BsonType.maxKey]: textual(() => "MaxKey"),
  [BsonType.null]: NULL,
  [BsonType.undefined]: NULL,
  [BsonType.boolean]: { column: "boolean", json: boolean, fits: { boolean } },
  [BsonType.int32]: {
    column: "bigint",
    json: int32,
    fits: {
      bigint: int32,
      inferred: int32,
      integer: smallInt32(2 ** 31 - 1),
      smallint: smallInt32(2 ** 15 - 1),
      double: wholeDouble(int32),
      real: wholeDouble(smallInt32(2 ** 24)),
    },
  },
  [BsonType.int64]: {
    column: "bigint",
    json: int64,
    fits: {
      bigint: innerInt64,
      inferred: innerInt64,
      integer: smallInt64(2 ** 31 - 1),
      smallint: smallInt64(2 ** 15 - 1),
      double: wholeDouble(smallInt64(MAX_EXACT)),
      real: wholeDouble(smallInt64(2 ** 24)),
    },
  },
  [BsonType.double]: {
    column: "double",
    json: double,
    fits: {
      double,
      real: singleDouble,
      bigint: integralDouble(MAX_EXACT),
      inferred: integralDouble(MAX_EXACT),
      integer: integralDouble(2 ** 31 - 1),
      smallint: integralDouble(2 ** 15 - 1),
    },
  },
  [BsonType.date]: {
    column: "timestamp",
    json: int64,
    fits: { timestamp: innerInt64, inferred: innerInt64 },
  },
};
