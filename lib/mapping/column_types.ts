/**
 * What each BSON type becomes: its JSON text, the kind of column made for it, and the other kinds of column that
 * take it without changing it. One row a type; a cell that answers `undefined` says that this value doesn't fit.
 */
import { BSON } from "mongodb";
import {
  base64At,
  BsonType,
  type BsonValue,
  float64At,
  hexAt,
  int32At,
  int64At,
  stringAt,
} from "../bson/bson.ts";

/**
 * The kinds of sub-column that values are placed in; `unfit` takes none, `any` takes what the column made for the
 * value would, `ignored` all objects, `jsonb` what PostgreSQL's type keeps as it is.
 * `longtext` is text without Lucene's limit, `inferred` a BIGINT that CrateDB may have made of dates.
 */
export type Kind =
  | "text"
  | "longtext"
  | "bigint"
  | "inferred"
  | "integer"
  | "smallint"
  | "double"
  | "real"
  | "boolean"
  | "timestamp"
  | "object"
  | "array"
  | "ignored"
  | "any"
  | "jsonb"
  | "unfit";

type Render = (bytes: Uint8Array, offset: number, length: number) => string;
type Fit = (bytes: Uint8Array, offset: number, length: number) => string | undefined;

interface ScalarRow {
  /** The kind of the column made for it; none for null. */
  readonly column: Kind | undefined;
  readonly json: Render;
  readonly fits: Partial<Record<Kind, Fit>>;
}

/** Lucene's limit for one indexed term, in bytes of UTF-8. */
export const MAX_TEXT_BYTES = 32_766;
const MAX_EXACT = 2 ** 53;
const FLOAT_DIGITS = 6;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

const quoted: Render = (bytes, offset) => JSON.stringify(stringAt(bytes, offset));
const quotedShort: Fit = (bytes, offset, length) =>
  length - 5 <= MAX_TEXT_BYTES ? quoted(bytes, offset, length) : undefined;

/**
 * A double as JSON that is read back as a double.
 *
 * @example
 * IN: 1 → OUT: 1.0; IN: 1e21 → OUT: 1e+21; IN: NaN → OUT: "NaN"
 */
export function doubleText(value: number): string {
  if (!Number.isFinite(value)) return `"${value}"`;
  if (Object.is(value, -0)) return "-0.0";
  const text = String(value);
  return Number.isInteger(value) && !text.includes("e") ? `${text}.0` : text;
}

const double: Render = (bytes, offset) => doubleText(float64At(bytes, offset));
const int32: Render = (bytes, offset) => String(int32At(bytes, offset));
const int64: Render = (bytes, offset) => String(int64At(bytes, offset));

/** An integer as JSON that is read back as a double, should the column be gone by then. */
const wholeDouble = (fit: Fit): Fit => (...value) => {
  const text = fit(...value);
  return text === undefined ? undefined : `${text}.0`;
};

const integralDouble = (limit: number): Fit => (bytes, offset) => {
  const value = float64At(bytes, offset);
  return Number.isInteger(value) && Math.abs(value) <= limit && !Object.is(value, -0)
    ? String(value)
    : undefined;
};
const smallInt64 = (limit: number): Fit => (bytes, offset) => {
  const value = int64At(bytes, offset);
  return value >= -limit && value <= limit ? String(value) : undefined;
};
/** Newer servers refuse the two ends of the range, so they are never put in a column. */
const innerInt64: Fit = (bytes, offset) => {
  const value = int64At(bytes, offset);
  return value > INT64_MIN && value < INT64_MAX ? String(value) : undefined;
};
/** A REAL column gives back the shortest text of the float: up to six digits that is the double's own. */
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

/** Columns that are widened, by the kind that meets them, so that a query over the column sees every value. */
const WIDENINGS: Readonly<Partial<Record<Kind, Partial<Record<Kind, Kind>>>>> = {
  bigint: { double: "double" },
  inferred: { double: "double" },
};

/**
 * The kind that a column has to become to take this scalar; undefined where none is wider.
 *
 * @example
 * IN: Double(20.5), bigint → OUT: double; IN: Double(NaN), bigint → OUT: undefined
 */
export function widening({ type, bytes, offset }: BsonValue, column: Kind): Kind | undefined {
  if (type === BsonType.double && !Number.isFinite(float64At(bytes, offset))) return undefined;
  const kind = SCALARS[type]?.column;
  return kind && WIDENINGS[column]?.[kind];
}

/** A type that is always text of this making. */
function textual(text: Render): ScalarRow {
  const json: Render = (...value) => `"${text(...value)}"`;
  return {
    column: "text",
    json,
    fits: {
      text: (...value) => {
        const rendered = json(...value);
        return rendered.length - 2 <= MAX_TEXT_BYTES ? rendered : undefined;
      },
      longtext: json,
    },
  };
}

const STRING: ScalarRow = { column: "text", json: quoted, fits: { text: quotedShort, longtext: quoted } };
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
  [BsonType.boolean]: {
    column: "boolean",
    json: (bytes, offset) => bytes[offset] === 1 ? "true" : "false",
    fits: { boolean: (bytes, offset) => bytes[offset] === 1 ? "true" : "false" },
  },
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
