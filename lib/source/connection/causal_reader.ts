/** Reads in one causal session, with retries. No read is older than a given time. */
import {
  type Abortable,
  BSON,
  type ClientSession,
  type Db,
  type Document,
  type MongoClient,
  ReadPreference,
  type RunCommandOptions,
} from "mongodb";
import { type BsonValue, ElementCursor } from "../../bson/bson.ts";
import type { Namespace } from "../../util/namespace.ts";
import { UserError } from "../../util/errors.ts";
import type { Question } from "../../util/outage.ts";
import { retry, type RetryOptions } from "../../util/retry.ts";
import { ANSWER_LIMITS, AnswerLimit, type AnswerLimits, type AnswerOptions } from "./answer_limit.ts";
import { withoutTimeout } from "./mongodb.ts";
import { retryableErrors } from "./mongodb_errors.ts";
import { type Route, RoutedSession, type TimeOfCluster } from "./route.ts";

export interface KeyedDocument {
  readonly id: BsonValue;
  readonly document: Uint8Array;
}

export interface Page {
  readonly documents: readonly KeyedDocument[];
  /** Whether no documents follow. */
  readonly exhausted: boolean;
  /** The end of the last reply, if the command requests it. */
  readonly resumeToken: Document | undefined;
}

export interface CausalReaderOptions extends Omit<RetryOptions, "isRetryable" | "allowedMs"> {
  readonly limits?: AnswerLimits;
  /** @default {primary} */
  readonly readPreference?: ReadPreference;
  /** No document is newer than this cluster time: what is newer is read again as it was then. @default {none} */
  readonly until?: BSON.Timestamp | undefined;
  /** Its reads and those of this reader follow each other: none is older than one before it. @default {none} */
  readonly beside?: CausalReader;
}

export interface PageOptions {
  /** Whether MongoDB scans a whole collection. @default {false} */
  readonly isLong?: boolean;
  /** Whether a stop of the relay aborts the running command. @default {false} */
  readonly abortable?: boolean;
  /** The index to use; null lets the server choose. @default {the index of `_id`} */
  readonly hint?: Document | null;
  /** Whether to read further replies after these documents. @default {never} */
  readonly goesOn?: (documents: readonly KeyedDocument[]) => boolean;
  /** Whether an error is the answer, so that no retry would help. @default {never} */
  readonly isAnswer?: ((error: unknown) => boolean) | undefined;
}

interface Reading extends PageOptions {
  readonly answers: AnswerLimit;
  /** @default {all} */
  readonly isWanted?: (document: KeyedDocument) => boolean;
}

const BY_KEY = { _id: 1 } as const;
const KILL_CURSOR_TIMEOUT_MS = 1_000;

export class CausalReader implements AsyncDisposable {
  readonly #session: RoutedSession;
  readonly #options: CausalReaderOptions & Required<Pick<CausalReaderOptions, "limits" | "readPreference">>;
  readonly #answers: AnswerLimit;
  /** Pages of a snapshot may be slow while other reads are quick. */
  readonly #abortableAnswers: AnswerLimit;
  readonly #scans: AnswerLimit;

  constructor(route: Route, options: CausalReaderOptions) {
    const defaults = { limits: ANSWER_LIMITS, readPreference: ReadPreference.primary };
    const { limits } = this.#options = { ...defaults, ...options };
    this.#session = new RoutedSession(route);
    this.#answers = new AnswerLimit(limits.read);
    this.#abortableAnswers = new AnswerLimit(limits.read);
    this.#scans = new AnswerLimit(limits.scan);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#session[Symbol.asyncDispose]();
  }

  get time(): BSON.Timestamp | undefined {
    return this.#session.operationTime;
  }

  /** Later reads return nothing older than this time. */
  after(time: TimeOfCluster): void {
    this.#session.after(time);
  }

  /** Runs an idempotent read, which passes the given options to the driver. One time limit covers all its replies. */
  read<T>(
    work: (
      client: MongoClient,
      options: AnswerOptions & { readonly session: ClientSession; readonly readPreference: ReadPreference },
    ) => Promise<T>,
    { isLong = false }: Pick<PageOptions, "isLong"> = {},
  ): Promise<T> {
    const answers = isLong ? this.#scans : this.#answers;
    const { readPreference } = this.#options;
    return this.#tries((client, session) => {
      const shared = { readPreference, ...withoutTimeout(client), session };
      return answers.run((answer) => work(client, { ...shared, ...answer }), {
        beyond: this.#options.limits.report,
      });
    }, { allowedMs: isLong ? Infinity : 0 });
  }

  /** Whether the collection exists; false for a view or a time-series collection. */
  async exists({ database, collection }: Namespace): Promise<boolean> {
    const listed = await listCollections(this, database, { name: collection });
    return listed.some(({ type = "collection" }) => type === "collection");
  }

  /**
   * The first documents of a `find` or `aggregate`: one reply, or more while `goesOn` returns true. An abortable page
   * may take as long as its limit without being reported as an outage.
   */
  page(namespace: Namespace, command: Document, options: PageOptions = {}): Promise<Page> {
    const answers = options.abortable ? this.#abortableAnswers : this.#answers;
    return this.#documents(namespace, command, { hint: BY_KEY, ...options, answers });
  }

  async scan(
    namespace: Namespace,
    pipeline: readonly Document[],
    isWanted: (document: KeyedDocument) => boolean,
  ): Promise<readonly KeyedDocument[]> {
    const command = { aggregate: namespace.collection, pipeline, cursor: {} };
    const reading = { isLong: true, goesOn: () => true, isWanted, answers: this.#scans };
    return (await this.#documents(namespace, command, reading)).documents;
  }

  async #documents(namespace: Namespace, command: Document, reading: Reading): Promise<Page> {
    const { until } = this.#options;
    if (until === undefined || !this.time?.gt(until)) {
      const page = await this.#documentsAt(undefined, namespace, command, reading);
      // The operation time of a reply is not older than what it has read.
      if (until === undefined || !this.time?.gt(until)) return page;
    }
    return await this.#documentsAt(until, namespace, command, reading);
  }

  /**
   * The wanted documents of a cursor, which is closed at the end. The time limit applies to each reply. The server sums
   * the time of all replies, so it gets the limit only for cursors of about one reply.
   */
  #documentsAt(
    atClusterTime: BSON.Timestamp | undefined,
    { database, collection }: Namespace,
    command: Document,
    reading: Reading,
  ): Promise<Page> {
    const { abortable, hint, isLong, isWanted = () => true, goesOn = () => false, answers } = reading;
    const { readPreference } = this.#options;
    const signal = abortable ? this.#options.shutdown.signal : undefined;
    const limits = { beyond: this.#options.limits.report, signal };
    return this.#tries(async (client, causal) => {
      // MongoDB refuses `atClusterTime` in a causal session.
      await using own = atClusterTime && client.startSession({ causalConsistency: false });
      const session = own ?? causal;
      const db = client.db(database);
      const shared = { session, readPreference, ...withoutTimeout(client) };
      const run = (command: Document, isServerLimited = false): Promise<CursorReply> =>
        answers.run(async ({ signal, maxTimeMS }) => {
          const limited = { ...command, ...isServerLimited && { maxTimeMS } };
          return await cursorReply(db, limited, { ...shared, signal });
        }, limits);
      // The driver adds this only to its own reads, not to commands.
      const readConcern = atClusterTime
        ? { level: "snapshot", atClusterTime }
        : { level: "majority", ...this.time && { afterClusterTime: this.time } };
      let reply = await run({ ...command, ...hint && { hint }, readConcern }, answers !== this.#scans);
      const documents: KeyedDocument[] = [];
      try {
        while (true) {
          for (const document of reply.documents.map(keyed)) {
            if (isWanted(document)) documents.push(document);
          }
          const exhausted = reply.cursorId === 0n;
          if (exhausted || !goesOn(documents)) {
            return { documents, exhausted, resumeToken: reply.token };
          }
          reply = await run({ getMore: BSON.Long.fromBigInt(reply.cursorId), collection });
        }
      } finally {
        if (reply.cursorId !== 0n) await killCursor(db, collection, reply.cursorId);
      }
    }, { allowedMs: isLong ? Infinity : abortable ? answers.milliseconds : 0, ...reading });
  }

  #tries<T>(
    work: (client: MongoClient, session: ClientSession) => Promise<T>,
    { isAnswer = () => false, ...question }: Question & Pick<Reading, "isAnswer">,
  ): Promise<T> {
    const { beside } = this.#options;
    const attempt = async () => {
      const { client, session } = this.#session.current();
      if (beside) this.after(beside.#session.current().session);
      try {
        const result = await work(client, session);
        beside?.after(session);
        return result;
      } catch (error) {
        throw this.#session.failed(client, error);
      }
    };
    const isTransient = retryableErrors(() => this.time !== undefined);
    const isRetryable = (error: unknown) => !isAnswer(error) && isTransient(error);
    return retry(attempt, { ...this.#options, ...question, isRetryable });
  }
}

interface Listed {
  readonly name: string;
  readonly type?: string;
  readonly info?: { readonly uuid?: { toString(encoding: "hex"): string } };
  readonly options?: Document;
}

/**
 * The collections of a database that the user may see, or only the one with a name. UUIDs, which `nameOnly` omits, need the
 * action `listCollections`.
 */
export const listCollections = (
  reader: Pick<CausalReader, "read">,
  database: string,
  { name, nameOnly = true }: { readonly name?: string | undefined; readonly nameOnly?: boolean } = {},
): Promise<readonly Listed[]> =>
  reader.read((client, options) => {
    const filter = name === undefined ? {} : { name };
    return client.db(database).listCollections(filter, { ...options, nameOnly, authorizedCollections: true })
      .toArray();
  });

/** Closes a cursor on the server. A failure is harmless: the server closes idle cursors. */
export async function killCursor(db: Db, collection: string, cursorId: bigint): Promise<void> {
  const command = { killCursors: collection, cursors: [BSON.Long.fromBigInt(cursorId)] };
  await db.command(command, { signal: AbortSignal.timeout(KILL_CURSOR_TIMEOUT_MS) }).catch(() => {});
}

interface CursorReply {
  readonly cursorId: bigint;
  readonly collection: string;
  readonly documents: readonly Uint8Array[];
  readonly token: Document | undefined;
}

/**
 * Runs a command and returns its documents as bytes. Not with `raw`, which also turns fields of an error into bytes: the
 * driver compares its `topologyVersion`, and a primary that steps down would end in a TypeError.
 */
export async function cursorReply(
  database: Db,
  command: Document,
  options: RunCommandOptions & Abortable,
): Promise<CursorReply> {
  const asBytes = { fieldsAsRaw: { firstBatch: true, nextBatch: true }, useBigInt64: true };
  const { cursor } = await database.command(command, { ...options, ...asBytes });
  const { id, ns, firstBatch, nextBatch = firstBatch, postBatchResumeToken: token } = cursor;
  if (!nextBatch) throw new Error("MongoDB answered without a batch");
  return { cursorId: id, collection: ns.slice(ns.indexOf(".") + 1), documents: nextBatch, token };
}

function keyed(document: Uint8Array): KeyedDocument {
  const element = new ElementCursor(document);
  while (element.next()) {
    if (isId(element)) return { id: element.value, document };
  }
  throw new UserError("The transform removes _id, which names the row.", { hint: "Keep _id." });
}

/** Compares bytes, because other field names may be invalid UTF-8. */
const isId = ({ bytes, nameOffset, nameLength }: ElementCursor): boolean =>
  nameLength === 3 && bytes[nameOffset] === 0x5f && bytes[nameOffset + 1] === 0x69 &&
  bytes[nameOffset + 2] === 0x64;
