/** Keys of rows. In a sharded collection only `_id` with the shard key is unique: MongoDB calls both the document key. */
import { BsonType, type BsonValue, bytesOf, documentValue, fieldsByName } from "../bson/bson.ts";
import { documentOf, elementOf } from "../bson/build.ts";
import { keyText } from "./key_text.ts";
import { idOfKey } from "./key_to_id.ts";

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
