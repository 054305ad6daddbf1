import {
  BsonType,
  type BsonValue,
  bytesOf,
  ElementCursor,
  fieldsByName,
  int32At,
  int64At,
  stringAt,
} from "../../bson/bson.ts";
import type { Namespace } from "../../util/namespace.ts";

const OPERATIONS = ["insert", "update", "replace", "delete"] as const;

export type DocumentOperation = typeof OPERATIONS[number];

export interface DocumentChange {
  readonly namespace: Namespace;
  readonly id: BsonValue;
  /** Null if it was deleted, undefined if the event lacks it. */
  readonly document: Uint8Array | null | undefined;
  readonly operation: DocumentOperation;
  /** Milliseconds since 1970, of the second of the change. */
  readonly clusterTime?: number | undefined;
  /** The document key, if it has shard key fields besides `_id`. */
  readonly key?: BsonValue;
}

/** A change of a whole collection or database, or an unknown operation. */
export interface CollectionEvent {
  readonly operation: string;
  /** The collection is empty for an event of a database. */
  readonly namespace: Namespace;
  readonly to: Namespace | undefined;
  /** Whether the created collection is a view or a time series, which have no change stream. */
  readonly unfollowed: boolean;
  readonly token: Uint8Array;
}

type Change = { readonly change: DocumentChange } | { readonly event: CollectionEvent };

/** The fields of an event that the relay uses, joined from all fragments if it was split. */
export type EventFields = Readonly<Record<keyof typeof NO_FIELDS, BsonValue | undefined>>;

const NO_FIELDS = {
  _id: undefined,
  operationType: undefined,
  ns: undefined,
  to: undefined,
  documentKey: undefined,
  fullDocument: undefined,
  operationDescription: undefined,
  splitEvent: undefined,
  wallTime: undefined,
  clusterTime: undefined,
};

/** @example IN: {operationType: "insert", ns: {…}, lsid: …, …} → OUT: {operationType: {type: 2, …}, to: undefined, …} */
export function eventFields(bytes: Uint8Array, offset = 0): EventFields {
  const fields: Record<keyof EventFields, BsonValue | undefined> = { ...NO_FIELDS };
  const element = new ElementCursor(bytes, offset);
  while (element.next()) {
    const name = element.name.text;
    if (Object.hasOwn(fields, name)) fields[name as keyof EventFields] = element.value;
  }
  return fields;
}

/** Milliseconds since 1970; undefined before MongoDB 6.0. */
export const wallTimeOf = ({ wallTime }: EventFields): number | undefined =>
  wallTime?.type === BsonType.date ? Number(int64At(wallTime.bytes, wallTime.offset)) : undefined;

/** A timestamp has its seconds in the upper half. */
const changeTimeOf = ({ clusterTime: time }: EventFields): number | undefined =>
  time?.type === BsonType.timestamp ? (int32At(time.bytes, time.offset + 4) >>> 0) * 1_000 : undefined;

function keyOf({ documentKey: key }: EventFields): Pick<DocumentChange, "id" | "key"> {
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

/**
 * A delete event with shard key fields does not prove that no document has the `_id`: the document may have moved to
 * another shard, the event may be of an orphan, or another shard may have a document with the same `_id`.
 */
function changeOf(event: EventFields, operation: DocumentOperation, namespace: Namespace): DocumentChange {
  const key = keyOf(event);
  const deleted = key.key ? undefined : null;
  // Without one, the server's look-up found nothing: a delete event follows.
  const current = isDocument(event.fullDocument) ? bytesOf(event.fullDocument) : undefined;
  const clusterTime = changeTimeOf(event);
  return { namespace, document: operation === "delete" ? deleted : current, operation, clusterTime, ...key };
}

const isDocument = (value: BsonValue | undefined): value is BsonValue => value?.type === BsonType.document;

const inside = (value: BsonValue | undefined): ReadonlyMap<string, BsonValue> =>
  isDocument(value) ? fieldsByName(value.bytes, value.offset) : new Map();

/**
 * @example IN: {operationType: "insert", ns, documentKey, …} → OUT: {change: {namespace, id, document, operation: "insert"}}
 * @see https://www.mongodb.com/docs/manual/reference/change-events/
 */
export function readEvent(event: EventFields): Change {
  const operation = textOf(event.operationType) || "(none)";
  const namespace = namespaceOf(event.ns);
  const ofDocument = OPERATIONS.find((each) => each === operation);
  if (ofDocument) return { change: changeOf(event, ofDocument, namespace) };
  const { _id: id, to: renamed, operationDescription } = event;
  const to = renamed && namespaceOf(renamed);
  const token = id ? bytesOf(id) : new Uint8Array();
  const created = inside(operationDescription);
  const unfollowed = created.has("viewOn") || created.has("timeseries");
  return { event: { operation, namespace, to, unfollowed, token } };
}

/** A direct-mapped cache of namespaces, because most events share one. */
const cache: ({ readonly bytes: Uint8Array; readonly namespace: Namespace } | undefined)[] = [];
const SLOTS = 64;

const NO_NAMESPACE: Namespace = { database: "", collection: "" };
/** The terminators of the collection's name and of the document. */
const BYTES_AFTER_NAME = 2;

/** Returns the same object for the same bytes. @example IN: {db: "shop"} → OUT: {database: "shop", collection: ""} */
function namespaceOf(value: BsonValue | undefined): Namespace {
  if (!isDocument(value)) return NO_NAMESPACE;
  const { bytes, offset, length } = value;
  const lastLetter = bytes[offset + length - BYTES_AFTER_NAME - 1] ?? 0;
  const slot = (length * 31 + lastLetter) % SLOTS;
  const cached = cache[slot];
  if (cached && isAt(cached.bytes, bytes, offset)) return cached.namespace;
  const names = inside(value);
  const namespace = { database: textOf(names.get("db")), collection: textOf(names.get("coll")) };
  // A copy, because the bytes belong to a reply of megabytes.
  cache[slot] = { bytes: Uint8Array.from(bytesOf(value)), namespace };
  return namespace;
}

/** Whether `bytes` has the expected bytes at `offset`. They start with their length, so equal bytes are complete. */
function isAt(expected: Uint8Array, bytes: Uint8Array, offset: number): boolean {
  for (let at = 0; at < expected.length; at++) if (expected[at] !== bytes[offset + at]) return false;
  return true;
}

/** The text of a string; empty for any other value. */
const textOf = (value: BsonValue | undefined): string =>
  value?.type === BsonType.string ? stringAt(value.bytes, value.offset) : "";

/** Joins the fragments of events over 16 MB, across replies. */
export class SplitEvents {
  #pending: EventFields | undefined;

  /** Whether an event lacks fragments. No position may be saved then. */
  get incomplete(): boolean {
    return this.#pending !== undefined;
  }

  /**
   * The whole event, or undefined until its last fragment.
   * @see https://www.mongodb.com/docs/manual/reference/operator/aggregation/changeStreamSplitLargeEvent/
   */
  join(event: EventFields): EventFields | undefined {
    if (!event.splitEvent) return event;
    const split = inside(event.splitEvent);
    const [fragment, of] = [split.get("fragment"), split.get("of")].map((value) =>
      value ? int32At(value.bytes, value.offset) : 0
    );
    const read = Object.fromEntries(Object.entries(event).filter(([, value]) => value));
    const whole = fragment === 1 || !this.#pending ? event : { ...this.#pending, ...read };
    this.#pending = fragment === of ? undefined : whole;
    return fragment === of ? whole : undefined;
  }
}
