/** The commands of a change stream: how one is opened, and what a reply has. */
import {
  BSON,
  type ClientSession,
  type ClusterTime,
  type Db,
  type Document,
  type MongoClientOptions,
} from "mongodb";
import { type BsonValue, bytesOf, fieldsByName, int64At, stringAt } from "../../bson/bson.ts";
import { messageOf, UserError } from "../../util/errors.ts";
import { killCursor } from "../connection/causal_reader.ts";
import type { Worker } from "../../key/worker.ts";
import { withoutTimeout } from "../connection/mongodb.ts";
import { isRefusal, TokenRefusedError } from "../connection/mongodb_errors.ts";
import { ownEvents } from "../documents/own_keys.ts";
import type { Scope } from "../documents/scope.ts";
import type { FeatureTrial, StreamFeatures } from "../connection/stream_features.ts";

/**
 * Where the document of an update comes from: it is looked up in bulk after the event, by the server for each event, or
 * it is a post-image.
 */
export type FullDocument = "lookup" | "updateLookup" | "whenAvailable" | "required";

export interface Reply {
  readonly cursorId: bigint;
  readonly collection: string;
  readonly batch: BsonValue;
  readonly token: Uint8Array;
  readonly operationTime: BSON.Timestamp | undefined;
  readonly clusterTime?: ClusterTime | undefined;
}

/** Runs a command that answers with a batch of the stream. */
export async function runStreamCommand(
  database: Db,
  document: Document,
  options: { session: ClientSession; signal: AbortSignal },
): Promise<Reply> {
  const unlimited = withoutTimeout(database.client);
  const { cursor: bytes } = await database.command(document, { ...options, ...unlimited, raw: true });
  const cursor = fieldsByName(bytes as Uint8Array);
  const id = cursor.get("id");
  const ns = cursor.get("ns");
  const batch = cursor.get("nextBatch") ?? cursor.get("firstBatch");
  const token = cursor.get("postBatchResumeToken");
  if (!id || !ns || !batch) throw new Error("MongoDB answered without a batch");
  if (!token) {
    throw new UserError(
      "This service gives no postBatchResumeToken with its change streams, so it is no MongoDB.",
      {
        hint:
          "It speaks MongoDB's protocol, whatever version it reports. Without that token no position is safe to save. " +
          "Follow a MongoDB of version 4.4 or newer.",
      },
    );
  }
  const namespace = stringAt(ns.bytes, ns.offset);
  return {
    cursorId: int64At(id.bytes, id.offset),
    collection: namespace.slice(namespace.indexOf(".") + 1),
    batch,
    token: bytesOf(token),
    operationTime: options.session.operationTime,
    clusterTime: options.session.clusterTime,
  };
}

/** The database and the `aggregate` value that a stream is opened with. */
export function targetOf(
  { level, only }: Scope,
): { readonly database: string; readonly aggregate: string | 1 } {
  switch (level) {
    case "collection":
      return { database: only.database ?? "", aggregate: only.collection ?? "" };
    case "database":
      return { database: only.database ?? "", aggregate: 1 };
    case "deployment":
      return { database: "admin", aggregate: 1 };
  }
}

/** Unused fields; dropping them keeps events under 16 MB. */
const UNUSED = ["updateDescription", "fullDocumentBeforeChange"];

export interface StreamSettings {
  readonly scope: Scope;
  /** The part of the documents whose events are read. @default {all} */
  readonly worker?: Worker | undefined;
  /** "none" where all documents are looked up, those of inserts too. */
  readonly fullDocument: FullDocument | "none";
  readonly features: StreamFeatures;
}

/** The pipeline that a stream is opened with. */
export function streamStages(
  { scope, worker, fullDocument, features }: StreamSettings,
  token: Uint8Array | null,
): Document[] {
  return [
    {
      $changeStream: {
        ...fullDocument !== "none" && fullDocument !== "lookup" && { fullDocument },
        ...scope.level === "deployment" && { allChangesForCluster: true },
        ...features.expandedEvents && { showExpandedEvents: true },
        ...token && { startAfter: BSON.deserialize(token) },
      },
    },
    ...scope.stages(),
    ...worker ? [ownEvents(worker)] : [],
    { $unset: fullDocument === "none" ? [...UNUSED, "fullDocument"] : UNUSED },
    ...features.splitsLargeEvents ? [{ $changeStreamSplitLargeEvent: {} }] : [],
  ];
}

/** Milliseconds that the server waits for a change before it answers with an empty batch. */
const MAX_AWAIT_MS = 1_000;
/** The same after a batch with events: an empty one says soon that there are no more. */
const BUSY_AWAIT_MS = 100;

/**
 * How long the server may wait for a change: shorter than what the client waits for the server.
 *
 * @example
 * IN: {socketTimeoutMS: 800} → OUT: 400; IN: {} → OUT: 1000; IN: {}, {wasBusy: true} → OUT: 100
 */
export const awaitMs = (
  { socketTimeoutMS, timeoutMS }: Pick<MongoClientOptions, "socketTimeoutMS" | "timeoutMS">,
  { wasBusy = false } = {},
) =>
  Math.min(
    wasBusy ? BUSY_AWAIT_MS : MAX_AWAIT_MS,
    ...[socketTimeoutMS, timeoutMS].flatMap((limit) => limit ? [Math.ceil(limit / 2)] : []),
  );

export interface OpenOptions extends Omit<StreamSettings, "features"> {
  readonly features: FeatureTrial;
  readonly database: Db;
  readonly command: (document: Document) => Promise<Reply>;
}

/**
 * Opens a stream with as much as the deployment takes. Its first batch is empty.
 *
 * @throws TokenRefusedError where the stream can be opened, and not with this token
 */
export async function openStream(token: Uint8Array | null, options: OpenOptions): Promise<Reply> {
  const { features, scope, database, command } = options;
  const open = (token: Uint8Array | null) =>
    features.open((features) =>
      command({
        aggregate: targetOf(scope).aggregate,
        pipeline: streamStages({ ...options, features }, token),
        // The server answers at once. Asked for a batch, it would first search the oplog for a whole one, without a token.
        cursor: { batchSize: 0 },
      })
    );
  try {
    return await open(token);
  } catch (error) {
    if (token === null || !isRefusal(error)) throw error;
  }
  // Which argument was refused, the code does not tell.
  const { collection, cursorId } = await open(null);
  await killCursor(database, collection, cursorId);
  try {
    return await open(token);
  } catch (error) {
    throw isRefusal(error) ? new TokenRefusedError(messageOf(error), { cause: error }) : error;
  }
}
