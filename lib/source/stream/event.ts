/** Reads an event of a change stream. */
import { BsonType, type BsonValue, bytesOf, ElementCursor, fieldsByName, int64At } from "../../bson/bson.ts";
import type { Namespace } from "../../util/namespace.ts";
import { namespaceOf, textOf } from "./event_namespace.ts";

export type DocumentOperation = "insert" | "update" | "replace" | "delete";

/** A change of one document. `document` is null if it is gone, undefined if the event does not tell. */
export interface DocumentChange {
  readonly namespace: Namespace;
  readonly id: BsonValue;
  readonly document: Uint8Array | null | undefined;
  readonly operation: DocumentOperation;
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

/** The fields of an event that are of use, joined from all fragments if it was split. */
export type EventFields = Readonly<Record<(typeof NAMES)[number], BsonValue | undefined>>;

const NAMES = [
  "_id",
  "operationType",
  "ns",
  "to",
  "documentKey",
  "fullDocument",
  "operationDescription",
  "splitEvent",
] as const;

/**
 * @example
 * IN: {_id: {_data: "82…"}, operationType: "insert", wallTime: …, ns: {db: "a", coll: "b"}, …}
 * OUT: {_id: {type: 3, …}, operationType: {type: 2, …}, ns: {type: 3, …}, to: undefined, …}
 */
export function eventFields(bytes: Uint8Array, offset = 0): EventFields {
  const fields: { -readonly [Name in keyof EventFields]: EventFields[Name] } = {
    _id: undefined,
    operationType: undefined,
    ns: undefined,
    to: undefined,
    documentKey: undefined,
    fullDocument: undefined,
    operationDescription: undefined,
    splitEvent: undefined,
  };
  const element = new ElementCursor(bytes, offset);
  while (element.next()) {
    const name = element.name.text;
    if (Object.hasOwn(fields, name)) fields[name as keyof EventFields] = element.value;
  }
  return fields;
}

/** All fields of two fragments. */
export const joinedFields = (one: EventFields, other: EventFields): EventFields =>
  Object.fromEntries(NAMES.map((name) => [name, other[name] ?? one[name]])) as EventFields;

/**
 * When an event was written, in milliseconds since 1970; undefined where MongoDB does not tell, as before 6.0. It is asked
 * for once a reply, so it is not among {@linkcode EventFields}.
 */
export function wallTimeOf(bytes: Uint8Array, offset: number): number | undefined {
  const element = new ElementCursor(bytes, offset);
  while (element.next()) {
    if (element.type === BsonType.date && element.name.text === "wallTime") {
      return Number(int64At(bytes, element.offset));
    }
  }
  return undefined;
}

interface DocumentKey {
  readonly id: BsonValue;
  /** The whole key where it is more than `_id`, as it is where the shard key has other fields. */
  readonly key?: BsonValue;
}

function keyOf({ documentKey: key }: EventFields): DocumentKey {
  if (!key) throw new Error("A change event without documentKey");
  let id: BsonValue | undefined;
  let others = 0;
  const element = new ElementCursor(key.bytes, key.offset);
  while (element.next()) {
    if (element.name.text === "_id") id = element.value;
    else others++;
  }
  if (!id) throw new Error("A change event without documentKey._id");
  return others > 0 ? { id, key } : { id };
}

function isUnfollowed(description: BsonValue | undefined): boolean {
  if (description?.type !== BsonType.document) return false;
  const options = fieldsByName(description.bytes, description.offset);
  return options.has("viewOn") || options.has("timeseries");
}

/** Undefined when the look-up found nothing; a delete event follows. */
const fullDocumentOf = ({ fullDocument: full }: EventFields): Uint8Array | undefined =>
  full?.type === BsonType.document ? bytesOf(full) : undefined;

interface Kind {
  readonly operation: DocumentOperation;
  readonly namespace: Namespace;
}

/**
 * A delete whose key has shard key fields does not tell that the `_id` is gone: the document may have moved to another
 * shard, an orphan of a migration may have been deleted, or another shard has a document of the same `_id`.
 */
function changeOf(event: EventFields, { operation, namespace }: Kind): DocumentChange {
  const { id, key } = keyOf(event);
  const deleted = key ? undefined : null;
  const document = operation === "delete" ? deleted : fullDocumentOf(event);
  const change = { namespace, id, document, operation };
  return key ? { ...change, key } : change;
}

/**
 * @example
 * IN: {operationType: "insert", ns: {db: "a", coll: "b"}, documentKey: {_id: 1}, fullDocument: {_id: 1, t: 20.5}, …}
 * OUT: {change: {namespace: a.b, id: Int32(1), document: <bytes of fullDocument>, operation: "insert"}}
 *
 * @see https://www.mongodb.com/docs/manual/reference/change-events/
 */
export function readEvent(event: EventFields): Change {
  const operation = textOf(event.operationType) || "(none)";
  const namespace = namespaceOf(event.ns);
  switch (operation) {
    case "insert":
    case "update":
    case "replace":
    case "delete":
      return { change: changeOf(event, { operation, namespace }) };
  }
  const { _id: token, to } = event;
  return {
    event: {
      operation,
      namespace,
      to: to && namespaceOf(to),
      unfollowed: isUnfollowed(event.operationDescription),
      token: token ? bytesOf(token) : new Uint8Array(),
    },
  };
}
