/** Texts by which a document is compared with its row: equal values have equal texts. */
import { BsonType, type BsonValue, documentValue, itemsOf } from "../bson/bson.ts";
import { asDocument } from "../bson/build.ts";
import { fieldsOf } from "../bson/fields.ts";
import { jsonOf } from "./bson_to_json.ts";
import { decimalText, isSameDecimal } from "./decimal.ts";
import { Digits, isNothing, type Json, parseJson } from "../util/lossless_json.ts";
import { unescapeNames } from "./escape_name.ts";

/** @example IN: BSON of {b: Double(1), a: Long(9007199254740993)} → OUT: {"a":9007199254740993,"b":1} */
export const normalizeDocument = (bytes: Uint8Array): string => normalizeJson(jsonOf(documentValue(bytes)));

/** @example IN: {"b":1.0,"a":9007199254740993} → OUT: {"a":9007199254740993,"b":1} */
export const normalizeJson = (text: string): string => normalized(parseJson(text));

/**
 * @param document the one that the row is compared with: a number in `data` that has the same decimal digits is its
 * number, whether a NUMERIC writes these with a fraction, a double with an exponent, or the document has a Decimal128
 * @example IN: {"_id":3}, {"t":"warm"} → OUT: {"_id":3,"t":"warm"}
 */
export function normalizeRow(data: string, overflow: string | null, document?: Uint8Array): string {
  const inside = parseJson(data);
  const own = document ? withDecimals(inside, documentValue(document)) : inside;
  return normalized(overflow === null ? own : merge(own, unescapeNames(parseJson(overflow))));
}

/** @example IN: {"total":1.1000}, {total: Decimal128("1.10")} → OUT: {"total":"1.10"}; IN: …, {total: "1.10"} → OUT: {"total":1.1000} */
function withDecimals(data: Json, value: BsonValue): Json {
  if (data instanceof Digits) {
    return isSameDecimal(data.text, decimalText(value) ?? "") ? parseJson(jsonOf(value)) : data;
  }
  if (Array.isArray(data) && value.type === BsonType.array) {
    const items = itemsOf(value);
    return data.map((each, at) => items[at] ? withDecimals(each, items[at]) : each);
  }
  const document = data instanceof Map ? asDocument(value) : undefined;
  if (!document || !(data instanceof Map)) return data;
  const changed = new Map(data);
  for (const field of fieldsOf(document).fields) {
    const inside = data.get(field.name.text);
    if (inside !== undefined) changed.set(field.name.text, withDecimals(inside, field));
  }
  return changed;
}

/** Merges objects. A value in both is marked, unless it is an array without its nulls and empty arrays in `data`. */
function merge(data: Json, overflow: Json): Json {
  if (Array.isArray(overflow) && isRestOf(data, overflow)) return overflow;
  if (!(data instanceof Map && overflow instanceof Map)) return ["in data and in overflow", data, overflow];
  const merged = new Map(data);
  for (const [name, value] of overflow) {
    const present = merged.get(name);
    merged.set(name, present === undefined ? value : merge(present, value));
  }
  return merged;
}

/** Whether `rest` lacks only nulls and empty arrays in objects. */
function isRestOf(rest: Json | undefined, whole: Json): boolean {
  if (Array.isArray(rest) && Array.isArray(whole)) {
    return rest.length === whole.length && whole.every((each, at) => isRestOf(rest[at], each));
  }
  if (rest instanceof Map && whole instanceof Map) {
    return [...rest.keys()].every((name) => whole.has(name)) &&
      [...whole].every(([name, each]) => rest.has(name) ? isRestOf(rest.get(name), each) : isNothing(each));
  }
  return rest !== undefined && normalized(rest) === normalized(whole);
}

/** Ignores the order of keys, and the fraction of 1.0. */
function normalized(value: Json): string {
  if (value instanceof Digits) return number(value.text);
  if (Array.isArray(value)) return `[${value.map(normalized).join(",")}]`;
  if (!(value instanceof Map)) return JSON.stringify(value);
  const fields = [...value].sort(([one], [other]) => one < other ? -1 : 1);
  return `{${fields.map(([name, inner]) => `${JSON.stringify(name)}:${normalized(inner)}`).join(",")}}`;
}

/** Keeps every digit of 64-bit integers. JSONB writes larger ones, which were doubles, without an exponent. */
function number(text: string): string {
  if (isInt64(text)) return BigInt(text).toString();
  const value = Number(text);
  if (Object.is(value, -0)) return "-0.0";
  return Number.isInteger(value) ? BigInt(value).toString() : String(value);
}

const isInt64 = (text: string): boolean =>
  /^-?\d{1,19}$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text);
