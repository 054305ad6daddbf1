/**
 * The change stream of a collection as batches, read as raw commands: whole replies, BSON untouched, and the token
 * that the server gives for the end of each reply (also when it is empty).
 *
 * Follows the change streams specification with these deviations: the server must give a `postBatchResumeToken`
 * (4.0.7 and newer); every reopening uses `startAfter`, which unlike `resumeAfter` also takes the token of an
 * invalidate event; errors of the command that opens the stream are tried again when they are transient.
 *
 * @see https://github.com/mongodb/specifications/blob/master/source/change-streams/change-streams.md
 */
import { BSON, type ClientSession, type Document, type MongoClient, MongoServerError } from "mongodb";
import { messageOf } from "../errors.ts";
import type { Logger } from "../ops/log.ts";
import { backoff } from "../ops/retry.ts";
import { type BsonValue, bytesOf, elements, fields, int64At, stringAt } from "../row/bson.ts";
import { type CollectionEvent, type DocumentChange, readEvent } from "./event.ts";

export interface ChangeBatch {
  readonly changes: readonly DocumentChange[];
  /** Ends the batch where there is one: what comes after it must not be mixed with what came before. */
  readonly event: CollectionEvent | undefined;
  /** Events read, those that mean nothing for the table among them. */
  readonly events: number;
  readonly bytes: number;
  /** BSON of the resume token after the last event. */
  readonly token: Uint8Array;
}

export interface ChangeStreamOptions {
  readonly client: MongoClient;
  readonly database: string;
  readonly collection: string;
  /** BSON of the token to go on from; null to start now. */
  readonly startAfter: Uint8Array | null;
  readonly batchSize: number;
  readonly retryFor: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** Milliseconds that the server waits for a change before it answers with an empty batch. */
const MAX_AWAIT = 1_000;

export async function* changeStream(options: ChangeStreamOptions): AsyncGenerator<ChangeBatch> {
  const { signal, log, retryFor } = options;
  let token = options.startAfter;
  let opened = false;
  let failedSince = 0;
  for (let attempt = 0; !signal.aborted;) {
    try {
      for await (const batch of follow(options, token)) {
        if (attempt > 0) log.info("The change stream goes on");
        [attempt, opened] = [0, true];
        yield batch;
        token = batch.token;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (attempt === 0) failedSince = Date.now();
      if (!opened || !isResumable(error) || Date.now() - failedSince >= retryFor) throw error;
      if (attempt === 0) log.warn("The change stream broke off, trying again", { error: messageOf(error) });
      await backoff(attempt++, signal).catch(() => {});
    }
  }
}

/** Any error that is not the server's, and those of the server that it labels so. */
function isResumable(error: unknown): boolean {
  if (!(error instanceof Error) || !error.name.startsWith("Mongo")) return false;
  if (!(error instanceof MongoServerError)) return true;
  return error.hasErrorLabel("ResumableChangeStreamError") || error.hasErrorLabel("RetryableWriteError") ||
    [6, 7, 43, 89, 91, 133, 189, 234, 237, 9001, 10107, 11600, 11602, 13388, 13435, 13436].includes(
      Number(error.code),
    );
}

async function* follow(options: ChangeStreamOptions, token: Uint8Array | null): AsyncGenerator<ChangeBatch> {
  const { client, collection, batchSize, signal } = options;
  const database = client.db(options.database);
  await using session = client.startSession();
  const command = (document: Document) => run(database, document, { session, signal });
  const start = token ? { startAfter: BSON.deserialize(token) } : {};
  let reply = await command({
    aggregate: collection,
    pipeline: [{ $changeStream: { fullDocument: "updateLookup", ...start } }],
    cursor: { batchSize: token ? batchSize : 0 },
  });
  try {
    while (true) {
      yield* batchesOf(reply);
      if (reply.cursorId === 0n || signal.aborted) return;
      reply = await command({
        getMore: BSON.Long.fromBigInt(reply.cursorId),
        collection: reply.collection,
        batchSize,
        maxTimeMS: MAX_AWAIT,
      });
    }
  } finally {
    if (reply.cursorId !== 0n) {
      await database.command({
        killCursors: reply.collection,
        cursors: [BSON.Long.fromBigInt(reply.cursorId)],
      })
        .catch(() => {});
    }
  }
}

interface Reply {
  readonly cursorId: bigint;
  readonly collection: string;
  readonly batch: BsonValue;
  readonly token: Uint8Array;
}

async function run(
  database: ReturnType<MongoClient["db"]>,
  document: Document,
  options: { session: ClientSession; signal: AbortSignal },
): Promise<Reply> {
  const { cursor: bytes } = await database.command(document, { ...options, raw: true });
  const cursor = fields(bytes as Uint8Array);
  const [id, ns, batch, token] = [
    cursor.get("id"),
    cursor.get("ns"),
    cursor.get("nextBatch") ?? cursor.get("firstBatch"),
    cursor.get("postBatchResumeToken"),
  ];
  if (!id || !ns || !batch || !token) {
    throw new Error("MongoDB gave no postBatchResumeToken: 4.0.7 or newer is needed");
  }
  const namespace = stringAt(ns.bytes, ns.offset);
  return {
    cursorId: int64At(id.bytes, id.offset),
    collection: namespace.slice(namespace.indexOf(".") + 1),
    batch,
    token: bytesOf(token),
  };
}

function* batchesOf({ batch, token }: Reply): Generator<ChangeBatch> {
  let changes: DocumentChange[] = [];
  let [events, bytes] = [0, 0];
  for (const [, , , offset, length] of elements(batch.bytes, batch.offset)) {
    const read = readEvent(batch.bytes, offset);
    events++;
    bytes += length;
    if (!read) continue;
    if ("change" in read) changes.push(read.change);
    else {
      yield { changes, event: read.event, events, bytes, token: read.event.token };
      [changes, events, bytes] = [[], 0, 0];
    }
  }
  yield { changes, event: undefined, events, bytes, token };
}
