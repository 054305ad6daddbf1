/** Keys of rows. In a sharded collection only `_id` with the shard key is unique: MongoDB calls both the document key. */
import { BsonType, type BsonValue, bytesOf, documentValue, fieldsByName } from "../bson/bson.ts";
import { documentOf, elementOf } from "../bson/build.ts";
import { keyText } from "./key_text.ts";
import { BSON, type Document } from "mongodb";
import { Digits, type Json, parseJson } from "../util/lossless_json.ts";
import { bsonValueOf } from "./query_literal.ts";

/** The paths of a shard key, in their order, without `_id`; none if `_id` is unique. */
export type ShardKey = readonly string[];

type Fields = ReadonlyMap<string, BsonValue>;

/** @example IN: {_id: 1, a: {b: 2}}, or the document key {"a.b": 2, _id: 1}, ["a.b"] → OUT: {"a.b":2,"_id":1} */
export function documentKeyText(source: Uint8Array, shardKey: ShardKey): string {
  const fields = fieldsByName(source);
  const parts = [...shardKey, "_id"].flatMap((path) => {
    const value = fields.get(path) ?? at(fields, path.split("."));
    return value ? [elementOf(path, value)] : [];
  });
  return keyText(documentValue(documentOf(parts)));
}

/** The key of a document's row: of `_id` alone if that is unique, or without a `source` of the document key. */
export const rowKeyText = (
  id: BsonValue,
  source: Uint8Array | null | undefined,
  shardKey: ShardKey,
): string => shardKey.length > 0 && source ? documentKeyText(source, shardKey) : keyText(id);

/** The value at a path. A shard key does not pass through arrays. */
function at(fields: Fields, [name = "", ...rest]: readonly string[]): BsonValue | undefined {
  const value = fields.get(name);
  if (rest.length === 0) return value;
  return value?.type === BsonType.document ? at(fieldsByName(bytesOf(value)), rest) : undefined;
}

export interface RowKey {
  readonly oid: string;
  /** The `_id` of its document; undefined if the key is only a hash. */
  readonly id: BsonValue | undefined;
}

/** @example IN: {"region":"x","_id":42}, ["region"] → OUT: {oid: …, id: 42}; IN: a hash → OUT: {oid: …, id: undefined} */
export function rowKeyOf(oid: string, shardKey: ShardKey): RowKey {
  const key = idOfKey(oid);
  if (shardKey.length === 0) return { oid, id: key };
  return { oid, id: key?.type === BsonType.document ? fieldsByName(bytesOf(key)).get("_id") : undefined };
}

export const idsOf = (keys: readonly RowKey[]): BsonValue[] =>
  keys.map(({ id }) => id).filter((id) => id !== undefined);

/** The keys that are only a hash. */
export const oidsWithoutId = (keys: readonly RowKey[]): ReadonlySet<string> =>
  new Set(keys.filter(({ id }) => id === undefined).map(({ oid }) => oid));

/** An `_id` with this text; undefined for a hash. @example IN: 42 → OUT: Long(42); IN: "42" (with the quotes) → OUT: "42" */
export function idOfKey(text: string): BsonValue | undefined {
  try {
    const id = bsonValueOf(guess(text));
    return id && keyText(id) === text ? id : undefined;
  } catch {
    return undefined;
  }
}

const WORDS: ReadonlyMap<string, unknown> = new Map([["true", true], ["false", false], ["null", null]]);

function guess(text: string): unknown {
  if (/^[0-9a-f]{24}$/.test(text)) return new BSON.ObjectId(text);
  if (/^[{["]/.test(text)) return valueOf(parseJson(text));
  if (/^-?(?:\d|Infinity$)|^NaN$/.test(text)) return numberOf(text);
  return WORDS.has(text) ? WORDS.get(text) : text;
}

function numberOf(text: string): unknown {
  if (!/^-?\d+$/.test(text)) return new BSON.Double(Number(text));
  const whole = BigInt(text);
  if (BigInt.asIntN(64, whole) === whole) return BSON.Long.fromBigInt(whole);
  const nearest = Number(text);
  return Number.isFinite(nearest) && BigInt(nearest) === whole
    ? new BSON.Double(nearest)
    : BSON.Decimal128.fromString(text);
}

/** Types whose text is their Extended JSON. */
const TYPES = new Set(["$oid", "$date", "$timestamp", "$binary", "$numberDecimal", "$minKey", "$maxKey"]);

function valueOf(json: Json): unknown {
  if (json instanceof Digits) return numberOf(json.text);
  if (Array.isArray(json)) return json.map(valueOf);
  if (!(json instanceof Map)) return json;
  const [name = ""] = json.keys();
  if (json.size === 1 && TYPES.has(name)) {
    return BSON.EJSON.deserialize(plain(json) as Document, { relaxed: false });
  }
  return new Map([...json].map(([key, each]) => [key.replace(/^\$\$/, "$"), valueOf(each)]));
}

function plain(json: Json): unknown {
  if (json instanceof Digits) return Number(json.text);
  if (json instanceof Map) return Object.fromEntries([...json].map(([name, value]) => [name, plain(value)]));
  return Array.isArray(json) ? json.map(plain) : json;
}
