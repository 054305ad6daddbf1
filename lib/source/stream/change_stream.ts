/**
 * A change stream as batches, read with raw commands: whole replies, undecoded BSON, and the server's token for the end
 * of each reply, even of an empty one.
 *
 * Deviates from the change streams specification:
 * - The server must return a `postBatchResumeToken`. All servers do that the driver supports (4.4 and newer).
 * - A stream is always reopened with `startAfter`, which unlike `resumeAfter` accepts the token of an invalidate event.
 * - Retryable errors of the command that opens the stream are retried too.
 * - Our own lists of classes, codes and labels define retryable errors, and `retryFor` limits the retries.
 * @see https://github.com/mongodb/specifications/blob/master/source/change-streams/change-streams.md
 */
import { BSON, type Document } from "mongodb";
import { bytesOf } from "../../bson/bson.ts";
import { backoff } from "../../util/retry.ts";
import { ANSWER_LIMITS, AnswerLimit, PageSize } from "../connection/answer_limit.ts";
import { killCursor } from "../connection/causal_reader.ts";
import { isAmbiguousLookup, isEventTooLarge, retryableErrors } from "../connection/mongodb_errors.ts";
import { RoutedSession, type TimeOfCluster } from "../connection/route.ts";
import {
  type CollectionEvent,
  type DocumentChange,
  type EventFields,
  eventFields,
  readEvent,
  SplitEvents,
  wallTimeOf,
} from "./event.ts";
import {
  awaitMs,
  type ChangeStreamOptions,
  largeEvent,
  openStream,
  type Reply,
  runStreamCommand,
  targetOf,
} from "./open_stream.ts";
import { hasPassed, secondsBehind } from "./resume_token.ts";

/** Its cluster time is the server's time of the reply: reads after it see everything in the batch. */
export interface ChangeBatch extends TimeOfCluster {
  readonly changes: readonly DocumentChange[];
  /** An event of a collection ends the batch: changes before and after it must not be mixed. */
  readonly event: CollectionEvent | undefined;
  /** The number of events, including those that change no row. */
  readonly events: number;
  readonly bytes: number;
  /** BSON of the resume token after the last event. */
  readonly token: Uint8Array;
  /** Whether it is the last one of a stream that ends at a time. @default {false} */
  readonly isLast?: boolean;
  /** The token between `changes` and `event`; null at the start of a stream. */
  readonly tokenBeforeEvent?: Uint8Array | null;
  /** The `wallTime` of the newest event in milliseconds since 1970; undefined without events or before MongoDB 6.0. */
  readonly wallTime: number | undefined;
}

/**
 * How many times faster a server reads the oplog than it writes it, at least. It answers only when it has read up to the
 * end, through the events of all collections: `maxTimeMS` limits only its waiting.
 */
const READS_FASTER = 10;
const LONGEST_READING_MS = 600_000;

/**
 * The maximum time that a server needs to read up to the end of the oplog, `idle` milliseconds after the last time. Retries
 * raise it further.
 * @example IN: 1_000 → OUT: 100; IN: an hour → OUT: 360_000; IN: a day → OUT: 600_000
 */
export const readingMs = (idle: number): number =>
  Math.min(LONGEST_READING_MS, Math.max(0, idle) / READS_FASTER);

/**
 * The change batches of a scope, without end. A failed stream is reopened after the last token in the same session, for
 * up to `retryFor`.
 * @throws UserError for an event that MongoDB cannot deliver
 */
export async function* changeStream(options: ChangeStreamOptions): AsyncGenerator<ChangeBatch> {
  const { route, signal, outages, retryFor } = options;
  await using session = new RoutedSession(route);
  const id = Symbol();
  let { startAfter: token, fullDocument, batchSize } = options;
  let failedSince = 0;
  let attempt = 0;
  const { read, stream } = options.limits ?? ANSWER_LIMITS;
  // They outlive a reopening.
  const [openings, batches] = [new AnswerLimit(read), new AnswerLimit(stream)];
  const judge = () => retryableErrors(() => session.operationTime !== undefined);
  let isRetryable = judge();
  try {
    while (!signal.aborted) {
      const current = session.current();
      try {
        let isOpening = true; // The first batch is empty and does not prove that events can be read.
        const opened = { ...options, ...current, fullDocument, batchSize, openings, batches };
        for await (const batch of batchesFrom(token, opened)) {
          if (!isOpening) {
            outages.answered(id);
            attempt = 0;
            isRetryable = judge();
          }
          isOpening = false;
          yield batch;
          token = batch.token;
          if (batch.isLast) return;
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
          batchSize = 1; // MongoDB returns earlier events only in a reply without it.
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
  options:
    & ChangeStreamOptions
    & ReturnType<RoutedSession["current"]>
    & Readonly<Record<"openings" | "batches", AnswerLimit>>,
): AsyncGenerator<ChangeBatch> {
  const { client, session, batchSize, replyBytes, signal, openings, batches, outages, until } = options;
  const pageSize = new PageSize(replyBytes);
  let token = startAfter;
  const database = client.db(targetOf(options.scope).database);
  const run = (answers: AnswerLimit, document: Document, allowedMs: number, beyond = 0): Promise<Reply> =>
    answers.run(async ({ signal }) => {
      using _question = outages.asked({ allowedMs });
      return await runStreamCommand(database, document, { session, signal });
    }, { beyond, signal });
  const age = startAfter ? secondsBehind(startAfter, Date.now()) * 1_000 : 0;
  const command = (document: Document) => run(openings, document, readingMs(age));
  let reply = await openStream(startAfter, { ...options, database, command });
  /** When the stream was last at its end, on the clock of `performance`. */
  let readAt = performance.now() - age;
  const split = new SplitEvents();
  try {
    while (true) {
      let wasBusy = false;
      for (const batch of batchesOf(reply, { split, token, until })) {
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
      reply = await run(batches, getMore, reading, maxTimeMS + reading);
      readAt = performance.now();
    }
  } finally {
    if (reply.cursorId !== 0n) await killCursor(database, reply.collection, reply.cursorId);
  }
}

/** The batches of a reply: one up to each event of a collection, and one with the token of the reply. */
export function* batchesOf(
  { events: documents, token, operationTime, clusterTime }: Reply,
  { split, token: before, until }: {
    readonly split: SplitEvents;
    readonly token: Uint8Array | null;
    readonly until?: BSON.Timestamp | undefined;
  },
): Generator<ChangeBatch> {
  let [changes, events, bytes]: [DocumentChange[], number, number] = [[], 0, 0];
  const times = { operationTime, clusterTime };
  let newest: EventFields | undefined;
  const readUpTo = () => newest?._id ? bytesOf(newest._id) : before;
  for (const document of documents) {
    bytes += document.length;
    const whole = split.join(eventFields(document));
    if (!whole) continue;
    events++;
    const read = readEvent(whole);
    if ("event" in read) {
      const { event } = read;
      const place = { token: event.token, tokenBeforeEvent: readUpTo(), wallTime: wallTimeOf(whole) };
      yield { changes, event, events, bytes, ...times, ...place };
      [changes, events, bytes] = [[], 0, 0];
    } else changes.push(read.change);
    newest = whole;
  }
  const isLast = until !== undefined && hasPassed(token, until);
  // The token of the last reply is behind events that the stream has left out.
  const end = split.incomplete || isLast ? readUpTo() : token;
  const wallTime = newest && events > 0 ? wallTimeOf(newest) : undefined;
  if (end) {
    const batch = { changes, event: undefined, events, bytes, token: end, ...times, wallTime };
    yield isLast ? { ...batch, isLast } : batch;
  }
}
