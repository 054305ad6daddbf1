/** Commands to the primary, with majority read concern: what they find is never older than a time that was named. */
import { type BSON, type ClientSession, type Document, type MongoClient, ReadPreference } from "mongodb";
import { UserError } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { retry } from "../util/retry.ts";
import { type BsonValue, elements, fields, int64At, nameOf } from "../bson/bson.ts";
import { killCursor } from "./kill_cursor.ts";
import type { Namespace } from "../namespace.ts";
import { isRetryableMongodbError } from "./mongodb_errors.ts";

/** A document and its key. */
export interface KeyedDocument {
  readonly id: BsonValue;
  readonly document: Uint8Array;
}

/** One answer of MongoDB. It ends at 16 MB, before a document that would not fit: so memory is bounded. */
export interface Page {
  readonly documents: readonly KeyedDocument[];
  /** Whether nothing comes after them. */
  readonly exhausted: boolean;
}

export interface CausalReaderOptions {
  /** How long a MongoDB that does not answer is waited for, in milliseconds. */
  readonly retryFor: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

const BY_KEY = { _id: 1 } as const;
const READ = { readConcern: { level: "majority" }, readPreference: ReadPreference.primary } as const;

export class CausalReader implements AsyncDisposable {
  readonly #client: MongoClient;
  readonly #session: ClientSession;
  readonly #options: CausalReaderOptions;

  constructor(client: MongoClient, options: CausalReaderOptions) {
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

  /** Whether there is such a collection; a view or a time-series collection is none. */
  async exists({ database, collection }: Namespace): Promise<boolean> {
    const options = {
      nameOnly: true,
      authorizedCollections: true,
      readPreference: READ.readPreference,
    } as const;
    const listed = await this.#patiently(() =>
      this.#client.db(database).listCollections({ name: collection }, options).toArray()
    );
    return listed.some(({ type = "collection" }) => type === "collection");
  }

  /**
   * What a `find` or `aggregate` finds first, by the index of `_id`.
   *
   * @param options.abortable whether the signal ends it also while MongoDB is at work
   */
  async page(
    { database, collection }: Namespace,
    command: Document,
    { abortable = false } = {},
  ): Promise<Page> {
    const db = this.#client.db(database);
    const { cursor } = await this.#patiently(() =>
      db.command({ ...command, hint: BY_KEY, readConcern: this.#readConcern() }, {
        raw: true,
        session: this.#session,
        readPreference: READ.readPreference,
        ...abortable && { signal: this.#options.signal },
      })
    );
    const reply = fields(cursor as Uint8Array);
    const [batch, id] = [reply.get("firstBatch"), reply.get("id")];
    if (!batch || !id) throw new Error("MongoDB answered without a batch");
    const rest = int64At(id.bytes, id.offset);
    const exhausted = rest === 0n;
    if (!exhausted) await killCursor(db, collection, rest);
    const documents = Array.from(
      elements(batch.bytes, batch.offset),
      ([, , , offset, length]) => keyed(batch.bytes.subarray(offset, offset + length)),
    );
    return { documents, exhausted };
  }

  /** Those documents of all that an aggregation finds which `isWanted` is true of. */
  scan(
    { database, collection }: Namespace,
    pipeline: readonly Document[],
    isWanted: (id: BsonValue) => boolean,
  ): Promise<KeyedDocument[]> {
    return this.#patiently(async () => {
      const cursor = this.#client.db(database).collection(collection)
        .aggregate([...pipeline], { raw: true, session: this.#session, ...READ });
      const found: KeyedDocument[] = [];
      for await (const document of cursor) {
        const each = keyed(document as unknown as Uint8Array);
        if (isWanted(each.id)) found.push(each);
      }
      return found;
    });
  }

  #patiently<T>(read: () => Promise<T>): Promise<T> {
    return retry(read, { ...this.#options, what: "MongoDB", isRetryable: isRetryableMongodbError });
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
