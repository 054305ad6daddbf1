/**
 * The one way to read from MongoDB: from the primary, tried again while MongoDB is away, in one causal session. What is
 * found is never older than a time that was named.
 */
import { BSON, type ClientSession, type Db, type Document, type MongoClient, ReadPreference } from "mongodb";
import { type BsonValue, ElementCursor, elements, fieldsByName, int64At } from "../bson/bson.ts";
import type { Namespace } from "../namespace.ts";
import { UserError } from "../util/errors.ts";
import type { Question } from "../util/outage.ts";
import { retry, type RetryOptions } from "../util/retry.ts";
import { retryableErrors } from "./mongodb_errors.ts";
import type { Route } from "./route.ts";
import { RoutedSession } from "./routed_session.ts";

/** A document and its key. */
export interface KeyedDocument {
  readonly id: BsonValue;
  readonly document: Uint8Array;
}

/** An answer of MongoDB. It ends at 16 MB, before a document that would not fit: so memory is bounded. */
export interface Page {
  readonly documents: readonly KeyedDocument[];
  /** Whether nothing comes after them. */
  readonly exhausted: boolean;
}

export type CausalReaderOptions = Omit<RetryOptions, "isRetryable" | "isLong">;

export interface PageOptions extends Question {
  /** Whether the signal ends it also while MongoDB is at work. @default {false} */
  readonly abortable?: boolean;
  /** The index that is used; null leaves that to the server. @default {that of `_id`} */
  readonly hint?: Document | null;
  /** Whether more is read after these documents. @default {nothing} */
  readonly goesOn?: (documents: readonly KeyedDocument[]) => boolean;
}

const BY_KEY = { _id: 1 } as const;
const FROM_PRIMARY = { readPreference: ReadPreference.primary } as const;
const MAJORITY = { level: "majority" } as const;
/** Milliseconds that the server has for letting go of a cursor. */
const KILL_CURSOR_TIMEOUT_MS = 1_000;

export class CausalReader implements AsyncDisposable {
  readonly #session: RoutedSession;
  readonly #options: CausalReaderOptions;

  constructor(route: Route, options: CausalReaderOptions) {
    this.#session = new RoutedSession(route);
    this.#options = options;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }

  /** The time of what was read last. */
  get time(): BSON.Timestamp | undefined {
    return this.#session.operationTime;
  }

  /** From now on nothing older than this is read. */
  after(clusterTime: BSON.Timestamp | undefined): void {
    if (clusterTime) this.#session.after(clusterTime);
  }

  /** Runs a read that is safe to repeat, with options that the driver's methods take. */
  read<T>(
    work: (
      client: MongoClient,
      options: typeof FROM_PRIMARY & { readonly session: ClientSession },
    ) => Promise<T>,
    { isLong = false }: Question = {},
  ): Promise<T> {
    const attempt = async () => {
      const { client, session } = this.#session.current();
      try {
        return await work(client, { ...FROM_PRIMARY, session });
      } catch (error) {
        this.#session.failed(client, error);
        throw error;
      }
    };
    return retry(attempt, { ...this.#options, isLong, isRetryable: retryableErrors() });
  }

  /** Whether there is such a collection; false for a view or a time-series collection. */
  async exists({ database, collection }: Namespace): Promise<boolean> {
    const filter = { name: collection };
    const listed = await this.read((client, options) =>
      client.db(database)
        .listCollections(filter, { ...options, nameOnly: true, authorizedCollections: true })
        .toArray()
    );
    return listed.some(({ type = "collection" }) => type === "collection");
  }

  /** The first documents that a `find` or `aggregate` finds, in one answer unless `goesOn` wants more. */
  async page(
    { database, collection }: Namespace,
    command: Document,
    options: PageOptions = {},
  ): Promise<Page> {
    const { abortable = false, hint = BY_KEY, goesOn = () => false, isLong = false } = options;
    return await this.read(async (client, { session, readPreference }) => {
      const db = client.db(database);
      const run = (command: Document) =>
        db.command(command, {
          raw: true,
          session,
          readPreference,
          ...abortable && { signal: this.#options.shutdown.signal },
        });
      let reply = batchOf(await run({ ...command, ...hint && { hint }, readConcern: this.#readConcern() }));
      let { documents } = reply;
      while (reply.cursorId !== 0n && goesOn(documents)) {
        reply = batchOf(await run({ getMore: BSON.Long.fromBigInt(reply.cursorId), collection }));
        documents = [...documents, ...reply.documents];
      }
      if (reply.cursorId !== 0n) await killCursor(db, collection, reply.cursorId);
      return { documents, exhausted: reply.cursorId === 0n };
    }, { isLong });
  }

  /** Those documents of all that an aggregation finds which `isWanted` is true of. */
  scan(
    { database, collection }: Namespace,
    pipeline: readonly Document[],
    isWanted: (document: KeyedDocument) => boolean,
  ): Promise<KeyedDocument[]> {
    return this.read(async (client, options) => {
      const cursor = client.db(database).collection(collection)
        .aggregate([...pipeline], { raw: true, readConcern: MAJORITY, ...options });
      const found: KeyedDocument[] = [];
      for await (const document of cursor) {
        const each = keyed(document as unknown as Uint8Array);
        if (isWanted(each)) found.push(each);
      }
      return found;
    }, { isLong: true });
  }

  /** The driver adds this to its own reads only, not to commands. */
  #readConcern(): Document {
    const { operationTime } = this.#session;
    return { ...MAJORITY, ...operationTime && { afterClusterTime: operationTime } };
  }
}

/** Has the server let go of a cursor. One that it keeps costs it some memory for a while, and nothing else. */
export async function killCursor(db: Db, collection: string, cursorId: bigint): Promise<void> {
  const command = { killCursors: collection, cursors: [BSON.Long.fromBigInt(cursorId)] };
  await db.command(command, { signal: AbortSignal.timeout(KILL_CURSOR_TIMEOUT_MS) }).catch(() => {});
}

interface Reply {
  readonly cursorId: bigint;
  readonly documents: readonly KeyedDocument[];
}

function batchOf({ cursor }: Document): Reply {
  const reply = fieldsByName(cursor as Uint8Array);
  const batch = reply.get("firstBatch") ?? reply.get("nextBatch");
  const id = reply.get("id");
  if (!batch || !id) throw new Error("MongoDB answered without a batch");
  const documents = Array.from(
    elements(batch.bytes, batch.offset),
    ([, , , offset, length]) => keyed(batch.bytes.subarray(offset, offset + length)),
  );
  return { cursorId: int64At(id.bytes, id.offset), documents };
}

function keyed(document: Uint8Array): KeyedDocument {
  const element = new ElementCursor(document);
  while (element.next()) {
    if (isId(element)) return { id: element.value, document };
  }
  throw new UserError("The transform takes _id away, which names the row.", { hint: "Leave _id in." });
}

/** Other names of the document need not be UTF-8. */
const isId = ({ bytes, nameOffset, nameLength }: ElementCursor): boolean =>
  nameLength === 3 && bytes[nameOffset] === 0x5f && bytes[nameOffset + 1] === 0x69 &&
  bytes[nameOffset + 2] === 0x64;
