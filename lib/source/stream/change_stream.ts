/**
 * A change stream as batches, read as raw commands: whole replies, BSON untouched, and the token that the server
 * gives for the end of each reply (also when it is empty).
 *
 * Follows the change streams specification with these deviations:
 * - The server must give a `postBatchResumeToken`, as all servers do that the driver takes (4.4 and newer).
 * - Every reopening uses `startAfter`, which unlike `resumeAfter` also takes the token of an invalidate event.
 * - Errors of the command that opens the stream are tried again when they are retryable.
 * - An error is retryable by our own list of classes, codes and labels, and for as long as `retryFor` says.
 *
 * @see https://github.com/mongodb/specifications/blob/master/source/change-streams/change-streams.md
 */
import { BSON, type ClusterTime, type Document } from "mongodb";
import type { Worker } from "../../key/worker.ts";
import type { OutageTracker } from "../../util/outage.ts";
import { backoff } from "../../util/retry.ts";
import { type BsonValue, bytesOf, ElementCursor } from "../../bson/bson.ts";
import {
  ANSWER_LIMITS,
  AnswerLimit,
  type AnswerLimits,
  type AnswerOptions,
} from "../connection/answer_limit.ts";
import { type CollectionEvent, type DocumentChange, eventFields, readEvent, wallTimeOf } from "./event.ts";
import { killCursor } from "../connection/causal_reader.ts";
import { largeEvent } from "./large_event.ts";
import { PageSize } from "../documents/page_size.ts";
import { timeOf } from "./resume_token.ts";
import type { Route } from "../connection/route.ts";
import { RoutedSession } from "../connection/routed_session.ts";
import type { Scope } from "../documents/scope.ts";
import type { FeatureTrial } from "../connection/stream_features.ts";
import { SplitEvents } from "./split_events.ts";
import { isAmbiguousLookup, isEventTooLarge, retryableErrors } from "../connection/mongodb_errors.ts";
import {
  awaitMs,
  type FullDocument,
  openStream,
  type Reply,
  runStreamCommand,
  targetOf,
} from "./open_stream.ts";

export interface ChangeBatch {
  readonly changes: readonly DocumentChange[];
  /** Ends the batch, if there is one: later changes must not be mixed with earlier ones. */
  readonly event: CollectionEvent | undefined;
  /** Events read, including those that change no row. */
  readonly events: number;
  readonly bytes: number;
  /** BSON of the resume token after the last event. */
  readonly token: Uint8Array;
  /** The same before `event`, and after `changes`; null where that is the first of the stream. */
  readonly tokenBeforeEvent?: Uint8Array | null;
  /** The server's time of its answer. Reads after it see everything in the batch. */
  readonly operationTime: BSON.Timestamp | undefined;
  /** The same with the deployment's signature, for a shard that is behind; undefined without a signature. */
  readonly clusterTime?: ClusterTime | undefined;
  /** When the newest event was written, in milliseconds since 1970; undefined where MongoDB does not tell, or none is there. */
  readonly wallTime: number | undefined;
}

export interface ChangeStreamOptions {
  readonly route: Route;
  readonly scope: Scope;
  /** The part of the documents whose events are read. @default {all} */
  readonly worker?: Worker | undefined;
  readonly features: FeatureTrial;
  /** "none" where all documents are looked up, those of inserts too. */
  readonly fullDocument: FullDocument | "none";
  /** BSON of the token to go on from; null to start now. */
  readonly startAfter: Uint8Array | null;
  readonly batchSize: number;
  /** The most bytes that a reply should have. @default {4 MiB} */
  readonly replyBytes?: number;
  readonly retryFor: number;
  readonly signal: AbortSignal;
  readonly outages: OutageTracker;
  /** @default {ANSWER_LIMITS} */
  readonly limits?: AnswerLimits;
}

/** The limits of a stream's answers, which stay when it is opened again. */
interface StreamAnswers {
  readonly opening: AnswerLimit;
  readonly batches: AnswerLimit;
}

/**
 * A server reads the oplog at least so many times faster than it writes it. It answers only after it has read up to the
 * end, through the events of all collections: `maxTimeMS` limits its waiting, not its reading.
 */
const READS_FASTER = 10;
/** The most time for that, in milliseconds; if it needs more, the next tries have it. */
const LONGEST_READING_MS = 600_000;

/**
 * Milliseconds that a server needs at most to read up to the end of the oplog.
 *
 * @param idle milliseconds since the stream was at the end
 * @example
 * IN: 1_000 → OUT: 100; IN: an hour → OUT: 360_000; IN: a day → OUT: 600_000
 */
export const readingMs = (idle: number): number =>
  Math.min(LONGEST_READING_MS, Math.max(0, idle) / READS_FASTER);

/**
 * The change batches of a scope, for ever. A stream that breaks off is opened again after the last token, in the same
 * session, for as long as `retryFor` says.
 *
 * @throws MongoError when the stream cannot be opened, or an error is not retryable; UserError for an event that
 * MongoDB cannot deliver
 */
export async function* changeStream(options: ChangeStreamOptions): AsyncGenerator<ChangeBatch> {
  const { route, signal, outages, retryFor } = options;
  await using session = new RoutedSession(route);
  const id = Symbol();
  let token = options.startAfter;
  let { fullDocument } = options;
  let { batchSize } = options;
  let failedSince = 0;
  let attempt = 0;
  const { read, stream } = options.limits ?? ANSWER_LIMITS;
  const answers = { opening: new AnswerLimit(read), batches: new AnswerLimit(stream) };
  const judge = () => retryableErrors(() => session.operationTime !== undefined);
  let isRetryable = judge();
  try {
    while (!signal.aborted) {
      const current = session.current();
      try {
        let isOpening = true; // The empty first batch does not show that the stream can be read.
        for await (
          const batch of batchesFrom(token, { ...options, ...current, fullDocument, batchSize, answers })
        ) {
          if (!isOpening) {
            outages.answered(id);
            attempt = 0;
            isRetryable = judge();
          }
          isOpening = false;
          yield batch;
          token = batch.token;
        }
      } catch (failure) {
        if (signal.aborted) return;
        const error = session.failed(current.client, failure);
        if (fullDocument === "updateLookup" && isAmbiguousLookup(error)) {
          fullDocument = "lookup";
          continue;
        }
        if (isEventTooLarge(error)) {
          if (batchSize === 1) throw await largeEvent(token, options);
          batchSize = 1; // MongoDB returns the events before it only in an answer without it.
          continue;
        }
        if (attempt === 0) failedSince = performance.now();
        if (!isRetryable(error) || performance.now() - failedSince >= retryFor) throw error;
        outages.failed(id, error);
        await backoff(attempt++, signal).catch(() => {});
      }
    }
  } finally {
    outages.gaveUp(id);
  }
}

async function* batchesFrom(
  startAfter: Uint8Array | null,
  options: ChangeStreamOptions & ReturnType<RoutedSession["current"]> & { readonly answers: StreamAnswers },
): AsyncGenerator<ChangeBatch> {
  const { client, session, batchSize, replyBytes, signal, scope, answers, outages } = options;
  const pageSize = new PageSize(replyBytes);
  let token = startAfter;
  const target = targetOf(scope);
  const database = client.db(target.database);
  const command = async (document: Document, { signal }: AnswerOptions, allowedMs: number) => {
    using _question = outages.asked({ allowedMs });
    return await runStreamCommand(database, document, { session, signal });
  };
  const age = ageOf(startAfter);
  const open = (document: Document) =>
    answers.opening.run((answer) => command(document, answer, readingMs(age)), { signal });
  let reply = await openStream(startAfter, { ...options, database, command: open });
  /** When the stream was at the end last, in milliseconds of the clock of `performance`. */
  let readAt = performance.now() - age;
  const split = new SplitEvents();
  try {
    while (true) {
      let wasBusy = false;
      for (const batch of batchesOf(reply, { split, token })) {
        wasBusy ||= batch.events > 0;
        pageSize.read(batch.events, batch.bytes);
        yield batch;
        token = batch.token;
      }
      if (reply.cursorId === 0n || signal.aborted) return;
      const maxTimeMS = awaitMs(client.options, { wasBusy });
      const getMore = {
        getMore: BSON.Long.fromBigInt(reply.cursorId),
        collection: reply.collection,
        batchSize: Math.min(batchSize, pageSize.documents),
        maxTimeMS,
      };
      const reading = readingMs(performance.now() - readAt);
      const beyond = maxTimeMS + reading;
      reply = await answers.batches.run((answer) => command(getMore, answer, reading), { beyond, signal });
      readAt = performance.now();
    }
  } finally {
    if (reply.cursorId !== 0n) await killCursor(database, reply.collection, reply.cursorId);
  }
}

/** Milliseconds since the time of a token; 0 without a time. */
function ageOf(token: Uint8Array | null): number {
  const time = token && timeOf(token);
  return time ? Math.max(0, Date.now() - time.getTime()) : 0;
}

interface BatchState {
  readonly split: SplitEvents;
  /** The token before the reply. Inside a split event there is no other. */
  readonly token: Uint8Array | null;
}

/** The changes of a reply, and the events that end batches. The last batch has the token of the reply. */
export function* batchesOf(reply: Reply, { split, token: before }: BatchState): Generator<ChangeBatch> {
  const { batch, operationTime, clusterTime } = reply;
  let changes: DocumentChange[] = [];
  let events = 0;
  let bytes = 0;
  let last: BsonValue | undefined;
  let newest = -1;
  const element = new ElementCursor(batch.bytes, batch.offset);
  while (element.next()) {
    newest = element.offset;
    const whole = split.join(eventFields(batch.bytes, element.offset));
    bytes += element.length;
    if (!whole) continue;
    events++;
    const previous = last ? bytesOf(last) : before;
    last = whole._id ?? last;
    const read = readEvent(whole);
    if ("change" in read) changes.push(read.change);
    else {
      const wallTime = wallTimeOf(batch.bytes, newest);
      const { event } = read;
      const { token } = event;
      const time = { operationTime, clusterTime, wallTime };
      yield { changes, event, events, bytes, token, tokenBeforeEvent: previous, ...time };
      changes = [];
      events = 0;
      bytes = 0;
    }
  }
  const read = last ? bytesOf(last) : before;
  const end = split.incomplete ? read : reply.token;
  const wallTime = events > 0 ? wallTimeOf(batch.bytes, newest) : undefined;
  const time = { operationTime, clusterTime, wallTime };
  if (end) yield { changes, event: undefined, events, bytes, token: end, ...time };
}
