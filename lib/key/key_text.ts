/** The text of a document's `_id`. Two texts are equal exactly when MongoDB treats the keys as equal. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { BSON } from "mongodb";
import {
  base64At,
  BsonType,
  type BsonValue,
  float64At,
  hexAt,
  int32At,
  int64At,
  itemsOf,
  stringAt,
} from "../bson/bson.ts";
import { asDocument } from "../bson/build.ts";
import { fieldsOf } from "../bson/fields.ts";
import { UnstorableError } from "../util/errors.ts";
import { idDocument } from "./query_literal.ts";

/** Fits the index of every server, with a stream's name. PostgreSQL's limit is about 2,700 bytes. */
const MAX_KEY_BYTES = 2_048;

type KeyText = (value: BsonValue) => string;

/** Strings that look like the text of another type, or contain a NUL. */
const AMBIGUOUS = /^(?:$|[0-9a-f]{24}$|["{[]|-?\d|-?Infinity$|NaN$|true$|false$|null$)|\0/i;

/**
 * The `oid` of an `_id`. Injective.
 * @example
 * IN: ObjectId("669683c2b0750b2c84893f3e") → OUT: 669683c2b0750b2c84893f3e
 * IN: "foo" → OUT: foo
 * IN: "42" → OUT: "42" (with the quotes)
 * IN: Int32(42), Long(42), Double(42), Decimal128("42.0") → OUT: 42
 * IN: UUID → OUT: {"$binary":{"base64":"…","subType":"04"}}
 * IN: text of more than 2,048 bytes → OUT: {"$sha256":"…"}
 * IN: {b: 1, a: ObjectId(…)} → OUT: {"b":1,"a":{"$oid":"…"}}
 * IN: a value with bytes that are not UTF-8 → OUT: {"$bson":"…"}, its BSON as base64
 */
export function keyText(id: BsonValue): string {
  const text = proper(id) ?? `{"$bson":"${BSON.ByteUtils.toBase64(idDocument(id))}"}`;
  if (text.length <= MAX_KEY_BYTES / 3 || Buffer.byteLength(text) <= MAX_KEY_BYTES) return text;
  return `{"$sha256":"${createHash("sha256").update(text).digest("hex")}"}`;
}

/** Undefined for bytes that are not UTF-8, which MongoDB accepts. */
function proper(id: BsonValue): string | undefined {
  try {
    return (TOP_LEVEL[id.type] ?? nestedText)(id);
  } catch (error) {
    if (error instanceof UnstorableError) return undefined;
    throw error;
  }
}

function plainString({ bytes, offset }: BsonValue): string {
  const text = stringAt(bytes, offset);
  return AMBIGUOUS.test(text) ? JSON.stringify(text) : text;
}

const TOP_LEVEL: Readonly<Record<number, KeyText>> = {
  [BsonType.objectId]: ({ bytes, offset }) => hexAt(bytes, offset, 12),
  [BsonType.string]: plainString,
  [BsonType.symbol]: plainString,
};

/** `{"$type": …}` as in canonical Extended JSON, for types that JSON lacks. */
const typed = (type: string, json: KeyText): KeyText => (value) => `{"$${type}":${json(value)}}`;

const string: KeyText = ({ bytes, offset }) => JSON.stringify(stringAt(bytes, offset));
const one: KeyText = () => "1";
const document: KeyText = (value) => objectText(asDocument(value) ?? value);

const NESTED: Readonly<Record<number, KeyText>> = {
  [BsonType.string]: string,
  [BsonType.symbol]: string,
  [BsonType.int32]: ({ bytes, offset }) => String(int32At(bytes, offset)),
  [BsonType.int64]: ({ bytes, offset }) => String(int64At(bytes, offset)),
  [BsonType.double]: ({ bytes, offset }) => doubleKey(float64At(bytes, offset)),
  [BsonType.decimal128]: ({ bytes, offset }) =>
    decimalKey(new BSON.Decimal128(bytes.subarray(offset, offset + 16)).toString()),
  [BsonType.boolean]: ({ bytes, offset }) => bytes[offset] === 1 ? "true" : "false",
  [BsonType.null]: () => "null",
  [BsonType.document]: objectText,
  [BsonType.array]: (array) => `[${itemsOf(array).map(nestedText).join(",")}]`,
  [BsonType.undefined]: typed("undefined", one),
  [BsonType.minKey]: typed("minKey", one),
  [BsonType.maxKey]: typed("maxKey", one),
  [BsonType.objectId]: typed("oid", ({ bytes, offset }) => `"${hexAt(bytes, offset, 12)}"`),
  [BsonType.date]: typed("date", ({ bytes, offset }) => `{"$numberLong":"${int64At(bytes, offset)}"}`),
  [BsonType.timestamp]: typed("timestamp", document),
  [BsonType.binary]: typed("binary", ({ bytes, offset, length }) => {
    const subType = hexAt(bytes, offset + 4, 1);
    return `{"base64":"${base64At(bytes, offset + 5, length - 5)}","subType":"${subType}"}`;
  }),
  [BsonType.regex]: typed("regularExpression", document),
  [BsonType.code]: typed("code", string),
  [BsonType.codeWithScope]: typed("codeWithScope", document),
  [BsonType.dbPointer]: typed("dbPointer", document),
};

function nestedText(value: BsonValue): string {
  const text = NESTED[value.type];
  if (!text) throw new TypeError(`Unknown BSON type ${value.type} in _id`);
  return text(value);
}

/** Keeps the order of names, and repeated names. Doubles a leading `$`, so that no object looks like a type. */
function objectText(document: BsonValue): string {
  const members = fieldsOf(document).fields.map((field) =>
    `${JSON.stringify(field.name.text.replace(/^\$/, "$$$$"))}:${nestedText(field)}`
  );
  return `{${members.join(",")}}`;
}

const doubleKey = (value: number): string =>
  Number.isInteger(value) ? BigInt(value).toString() : String(value);

/** No double is larger than 10^309. Integers up to that are written in full. */
const LARGEST_EXPONENT = 310;

/** By the exact value, as MongoDB compares. @example IN: 0.50 → OUT: 0.5; IN: 0.10 → OUT: {"$numberDecimal":"1E-1"} */
function decimalKey(text: string): string {
  const [, sign, whole, fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:E([+-]?\d+))?$/.exec(text) ?? [];
  if (whole === undefined) return text;
  const digits = `${whole}${fraction}`.replace(/^0+(?=\d)/, "");
  const significant = digits.replace(/0+$/, "");
  if (significant === "") return "0";
  const scale = Number(exponent) - fraction.length + digits.length - significant.length;
  if (scale >= 0 && scale + significant.length <= LARGEST_EXPONENT) {
    return `${sign}${significant}${"0".repeat(scale)}`;
  }
  const nearest = Number(text);
  return isExactly(nearest, BigInt(`${sign}${significant}`), scale)
    ? String(nearest)
    : `{"$numberDecimal":"${sign}${significant}E${scale}"}`;
}

/** Whether a double with a fraction is exactly `significant` × 10^`scale`. */
function isExactly(value: number, significant: bigint, scale: number): boolean {
  if (!Number.isFinite(value) || value === 0 || scale >= 0) return false;
  let numerator = value;
  let power = 0;
  while (!Number.isInteger(numerator)) {
    numerator *= 2;
    power++;
  }
  return BigInt(numerator) * 10n ** BigInt(-scale) === significant * 2n ** BigInt(power);
}
