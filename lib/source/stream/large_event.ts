/** Describes an event that MongoDB cannot deliver: it is over 16 MB, and cannot be split. */
import { BSON, type Document } from "mongodb";
import { UserError } from "../../util/errors.ts";
import type { OutageTracker } from "../../util/outage.ts";
import { retry } from "../../util/retry.ts";
import { Shutdown } from "../../util/shutdown.ts";
import { ANSWER_LIMITS, AnswerLimit, type AnswerLimits } from "../connection/answer_limit.ts";
import { killCursor } from "../connection/causal_reader.ts";
import { isEventTooLarge, retryableErrors } from "../connection/mongodb_errors.ts";
import { type StreamSettings, streamStages, targetOf } from "./open_stream.ts";
import type { Route } from "../connection/route.ts";
import type { Scope } from "../documents/scope.ts";

/** Of the stream that meets the event. */
export interface LargeEventOptions extends Pick<StreamSettings, "scope" | "worker"> {
  readonly route: Route;
  readonly retryFor: number;
  readonly signal: AbortSignal;
  readonly outages: OutageTracker;
  readonly limits?: AnswerLimits;
}

/** Requested fields, in turn: a key of megabytes alone can make the event too large. */
const NAMES: readonly Document[] = [
  { ns: 1, documentKey: 1 },
  { ns: 1 },
];

/** Of a key, in the message. */
const MAX_KEY_CHARACTERS = 200;

/**
 * Names the document of the event after a token.
 *
 * @returns an error with a hint; it names as much as MongoDB can still deliver
 * @throws MongoError
 */
export async function largeEvent(token: Uint8Array | null, options: LargeEventOptions): Promise<UserError> {
  for (const names of NAMES) {
    try {
      return described(await eventAfter(token, names, options), options);
    } catch (error) {
      if (!isEventTooLarge(error)) throw error;
    }
  }
  return described(undefined, options);
}

function described(event: Document | undefined, { scope }: LargeEventOptions): UserError {
  return new UserError(
    `A change event is larger than 16 MB, and MongoDB cannot deliver it: ${documentOf(event, scope)}`,
    {
      hint:
        "MongoDB 6.0.9 and newer split events, but for what is in each part, such as the key. To go past it, start " +
        "once with --snapshot always: all documents are copied again, and the stream goes on from then. The next change " +
        "of this document may stop the relay again: make it or its key smaller, or leave its collection out with " +
        "--exclude, which makes another stream with another snapshot.",
    },
  );
}

function documentOf(event: Document | undefined, scope: Scope): string {
  const collection = event?.ns ? `${event.ns.db}.${event.ns.coll}` : `${scope}`;
  if (!event?.documentKey) return `in ${collection}, with a key that is too large to be named`;
  const key = BSON.EJSON.stringify(event.documentKey);
  return `${collection} ${key.length > MAX_KEY_CHARACTERS ? `${key.slice(0, MAX_KEY_CHARACTERS)}…` : key}`;
}

/** @throws MongoError; the event may be too large with these fields alone */
async function eventAfter(
  token: Uint8Array | null,
  fields: Document,
  options: LargeEventOptions,
): Promise<Document | undefined> {
  const { route, scope, worker, signal, outages, retryFor, limits = ANSWER_LIMITS } = options;
  const target = targetOf(scope);
  const small = {
    scope,
    worker,
    fullDocument: "none" as const,
    features: { splitsLargeEvents: false, expandedEvents: false },
  };
  const command = {
    aggregate: target.aggregate,
    pipeline: [...streamStages(small, token), { $project: fields }],
    cursor: { batchSize: 1 },
  };
  const answers = new AnswerLimit(limits.read);
  const attempt = async () => {
    const database = route.client.db(target.database);
    const { cursor } = await answers.run(
      ({ signal }) => database.command(command, { enableUtf8Validation: false, signal }),
      { signal, beyond: limits.report },
    );
    const id = BSON.Long.fromValue(cursor.id).toBigInt();
    if (id !== 0n) await killCursor(database, cursor.ns.slice(cursor.ns.indexOf(".") + 1), id);
    return cursor.firstBatch[0];
  };
  using shutdown = new Shutdown(signal);
  return await retry(attempt, { shutdown, outages, retryFor, isRetryable: retryableErrors() });
}
