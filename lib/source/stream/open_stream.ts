/**
 * The commands of a change stream: opens it with the features that the server supports, reads its replies, and describes
 * an event over 16 MB that cannot be split, so MongoDB cannot deliver it.
 */
import { BSON, type ClientSession, type Db, type Document, type MongoClientOptions } from "mongodb";
import { messageOf, UserError } from "../../util/errors.ts";
import type { OutageTracker } from "../../util/outage.ts";
import { Shutdown } from "../../util/shutdown.ts";
import type { AnswerLimits } from "../connection/answer_limit.ts";
import { CausalReader, cursorReply, killCursor } from "../connection/causal_reader.ts";
import { withoutTimeout } from "../connection/mongodb.ts";
import { isEventTooLarge, isRefusal, TokenRefusedError } from "../connection/mongodb_errors.ts";
import type { Route, TimeOfCluster } from "../connection/route.ts";
import type { Scope } from "../documents/scope.ts";
import { ALL_DOCUMENTS, type Share } from "../documents/share.ts";

/**
 * The source of an updated document: a bulk look-up after the event, a look-up by the server for each event, or the
 * post-image.
 */
export type FullDocument = "lookup" | "updateLookup" | "whenAvailable" | "required";

export interface ChangeStreamOptions {
  readonly route: Route;
  readonly scope: Scope;
  readonly share?: Pick<Share, "condition">;
  readonly features: FeatureTrial;
  /** "none" if all documents are looked up, also inserted ones. */
  readonly fullDocument: FullDocument | "none";
  /** BSON of the token to resume after; null to start now. */
  readonly startAfter: Uint8Array | null;
  /** Where a stream without a token starts. @default {now} */
  readonly startAt?: BSON.Timestamp | undefined;
  /** The stream ends when it has brought all events up to this time, and no later ones. @default {none} */
  readonly until?: BSON.Timestamp | undefined;
  readonly batchSize: number;
  readonly replyBytes?: number;
  readonly retryFor: number;
  readonly signal: AbortSignal;
  readonly outages: OutageTracker;
  readonly limits?: AnswerLimits;
}

/** Delivers events over 16 MB, in fragments. */
const SPLIT = "$changeStreamSplitLargeEvent";
/** Adds events such as `create`. */
const EXPANDED = "showExpandedEvents";
/** Not every server supports them. Versions do not show it, so they are tried in this order. */
const FEATURES = [[SPLIT, EXPANDED], [EXPANDED], [SPLIT], []] as const;

export type StreamFeatures = readonly (typeof SPLIT | typeof EXPANDED)[];

export type FeatureTrial = <T>(open: (features: StreamFeatures) => Promise<T>) => Promise<T>;

/**
 * Opens streams with as many features as possible, and remembers those that the deployment supports. Reports the others
 * when a stream opens without them.
 */
export function featureTrial(onRefused: (names: StreamFeatures) => void): FeatureTrial {
  let choices: readonly StreamFeatures[] = FEATURES;
  return async (open) => {
    let refusal: unknown;
    for (const [at, features] of choices.entries()) {
      try {
        const opened = await open(features);
        // Several streams may open at once.
        choices = FEATURES.slice(FEATURES.findIndex((each) => each === features));
        if (at > 0) onRefused(FEATURES[0].filter((each) => !features.includes(each)));
        return opened;
      } catch (error) {
        if (!isRefusal(error)) throw error;
        refusal = error;
      }
    }
    throw refusal;
  };
}

export interface Reply extends TimeOfCluster {
  readonly cursorId: bigint;
  readonly collection: string;
  readonly events: readonly Uint8Array[];
  readonly token: Uint8Array;
}

export async function runStreamCommand(
  database: Db,
  command: Document,
  options: { session: ClientSession; signal: AbortSignal },
): Promise<Reply> {
  const { cursorId, collection, documents: events, token } = await cursorReply(database, command, {
    ...options,
    ...withoutTimeout(database.client),
  });
  if (!token) throw noMongodb();
  const { operationTime, clusterTime } = options.session;
  return { cursorId, collection, events, token: BSON.serialize(token), operationTime, clusterTime };
}

const noMongodb = (): UserError =>
  new UserError("This service gives no postBatchResumeToken with its change streams, so it is no MongoDB.", {
    hint:
      "It speaks MongoDB's protocol, whatever version it reports. Without that token no position is safe to save. " +
      "Use MongoDB 4.4 or newer as the source.",
  });

/** The database and the `aggregate` value of the command that opens a stream. */
export const targetOf = (
  { level, only: { database = "", collection = "" } }: Scope,
): { readonly database: string; readonly aggregate: string | 1 } =>
  level === "deployment"
    ? { database: "admin", aggregate: 1 }
    : { database, aggregate: level === "database" ? 1 : collection };

/** Unused fields, removed to keep events under 16 MB. */
const UNUSED = ["updateDescription", "fullDocumentBeforeChange"];

/** The pipeline of the command that opens a stream. */
export function streamStages(
  { scope, share = ALL_DOCUMENTS, fullDocument, features, startAt, until }:
    & Pick<ChangeStreamOptions, "scope" | "share" | "fullDocument" | "startAt" | "until">
    & { readonly features: StreamFeatures },
  token: Uint8Array | null,
): Document[] {
  const isIncluded = share.condition("$documentKey._id");
  return [
    {
      $changeStream: {
        ...fullDocument !== "none" && fullDocument !== "lookup" && { fullDocument },
        ...scope.level === "deployment" && { allChangesForCluster: true },
        ...features.includes(EXPANDED) && { [EXPANDED]: true },
        ...token ? { startAfter: BSON.deserialize(token) } : startAt && { startAtOperationTime: startAt },
      },
    },
    ...until ? [{ $match: { clusterTime: { $lte: until } } }] : [],
    ...scope.stages(),
    // Events of whole collections have no documentKey.
    ...isIncluded ? [{ $match: { $or: [{ documentKey: { $exists: false } }, { $expr: isIncluded }] } }] : [],
    { $unset: fullDocument === "none" ? [...UNUSED, "fullDocument"] : UNUSED },
    ...features.includes(SPLIT) ? [{ [SPLIT]: {} }] : [],
  ];
}

/**
 * How long the server may wait for a change: shorter than the client's timeouts, and short after a batch with events, so
 * that the end of a backlog is noticed soon.
 * @example IN: {socketTimeoutMS: 800} → OUT: 400; IN: {}, {wasBusy: true} → OUT: 100
 */
export function awaitMs(
  { socketTimeoutMS, timeoutMS }: Pick<MongoClientOptions, "socketTimeoutMS" | "timeoutMS">,
  { wasBusy = false } = {},
): number {
  const limits = [socketTimeoutMS, timeoutMS].flatMap((limit) => limit ? [Math.ceil(limit / 2)] : []);
  return Math.min(wasBusy ? 100 : 1_000, ...limits);
}

/**
 * Opens a stream with as many features as possible. Its first batch is empty.
 * @throws TokenRefusedError if the stream opens only without this token
 */
export async function openStream(
  token: Uint8Array | null,
  { database, command, ...options }:
    & Pick<ChangeStreamOptions, "scope" | "share" | "features" | "fullDocument" | "startAt" | "until">
    & { readonly database: Db; readonly command: (document: Document) => Promise<Reply> },
): Promise<Reply> {
  const open = (token: Uint8Array | null) =>
    options.features((features) =>
      command({
        aggregate: targetOf(options.scope).aggregate,
        pipeline: streamStages({ ...options, features }, token),
        // With a larger batch, the server would search the oplog for a full batch before it answers with a token.
        cursor: { batchSize: 0 },
      })
    );
  try {
    return await open(token);
  } catch (error) {
    if (token === null || !isRefusal(error)) throw error;
  }
  // The error code does not show which argument was refused.
  const { collection, cursorId } = await open(null);
  await killCursor(database, collection, cursorId);
  try {
    return await open(token);
  } catch (error) {
    throw isRefusal(error) ? new TokenRefusedError(messageOf(error), { cause: error }) : error;
  }
}

/** The fields to request, in turn: a key of megabytes alone can make the event too large. */
const FIELDS: readonly Document[] = [{ ns: 1, documentKey: 1 }, { ns: 1 }];
const MAX_KEY_CHARACTERS = 200;

/** Reads the document key of the event after a token. Returns the error to throw; it names what MongoDB can deliver. */
export async function largeEvent(token: Uint8Array | null, options: ChangeStreamOptions): Promise<UserError> {
  for (const fields of FIELDS) {
    try {
      return described(await eventAfter(token, fields, options), options.scope);
    } catch (error) {
      if (!isEventTooLarge(error)) throw error;
    }
  }
  return described(undefined, options.scope);
}

const described = (event: Document | undefined, scope: Scope): UserError =>
  new UserError(
    `A change event is larger than 16 MB, and MongoDB cannot deliver it: ${documentOf(event, scope)}`,
    {
      hint:
        "MongoDB 6.0.9 and newer split events, except for fields that each part repeats, such as the key. To skip " +
        "this event, start once with --snapshot always: it copies all documents, and the stream continues after that. " +
        "The next change of this document may stop the relay again: make the document or its key smaller, or exclude " +
        "its collection with --exclude, which starts another stream with a new snapshot.",
    },
  );

function documentOf(event: Document | undefined, scope: Scope): string {
  const collection = event?.ns ? `${event.ns.db}.${event.ns.coll}` : `${scope}`;
  if (!event?.documentKey) return `in ${collection}, with a key that is too large to show`;
  const key = BSON.EJSON.stringify(event.documentKey);
  return `${collection} ${key.length > MAX_KEY_CHARACTERS ? `${key.slice(0, MAX_KEY_CHARACTERS)}…` : key}`;
}

async function eventAfter(
  token: Uint8Array | null,
  fields: Document,
  options: ChangeStreamOptions,
): Promise<Document | undefined> {
  const { database, aggregate } = targetOf(options.scope);
  const stages = streamStages({ ...options, fullDocument: "none", features: [] }, token);
  using shutdown = new Shutdown(options.signal);
  await using reader = new CausalReader(options.route, { ...options, shutdown });
  const { documents: [event] } = await reader.page(
    { database, collection: aggregate === 1 ? "$cmd.aggregate" : aggregate },
    { aggregate, pipeline: [...stages, { $project: fields }], cursor: { batchSize: 1 } },
    { hint: null, abortable: true },
  );
  return event && BSON.deserialize(event.document, { validation: { utf8: false } });
}
