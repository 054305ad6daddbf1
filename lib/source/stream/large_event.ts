/** Describes an event over 16 MB that cannot be split, so MongoDB cannot deliver it. */
import { BSON, type Document } from "mongodb";
import { UserError } from "../../util/errors.ts";
import { Shutdown } from "../../util/shutdown.ts";
import { CausalReader } from "../connection/causal_reader.ts";
import { isEventTooLarge } from "../connection/mongodb_errors.ts";
import type { Scope } from "../documents/scope.ts";
import { type ChangeStreamOptions, streamStages, targetOf } from "./open_stream.ts";

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
