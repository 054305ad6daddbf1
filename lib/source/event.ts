/** What an event of a change stream means for the table. */
import { BsonType, type BsonValue, bytesOf, fields, stringAt } from "../row/bson.ts";

/** A change of one document; `document` is null when it is gone. */
export interface DocumentChange {
  readonly id: BsonValue;
  readonly document: Uint8Array | null;
}

/** A change of the collection as a whole, or one that this program does not know. */
export interface CollectionEvent {
  readonly operation: string;
  readonly token: Uint8Array;
}

export type Change = { readonly change: DocumentChange } | { readonly event: CollectionEvent } | undefined;

type Read = (event: ReadonlyMap<string, BsonValue>) => Change;

const idOf = (event: ReadonlyMap<string, BsonValue>): BsonValue => {
  const key = event.get("documentKey");
  const id = key && fields(key.bytes, key.offset).get("_id");
  if (!id) throw new Error("A change event without documentKey._id");
  return id;
};

const upsert: Read = (event) => {
  const full = event.get("fullDocument");
  // Null when the document was gone before it could be looked up; its delete event is still to come.
  return full?.type === BsonType.document
    ? { change: { id: idOf(event), document: bytesOf(full) } }
    : undefined;
};

const remove: Read = (event) => ({ change: { id: idOf(event), document: null } });

const READS: ReadonlyMap<string, Read> = new Map(Object.entries({
  insert: upsert,
  update: upsert,
  replace: upsert,
  delete: remove,
}));

/**
 * @example
 * IN: {operationType: "insert", documentKey: {_id: 1}, fullDocument: {_id: 1, t: 20.5}, …}
 * OUT: {change: {id: Int32(1), document: <bytes of fullDocument>}}
 *
 * @see https://www.mongodb.com/docs/manual/reference/change-events/
 */
export function readEvent(bytes: Uint8Array, offset: number): Change {
  const event = fields(bytes, offset);
  const type = event.get("operationType");
  const operation = type?.type === BsonType.string ? stringAt(type.bytes, type.offset) : "(none)";
  const read = READS.get(operation);
  if (read) return read(event);
  const token = event.get("_id");
  return { event: { operation, token: token ? bytesOf(token) : new Uint8Array() } };
}
