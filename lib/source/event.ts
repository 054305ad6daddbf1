/** Reads an event of a change stream. */
import { BsonType, type BsonValue, bytesOf, fieldsByName, stringAt } from "../bson/bson.ts";
import type { Namespace } from "../namespace.ts";

/** A change of one document. `document` is null if it is gone, undefined if the event does not tell. */
export interface DocumentChange {
  readonly namespace: Namespace;
  readonly id: BsonValue;
  readonly document: Uint8Array | null | undefined;
  readonly isDelete: boolean;
  /** `_id` with the shard key, where the key is more than `_id`. */
  readonly key?: BsonValue;
}

/** A change of a collection or database as a whole, or one that this program does not know. */
export interface CollectionEvent {
  readonly operation: string;
  /** The collection's name is empty for an event of a database. */
  readonly namespace: Namespace;
  /** The new name of a renamed collection. */
  readonly to: Namespace | undefined;
  /** Whether the new collection is a view or a time series, which have no change stream. */
  readonly unfollowed: boolean;
  readonly token: Uint8Array;
}

export type Change = { readonly change: DocumentChange } | { readonly event: CollectionEvent };

/** The fields of an event, joined from all fragments if it was split. */
export type EventFields = ReadonlyMap<string, BsonValue>;

interface DocumentKey {
  readonly id: BsonValue;
  /** The whole key where it is more than `_id`, as it is where the shard key has other fields. */
  readonly key?: BsonValue;
}

function keyOf(event: EventFields): DocumentKey {
  const key = event.get("documentKey");
  const fields = key && fieldsByName(key.bytes, key.offset);
  const id = fields?.get("_id");
  if (!key || !fields || !id) throw new Error("A change event without documentKey._id");
  return { id, ...fields.size > 1 && { key } };
}

const text = (value: BsonValue | undefined): string =>
  value?.type === BsonType.string ? stringAt(value.bytes, value.offset) : "";

function namespaceOf(value: BsonValue | undefined): Namespace {
  const names = value?.type === BsonType.document ? fieldsByName(value.bytes, value.offset) : new Map();
  return { database: text(names.get("db")), collection: text(names.get("coll")) };
}

function isUnfollowed(description: BsonValue | undefined): boolean {
  if (description?.type !== BsonType.document) return false;
  const options = fieldsByName(description.bytes, description.offset);
  return options.has("viewOn") || options.has("timeseries");
}

/**
 * A delete whose key has shard key fields does not tell that the `_id` is gone: the document may have moved to another
 * shard, an orphan of a migration may have been deleted, or another shard has a document of the same `_id`.
 */
function deletion(namespace: Namespace, key: DocumentKey): DocumentChange {
  return { namespace, ...key, document: key.key ? undefined : null, isDelete: true };
}

/** Undefined when the look-up found nothing; a delete event follows. */
function fullDocumentOf(event: EventFields): Uint8Array | undefined {
  const full = event.get("fullDocument");
  return full?.type === BsonType.document ? bytesOf(full) : undefined;
}

/**
 * @example
 * IN: {operationType: "insert", ns: {db: "a", coll: "b"}, documentKey: {_id: 1}, fullDocument: {_id: 1, t: 20.5}, …}
 * OUT: {change: {namespace: a.b, id: Int32(1), document: <bytes of fullDocument>, isDelete: false}}
 *
 * @see https://www.mongodb.com/docs/manual/reference/change-events/
 */
export function readEvent(event: EventFields): Change {
  const operation = text(event.get("operationType")) || "(none)";
  const namespace = namespaceOf(event.get("ns"));
  switch (operation) {
    case "insert":
    case "update":
    case "replace":
      return {
        change: { namespace, ...keyOf(event), document: fullDocumentOf(event), isDelete: false },
      };
    case "delete":
      return { change: deletion(namespace, keyOf(event)) };
  }
  const token = event.get("_id");
  const to = event.get("to");
  return {
    event: {
      operation,
      namespace,
      to: to && namespaceOf(to),
      unfollowed: isUnfollowed(event.get("operationDescription")),
      token: token ? bytesOf(token) : new Uint8Array(),
    },
  };
}
