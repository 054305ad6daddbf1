/** Keys of rows, with what they tell of their documents. */
import type { BsonValue } from "../bson/bson.ts";
import { idOfRow, type ShardKey } from "./document_key.ts";

export interface RowKey {
  readonly oid: string;
  /** The `_id` of its document; undefined where the key does not tell. */
  readonly id: BsonValue | undefined;
}

/** @example IN: 42 → OUT: {oid: "42", id: 42}; IN: a key that is only a hash → OUT: {oid: …, id: undefined} */
export const rowKeyOf = (oid: string, shardKey: ShardKey): RowKey => ({ oid, id: idOfRow(oid, shardKey) });

/** The `_id`s that keys tell. */
export const idsOf = (keys: readonly RowKey[]): BsonValue[] =>
  keys.map(({ id }) => id).filter((id) => id !== undefined);

/** The texts of keys that tell none. */
export const oidsWithoutId = (keys: readonly RowKey[]): ReadonlySet<string> =>
  new Set(keys.filter(({ id }) => id === undefined).map(({ oid }) => oid));
