/**
 * The one way to read from MongoDB: from the primary, tried again while MongoDB is away, in one causal session. What is
 * found is never older than a time that was named.
 */
import { BSON, type ClientSession, type Db, type Document, type MongoClient, ReadPreference } from "mongodb";
import { type BsonValue, ElementCursor, elements, fieldsByName, int64At } from "../../bson/bson.ts";
import type { Namespace } from "../../util/namespace.ts";
import { UserError } from "../../util/errors.ts";
import type { Question } from "../../util/outage.ts";
import { retry, type RetryOptions } from "../../util/retry.ts";
import { ANSWER_LIMITS, AnswerLimit, type AnswerLimits, type AnswerOptions } from "./answer_limit.ts";
import { withoutTimeout } from "./mongodb.ts";
import { retryableErrors } from "./mongodb_errors.ts";
import type { Route } from "./route.ts";
import { RoutedSession, type TimeOfCluster } from "./routed_session.ts";

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

export interface CausalReaderOptions extends Omit<RetryOptions, "isRetryable" | "allowedMs"> {
  /** @default {ANSWER_LIMITS} */
  readonly limits?: AnswerLimits;
}

/** What the driver's methods take. */
export type ReadOptions = typeof FROM_PRIMARY & AnswerOptions & { readonly session: ClientSession };

export interface ScanOptions {
  /** Whether MongoDB goes through a whole collection for it. @default {false} */
  readonly isLong?: boolean;
}

export interface PageOptions extends ScanOptions {
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
  readonly #limits: AnswerLimits;
  readonly #answers: AnswerLimit;
  /** Of the pages that the signal ends: those of a snapshot may be slow while others are quick. */
  readonly #abortableAnswers: AnswerLimit;
  readonly #scans: AnswerLimit;

  constructor(route: Route, options: CausalReaderOptions) {
    this.#limits = options.limits ?? ANSWER_LIMITS;
    this.#session = new RoutedSession(route);
    this.#options = options;
    this.#answers = new AnswerLimit(this.#limits.read);
    this.#abortableAnswers = new AnswerLimit(this.#limits.read);
    this.#scans = new AnswerLimit(this.#limits.scan);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }

  /** The time of what was read last. */
  get time(): BSON.Timestamp | undefined {
    return this.#session.operationTime;
  }

  /** From now on nothing older than this is read. */
  after(time: TimeOfCluster): void {
    this.#session.after(time);
  }

  /**
   * Runs a read that is safe to repeat, with options that the driver's methods take. All its answers have one limit.
   */
  read<T>(
    work: (client: MongoClient, options: ReadOptions) => Promise<T>,
    { isLong = false }: ScanOptions = {},
  ): Promise<T> {
    const answers = isLong ? this.#scans : this.#answers;
    return this.#tries((client, session) => {
      const shared = { ...FROM_PRIMARY, ...withoutTimeout(client), session };
      return answers.run((answer) => work(client, { ...shared, ...answer }), {
        beyond: this.#limits.report,
      });
    }, { allowedMs: isLong ? Infinity : 0 });
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

  /**
   * The first documents that a `find` or `aggregate` finds, in one answer unless `goesOn` wants more. An abortable page
   * may be as slow as its limit allows without being an outage.
   */
  page(namespace: Namespace, command: Document, options: PageOptions = {}): Promise<Page> {
    const { abortable = false, hint = BY_KEY, goesOn = () => false, isLong = false } = options;
    const answers = abortable ? this.#abortableAnswers : this.#answers;
    const first = { ...command, ...hint && { hint } };
    return this.#tries(async (client, session) => {
      const cursor = { client, session, namespace, abortable, answers, serverLimited: true };
      let documents: readonly KeyedDocument[] = [];
      for await (const reply of this.#replies(first, cursor)) {
        documents = documents.concat(reply.documents);
        if (reply.cursorId === 0n) return { documents, exhausted: true };
        if (!goesOn(documents)) break;
      }
      return { documents, exhausted: false };
    }, { allowedMs: isLong ? Infinity : abortable ? answers.milliseconds : 0 });
  }

  /** Those documents of all that an aggregation finds which `isWanted` is true of. */
  scan(
    namespace: Namespace,
    pipeline: readonly Document[],
    isWanted: (document: KeyedDocument) => boolean,
  ): Promise<KeyedDocument[]> {
    const command = { aggregate: namespace.collection, pipeline, cursor: {} };
    return this.#tries(async (client, session) => {
      const found: KeyedDocument[] = [];
      for await (
        const { documents } of this.#replies(command, { client, session, namespace, answers: this.#scans })
      ) {
        for (const document of documents) if (isWanted(document)) found.push(document);
      }
      return found;
    }, { allowedMs: Infinity });
  }

  /** The replies of a cursor, which is closed when no more are wanted. The limit applies to each reply. */
  async *#replies(command: Document, options: RepliesOptions): AsyncGenerator<Reply> {
    const { client, session, answers, namespace: { database, collection } } = options;
    const { abortable = false, serverLimited = false } = options;
    const db = client.db(database);
    const shared = { raw: true, session, ...FROM_PRIMARY, ...withoutTimeout(client) };
    const run = (command: Document, { serverLimited = false } = {}): Promise<Reply> =>
      answers.run(async ({ signal, maxTimeMS }) => {
        const limited = { ...command, ...serverLimited && { maxTimeMS } };
        return batchOf(await db.command(limited, { ...shared, signal }));
      }, { beyond: this.#limits.report, signal: abortable ? this.#options.shutdown.signal : undefined });
    let cursorId = 0n;
    try {
      let reply = await run({ ...command, readConcern: this.#readConcern() }, { serverLimited });
      while (true) {
        cursorId = reply.cursorId;
        yield reply;
        if (cursorId === 0n) return;
        reply = await run({ getMore: BSON.Long.fromBigInt(cursorId), collection });
      }
    } finally {
      if (cursorId !== 0n) await killCursor(db, collection, cursorId);
    }
  }

  #tries<T>(
    work: (client: MongoClient, session: ClientSession) => Promise<T>,
    question: Question,
  ): Promise<T> {
    const attempt = async () => {
      const { client, session } = this.#session.current();
      try {
        return await work(client, session);
      } catch (error) {
        throw this.#session.failed(client, error);
      }
    };
    return retry(attempt, {
      ...this.#options,
      ...question,
      isRetryable: retryableErrors(() => this.time !== undefined),
    });
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

interface RepliesOptions extends Pick<PageOptions, "abortable"> {
  readonly client: MongoClient;
  readonly session: ClientSession;
  readonly namespace: Namespace;
  readonly answers: AnswerLimit;
  /**
   * Whether the server has the limit too: it counts the time of all replies of a cursor together, so only for a cursor
   * of about one reply. @default {false}
   */
  readonly serverLimited?: boolean;
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
