/**
 * A change stream as batches, read as raw commands: whole replies, BSON untouched, and the token that the server
 * gives for the end of each reply (also when it is empty).
 *
 * Follows the change streams specification with these deviations: the server must give a `postBatchResumeToken`
 * (4.0.7 and newer); every reopening uses `startAfter`, which unlike `resumeAfter` also takes the token of an
 * invalidate event; errors of the command that opens the stream are tried again when they are transient.
 *
 * @see https://github.com/mongodb/specifications/blob/master/source/change-streams/change-streams.md
 */
import { BSON, type ClientSession, type Document, type MongoClient } from "mongodb";
import { messageOf, UserError } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { backoff } from "../util/retry.ts";
import { type BsonValue, bytesOf, elements, fields, int64At, stringAt } from "../bson/bson.ts";
import { type CollectionEvent, type DocumentChange, readEvent } from "./event.ts";
import { killCursor } from "./kill_cursor.ts";
import type { Scope } from "./scope.ts";
import type { ServerFeatures } from "./server.ts";
import { SplitEvents } from "./split_events.ts";
import { isEventTooLarge, isRetryableMongodbError } from "./mongodb_errors.ts";

export interface ChangeBatch {
  readonly changes: readonly DocumentChange[];
  /** Ends the batch where there is one: what comes after it must not be mixed with what came before. */
  readonly event: CollectionEvent | undefined;
  /** Events read, those that mean nothing for the table among them. */
  readonly events: number;
  readonly bytes: number;
  /** BSON of the resume token after the last event. */
  readonly token: Uint8Array;
  /** The server's time when it answered; reads after it see everything in the batch. */
  readonly operationTime: BSON.Timestamp | undefined;
}

export type FullDocument = "updateLookup" | "whenAvailable" | "required";

export interface ChangeStreamOptions {
  readonly client: MongoClient;
  readonly scope: Scope;
  readonly server: ServerFeatures;
  /** Undefined where documents are looked up afterwards. */
  readonly fullDocument: FullDocument | undefined;
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
      if (isEventTooLarge(error)) throw await tooLarge(options, token);
      if (attempt === 0) failedSince = Date.now();
      if (!opened || !isRetryableMongodbError(error) || Date.now() - failedSince >= retryFor) throw error;
      if (attempt === 0) log.warn("The change stream broke off, trying again", { error: messageOf(error) });
      await backoff(attempt++, signal).catch(() => {});
    }
  }
}

/** The database and the `aggregate` value of each level. */
const TARGETS: Readonly<
  Record<Scope["level"], (scope: Scope) => { database: string; aggregate: string | 1 }>
> = {
  collection: ({ only }) => ({ database: only.database ?? "", aggregate: only.collection ?? "" }),
  database: ({ only }) => ({ database: only.database ?? "", aggregate: 1 }),
  deployment: () => ({ database: "admin", aggregate: 1 }),
};

/** Fields that mean nothing here, and make events large. */
const UNUSED = ["updateDescription", "fullDocumentBeforeChange"];

function streamStages(options: ChangeStreamOptions, token: Uint8Array | null): Document[] {
  const { scope, server, fullDocument } = options;
  return [
    {
      $changeStream: {
        ...fullDocument && { fullDocument },
        ...scope.level === "deployment" && { allChangesForCluster: true },
        ...server.expandedEvents && { showExpandedEvents: true },
        ...token && { startAfter: BSON.deserialize(token) },
      },
    },
    ...scope.stages(),
    { $unset: fullDocument ? UNUSED : [...UNUSED, "fullDocument"] },
    ...server.splitsLargeEvents ? [{ $changeStreamSplitLargeEvent: {} }] : [],
  ];
}

async function* follow(options: ChangeStreamOptions, token: Uint8Array | null): AsyncGenerator<ChangeBatch> {
  const { client, batchSize, signal, scope } = options;
  const target = TARGETS[scope.level](scope);
  const database = client.db(target.database);
  await using session = client.startSession();
  const command = (document: Document) => run(database, document, { session, signal });
  let reply = await command({
    aggregate: target.aggregate,
    pipeline: streamStages(options, token),
    cursor: { batchSize: token ? batchSize : 0 },
  });
  const split = new SplitEvents();
  try {
    while (true) {
      for (const batch of batchesOf(reply, { split, token })) {
        yield batch;
        token = batch.token;
      }
      if (reply.cursorId === 0n || signal.aborted) return;
      reply = await command({
        getMore: BSON.Long.fromBigInt(reply.cursorId),
        collection: reply.collection,
        batchSize,
        maxTimeMS: MAX_AWAIT,
      });
    }
  } finally {
    if (reply.cursorId !== 0n) await killCursor(database, reply.collection, reply.cursorId);
  }
}

/** The event that follows `token` is over 16 MB, and the server cannot split it: which document it is of. */
async function tooLarge(options: ChangeStreamOptions, token: Uint8Array | null): Promise<UserError> {
  const { client, scope, server } = options;
  const target = TARGETS[scope.level](scope);
  const small = { ...options, fullDocument: undefined, server: { ...server, splitsLargeEvents: false } };
  const names = { $project: { ns: 1, documentKey: 1, operationType: 1 } };
  const { cursor } = await client.db(target.database).command({
    aggregate: target.aggregate,
    pipeline: [...streamStages(small, token), names],
    cursor: { batchSize: 1 },
  });
  const [event] = cursor.firstBatch;
  const key = BSON.EJSON.stringify(event?.documentKey ?? {});
  const document = `${event?.ns?.db}.${event?.ns?.coll} ${key.length > 200 ? `${key.slice(0, 200)}…` : key}`;
  return new UserError(
    `A change event is larger than 16 MB, and MongoDB ${server.version} cannot deliver it: ${document}`,
    {
      hint:
        "MongoDB 6.0.9 and newer split events, but for what is in each part. Make the document or its key smaller, or " +
        "leave its collection out with --exclude, and start again.",
    },
  );
}

interface Reply {
  readonly cursorId: bigint;
  readonly collection: string;
  readonly batch: BsonValue;
  readonly token: Uint8Array;
  readonly operationTime: BSON.Timestamp | undefined;
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
    operationTime: options.session.operationTime,
  };
}

interface BatchState {
  readonly split: SplitEvents;
  /** The token before the reply: inside a split event there is no other. */
  readonly token: Uint8Array | null;
}

function* batchesOf(reply: Reply, { split, token: before }: BatchState): Generator<ChangeBatch> {
  const { batch, operationTime } = reply;
  let changes: DocumentChange[] = [];
  let [events, bytes] = [0, 0];
  let token = before;
  for (const [, , , offset, length] of elements(batch.bytes, batch.offset)) {
    const whole = split.join(fields(batch.bytes, offset));
    bytes += length;
    if (!whole) continue;
    events++;
    const id = whole.get("_id");
    if (id) token = bytesOf(id);
    const read = readEvent(whole);
    if ("change" in read) changes.push(read.change);
    else {
      yield { changes, event: read.event, events, bytes, token: read.event.token, operationTime };
      [changes, events, bytes] = [[], 0, 0];
    }
  }
  const end = split.incomplete ? token : reply.token;
  if (end) yield { changes, event: undefined, events, bytes, token: end, operationTime };
}
