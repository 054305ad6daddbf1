/** The change stream of a collection, with nothing done to its events. */
import { type ChangeBatch, changeStream } from "../../lib/source/stream/change_stream.ts";
import { directRoute } from "../../lib/source/connection/route.ts";
import { Scope } from "../../lib/source/documents/scope.ts";
import { FeatureTrial } from "../../lib/source/connection/stream_features.ts";
import { OutageTracker } from "../../lib/util/outage.ts";
import type { Bed, Place } from "./bed.ts";

/** The end of the oplog. */
export async function tokenNow(bed: Bed, place: Place): Promise<Uint8Array> {
  for await (const { token } of rawStream(bed, place, null)) return token;
  throw new Error("The change stream gave no token");
}

/** All batches after a token, for ever; from now on without one. */
export async function* rawStream(
  bed: Bed,
  place: Place,
  startAfter: Uint8Array | null,
): AsyncGenerator<ChangeBatch> {
  const stop = new AbortController();
  try {
    yield* changeStream({
      route: directRoute(bed.client),
      scope: new Scope({
        databases: [place.collection.dbName],
        collections: [place.collection.collectionName],
        exclude: [],
      }),
      features: new FeatureTrial(() => {}),
      fullDocument: "whenAvailable", // That of an insert, and no look-up.
      startAfter,
      batchSize: 10_000,
      retryFor: 0,
      signal: stop.signal,
      outages: new OutageTracker({ system: "MongoDB", emit: () => {} }),
    });
  } finally {
    stop.abort();
  }
}
