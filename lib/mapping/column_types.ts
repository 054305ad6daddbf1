/**
 * What each BSON type becomes: its JSON, the kind of column created for it, and the other kinds of column that store it
 * unchanged. One row per type. A cell writes nothing for a value that does not fit, e.g. an integer out of range.
 */
import { isIPv4, isIPv6 } from "node:net";
import { BSON } from "../bson/library.ts";
import {
  base64At,
  BsonType,
  type BsonValue,
  float64At,
  int32At,
  int64At,
  stringAt,
  uint32At,
} from "../bson/bson.ts";
import { JSON_PART, type JsonWriter, QUOTES_BYTES } from "../util/json_writer.ts";

/**
 * The kinds of column below `data`.
 *
 * - `varchar` is text of a limited length, `char` of a fixed one, `ip` text that is an address.
 * - `longtext` is text without Lucene's limit, `inferred` a BIGINT that CrateDB may have created from dates.
 * - `numeric` has a precision and a scale; {@linkcode numericText} shows what it stores.
 * - `geo_point`, `geo_shape` and `float_vector` round: they are beside `data`, and below it they store nothing.
 * - `ignored` stores all objects, `jsonb` what PostgreSQL's type keeps unchanged.
 * - `any` stores what the column created for the value would store, `unfit` stores nothing.
 */
export type Kind = TextKind | NumberKind | ObjectKind | ShadowKind | "boolean" | "timestamp";
type TextKind = "text" | "longtext" | "varchar" | "char" | "ip" | "uuid";
type NumberKind = "bigint" | "inferred" | "integer" | "smallint" | "double" | "real" | "numeric";
type ObjectKind = "object" | "array" | "ignored" | "any" | "jsonb" | "unfit";
export type ShadowKind = "geo_point" | "geo_shape" | "float_vector";

/** Writes a value as JSON. */
type Render = (json: JsonWriter, bytes: Uint8Array, offset: number, length: number) => void;
/** Writes a value as a column stores it. @returns false, with nothing written, if the column would change it */
type Fit = (...value: Parameters<Render>) => boolean | void;

interface ScalarRow {
  /** The kind of the column created for it; none for null. */
  readonly column: Kind | undefined;
  readonly json: Render;
  readonly fits: Partial<Record<Kind, Fit>>;
  /** The cell of `column`. To find it in `fits` takes a tenth of the time of a split. */
  own?: Fit | undefined;
}

/** Lucene's limit for one indexed term, in bytes of UTF-8. */
export const MAX_TEXT_BYTES = 32_766;
/** A BSON string's length field and terminating NUL. */
const STRING_OVERHEAD_BYTES = 5;
const FLOAT_DIGITS = 6;
const INT64_END = 2n ** 63n - 1n;

/** A UUID as CrateDB writes it. */
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Doubles hold integers up to this one exactly; larger ones move to `overflow` when their column is widened. */
export const MAX_EXACT = 2 ** 53;

/** Whether a BIGINT column becomes DOUBLE PRECISION when it meets `20.5`. */
export const isWidened = (column: Kind): boolean => column === "bigint" || column === "inferred";

/** Whether a column has to be widened to store this scalar. @example IN: 20.5, bigint → OUT: true; IN: NaN, bigint → OUT: false */
export const needsWidening = ({ type, bytes, offset }: BsonValue, column: Kind): boolean =>
  type === BsonType.double && isWidened(column) && Number.isFinite(float64At(bytes, offset));

export const isTooLong = (length: number): boolean => length - STRING_OVERHEAD_BYTES > MAX_TEXT_BYTES;

const text: Render = (json, bytes, offset) =>
  json.text(bytes, offset + 4, offset + 3 + int32At(bytes, offset));
const boolean: Render = (json, bytes, offset) =>
  json.part(bytes[offset] === 1 ? JSON_PART.true : JSON_PART.false);
const double: Render = (json, bytes, offset) => json.double(float64At(bytes, offset));
const int32: Render = (json, bytes, offset) => json.integer(int32At(bytes, offset));

/** The upper half of 2^53. */
const MAX_EXACT_HIGH = 2 ** 21;

const int64: Render = (json, bytes, offset) => {
  const high = int32At(bytes, offset + 4);
  // A number is several times as fast as a BigInt, if it is exact.
  if (high >= -MAX_EXACT_HIGH && high < MAX_EXACT_HIGH) {
    json.integer(high * 2 ** 32 + uint32At(bytes, offset));
  } else json.ascii(String(int64At(bytes, offset)));
};

/** A value that fits if it passes a test. */
const ifAny =
  (render: Render, test: (bytes: Uint8Array, offset: number, length: number) => boolean): Fit =>
  (json, bytes, offset, length) => test(bytes, offset, length) && render(json, bytes, offset, length);

/** An integer as JSON that reads back as a double, in case the column is dropped by then. */
const wholeDouble = (fit: Fit): Fit => (json, bytes, offset, length) => {
  const fits = fit(json, bytes, offset, length) !== false;
  if (fits) json.part(JSON_PART.fraction);
  return fits;
};

const integralDouble = (limit: number): Fit =>
  ifAny((json, bytes, offset) => json.integer(float64At(bytes, offset)), (bytes, offset) => {
    const value = float64At(bytes, offset);
    return Number.isInteger(value) && Math.abs(value) <= limit && !Object.is(value, -0);
  });
const smallInt64 = (limit: number): Fit =>
  ifAny(int64, (bytes, offset) => {
    const value = int64At(bytes, offset);
    return value >= -limit && value <= limit;
  });
/** CrateDB 6 refuses both ends of the range, so no column gets them. */
const innerInt64 = ifAny(int64, (bytes, offset) => {
  const high = int32At(bytes, offset + 4);
  if (high > -(2 ** 31) && high < 2 ** 31 - 1) return true;
  const value = int64At(bytes, offset);
  return value < INT64_END && value > -INT64_END - 1n;
});
/** A REAL column returns the shortest text of the float: up to six digits, that is the double's text. */
const singleDouble = ifAny(double, (bytes, offset) => {
  const value = float64At(bytes, offset);
  const digits = String(value).replace(/e.*|^-?[0.]*|\./g, "").replace(/0+$/, "");
  return Object.is(Math.fround(value), value) && digits.length <= FLOAT_DIGITS || !Number.isFinite(value);
});
const smallInt32 = (limit: number): Fit =>
  ifAny(int32, (bytes, offset) => Math.abs(int32At(bytes, offset)) <= limit);

function binary(json: JsonWriter, bytes: Uint8Array, offset: number): void {
  const length = int32At(bytes, offset);
  const subtype = bytes[offset + 4];
  if ((subtype === 3 || subtype === 4) && length === 16) return uuid(json, bytes, offset + 5);
  const inner = subtype === 2 ? 4 : 0;
  json.ascii(base64At(bytes, offset + 5 + inner, length - inner));
}

/** The bytes of a UUID between its hyphens. */
const UUID_PARTS = [[0, 4], [4, 6], [6, 8], [8, 10], [10, 16]] as const;

function uuid(json: JsonWriter, bytes: Uint8Array, offset: number): void {
  for (const [start, end] of UUID_PARTS) {
    if (start > 0) json.ascii("-");
    json.hex(bytes, offset + start, offset + end);
  }
}

/** Not of the older subtype 3, whose bytes each driver puts in an order of its own. */
const isUuid = (bytes: Uint8Array, offset: number): boolean =>
  int32At(bytes, offset) === 16 && bytes[offset + 4] === 4;

function textual(plain: Render): ScalarRow {
  const render: Render = (json, bytes, offset, length) => {
    json.quote();
    plain(json, bytes, offset, length);
    json.quote();
  };
  const text: Fit = (json, bytes, offset, length) => {
    const before = json.length;
    render(json, bytes, offset, length);
    const fits = json.length - before - QUOTES_BYTES <= MAX_TEXT_BYTES;
    if (!fits) json.truncate(before);
    return fits;
  };
  return { column: "text", json: render, fits: { text, longtext: render } };
}

/** An address as CrateDB writes it. CrateDB rewrites other spellings. */
const address = ifAny(text, (bytes, offset) => {
  const text = stringAt(bytes, offset);
  return isIPv4(text) || isIPv6(text) && isCanonical(text);
});
const isCanonical = (text: string): boolean =>
  !text.startsWith("::ffff:") && new URL(`http://[${text}]/`).hostname === `[${text}]`;

const shortText = ifAny(text, (_bytes, _offset, length) => !isTooLong(length));
const STRING: ScalarRow = {
  column: "text",
  json: text,
  fits: {
    text: shortText,
    longtext: text,
    varchar: shortText,
    char: shortText,
    ip: address,
    uuid: ifAny(text, (bytes, offset) => UUID.test(stringAt(bytes, offset))),
  },
};
const BINARY = textual(binary);
const NULL: ScalarRow = { column: undefined, json: (json) => json.part(JSON_PART.null), fits: {} };

export const SCALARS: Readonly<Record<number, ScalarRow>> = {
  [BsonType.string]: STRING,
  [BsonType.symbol]: STRING,
  [BsonType.code]: STRING,
  [BsonType.objectId]: textual((json, bytes, offset) => json.hex(bytes, offset, offset + 12)),
  [BsonType.decimal128]: textual((json, bytes, offset) =>
    json.ascii(new BSON.Decimal128(bytes.subarray(offset, offset + 16)).toString())
  ),
  [BsonType.binary]: { ...BINARY, fits: { ...BINARY.fits, uuid: ifAny(BINARY.json, isUuid) } },
  [BsonType.minKey]: textual((json) => json.ascii("MinKey")),
  [BsonType.maxKey]: textual((json) => json.ascii("MaxKey")),
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

for (const row of Object.values(SCALARS)) row.own = row.column && row.fits[row.column];
