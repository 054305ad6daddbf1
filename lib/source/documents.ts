/** Documents of a collection as they are now, never older than what the change stream has shown. */
import { BSON, type ClientSession, type Document, type MongoClient, ReadPreference } from "mongodb";
import { UserError } from "../errors.ts";
import type { Logger } from "../ops/log.ts";
import { retry } from "../ops/retry.ts";
import { BsonType, type BsonValue, bytesOf, elements, fields, int64At, nameOf } from "../row/bson.ts";
import { keyText } from "../row/key.ts";
import { membersOf } from "../row/members.ts";
import { killCursor } from "./kill_cursor.ts";
import type { Namespace } from "./scope.ts";
import { isTransientMongodb } from "./transient.ts";

/** A document and its key. */
export interface KeyedDocument {
  readonly id: BsonValue;
  readonly document: Uint8Array;
}

export interface Chunk {
  readonly documents: readonly KeyedDocument[];
  /** BSON of `{_id}` of the last document looked at; null for an empty collection. */
  readonly last: Uint8Array | null;
  /** Whether there was nothing after it. */
  readonly done: boolean;
  /** Documents looked at. */
  readonly seen: number;
}

export interface ReaderOptions {
  readonly shape: readonly Document[];
  /** Documents in one chunk at most. */
  readonly size: number;
  readonly retryFor: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** Keys that one query asks for. */
const KEYS = 2_000;
const READ = { readConcern: { level: "majority" }, readPreference: ReadPreference.primary } as const;

/** Reads from the primary with majority read concern, one command after the other. */
export class DocumentReader implements AsyncDisposable {
  readonly #client: MongoClient;
  readonly #session: ClientSession;
  readonly #options: ReaderOptions;

  constructor(client: MongoClient, options: ReaderOptions) {
    this.#client = client;
    this.#session = client.startSession({ causalConsistency: true });
    this.#options = options;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.endSession();
  }

  /** The time of what was read last. */
  get time(): BSON.Timestamp | undefined {
    return this.#session.operationTime;
  }

  /** From now on nothing older than this is read. */
  after(clusterTime: BSON.Timestamp | undefined): void {
    if (clusterTime) this.#session.advanceOperationTime(clusterTime);
  }

  /**
   * The documents after `last`, in the order of `_id` across all BSON types: `$expr` compares them as the index
   * does, a plain `$gt` only values of one type.
   */
  async chunk(namespace: Namespace, last: Uint8Array | null): Promise<Chunk> {
    const { shape, size } = this.#options;
    const id = last && fields(last).get("_id");
    const after = id && expressionOf(id);
    for (let batchSize = size;; batchSize *= 2) {
      const { documents: found, exhausted } = await this.#find(namespace, {
        filter: after ? { $expr: { $gt: ["$_id", after] } } : {},
        batchSize,
        limit: batchSize,
        ...shape.length > 0 && { projection: { _id: 1 } },
      });
      const end = found.at(-1);
      const done = exhausted && found.length < batchSize;
      // A key that no query can name is no place to go on from; there is hardly ever one.
      if (end && !done && !expressionOf(end.id)) {
        if (found.length === batchSize) continue;
        throw new UserError(`The copy cannot go on after this key: ${keyText(end.id)}`, {
          hint:
            "No driver can name it in a query. Give the document another _id, or leave the collection out.",
        });
      }
      const documents = shape.length > 0 ? await this.lookUp(namespace, found.map(({ id }) => id)) : found;
      return { documents, last: end ? idDocument(end.id) : last, seen: found.length, done };
    }
  }

  /**
   * What the documents with these keys are now, shaped; those that are gone or don't match are left out.
   *
   * @throws UserError when the shape takes or changes `_id`
   */
  async lookUp(namespace: Namespace, ids: readonly BsonValue[]): Promise<KeyedDocument[]> {
    const asked = new Set(ids.map(keyText));
    const values = ids.map(valueOf).filter((value) => value !== undefined);
    const found: KeyedDocument[] = [];
    for (let at = 0; at < values.length; at += KEYS) {
      const keys = values.slice(at, at + KEYS).map(({ value }) => value);
      found.push(...await this.#all(namespace, [{ $match: { _id: { $in: keys } } }, ...this.#options.shape]));
    }
    const stranger = found.find(({ id }) => !asked.has(keyText(id)));
    if (stranger) {
      throw new UserError("The pipeline changes _id, which names the row.", { hint: "Leave _id as it is." });
    }
    if (values.length === ids.length) return found;
    const unnamed = new Set(ids.filter((id) => !valueOf(id)).map(keyText));
    const all = await this.#all(namespace, [...this.#options.shape]);
    return [...found, ...all.filter(({ id }) => unnamed.has(keyText(id)))];
  }

  /** Those of the keys that documents have, by a look at all of them. */
  async keysAmong(namespace: Namespace, keys: ReadonlySet<string>): Promise<string[]> {
    const all = await this.#all(namespace, [...this.#options.shape, { $project: { _id: 1 } }]);
    return all.map(({ id }) => keyText(id)).filter((key) => keys.has(key));
  }

  /** @throws MongoServerError for a filter or stage that MongoDB refuses */
  async check(namespace: Namespace): Promise<void> {
    await this.#all(namespace, [{ $match: { _id: { $in: [] } } }, ...this.#options.shape]);
  }

  #all({ database, collection }: Namespace, pipeline: Document[]): Promise<KeyedDocument[]> {
    return this.#patiently(async () => {
      const cursor = this.#client.db(database).collection(collection)
        .aggregate(pipeline, { raw: true, session: this.#session, ...READ });
      const found: KeyedDocument[] = [];
      for await (const document of cursor) found.push(keyed(document as unknown as Uint8Array));
      return found;
    });
  }

  #patiently<T>(read: () => Promise<T>): Promise<T> {
    return retry(read, { ...this.#options, what: "MongoDB", isTransient: isTransientMongodb });
  }

  /** One reply. It ends at 16 MB, and before a document that would not fit: then it is not exhausted. */
  async #find({ database, collection }: Namespace, query: Document) {
    const db = this.#client.db(database);
    const command = { find: collection, sort: { _id: 1 }, hint: { _id: 1 }, ...query };
    const { cursor } = await this.#patiently(() =>
      db.command({ ...command, readConcern: this.#readConcern() }, {
        raw: true,
        session: this.#session,
        signal: this.#options.signal,
        readPreference: READ.readPreference,
      })
    );
    const reply = fields(cursor as Uint8Array);
    const [batch, id] = [reply.get("firstBatch"), reply.get("id")];
    if (!batch || !id) throw new Error("MongoDB answered `find` without a batch");
    const rest = int64At(id.bytes, id.offset);
    const exhausted = rest === 0n;
    if (!exhausted) await killCursor(db, collection, rest);
    const documents = Array.from(
      elements(batch.bytes, batch.offset),
      ([, , , offset, length]) => keyed(batch.bytes.subarray(offset, offset + length)),
    );
    return { documents, exhausted };
  }

  /** The driver adds this to its own reads only, not to commands. */
  #readConcern(): Document {
    const { operationTime } = this.#session;
    return { ...READ.readConcern, ...operationTime && { afterClusterTime: operationTime } };
  }
}

function keyed(document: Uint8Array): KeyedDocument {
  const element = Array.from(elements(document)).find((element) => nameOf(document, element) === "_id");
  if (!element) {
    throw new UserError("The shape takes _id away, which names the row.", { hint: "Leave _id in." });
  }
  const [type, , , offset, length] = element;
  return { id: { type, bytes: document, offset, length }, document };
}

/** A date as an expression: JavaScript has none for those beyond its range. */
function expressionOf(id: BsonValue): Document | undefined {
  if (id.type === BsonType.date) return { $toDate: BSON.Long.fromBigInt(int64At(id.bytes, id.offset)) };
  const known = valueOf(id);
  return known && { $literal: known.value };
}

/** The value for the driver; undefined where it would send another one, as for a date beyond JavaScript's range. */
function valueOf(id: BsonValue): { value: unknown } | undefined {
  const value = decoded(id);
  const sent = fields(BSON.serialize(new Map([["_id", value]]), { ignoreUndefined: false })).get("_id");
  return sent && sent.type === id.type && BSON.ByteUtils.equals(bytesOf(sent), bytesOf(id))
    ? { value }
    : undefined;
}

/** Documents as maps: JavaScript's objects put names that look like numbers first. */
function decoded(value: BsonValue): unknown {
  const { type, bytes, offset } = value;
  if (type === BsonType.document) {
    return new Map(membersOf(value).members.map((member) => [member.name.text, decoded(member)]));
  }
  if (type === BsonType.array) {
    return Array.from(
      elements(bytes, offset),
      ([type, , , offset, length]) => decoded({ type, bytes, offset, length }),
    );
  }
  return BSON.deserialize(idDocument(value), { promoteValues: false, bsonRegExp: true })._id;
}

/** `{_id: <value>}` of the value's bytes as they are. */
function idDocument(id: BsonValue): Uint8Array {
  const value = bytesOf(id);
  const document = new Uint8Array(4 + 5 + value.length + 1);
  new DataView(document.buffer).setInt32(0, document.length, true);
  document.set([id.type, 0x5f, 0x69, 0x64, 0], 4);
  document.set(value, 9);
  return document;
}
