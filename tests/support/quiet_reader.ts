import type { MongoClient } from "mongodb";
import { CausalReader } from "../../lib/source/connection/causal_reader.ts";
import { DocumentReader, type ReaderOptions } from "../../lib/source/documents/documents.ts";
import type { DocumentSettings } from "../../lib/source/documents/pages.ts";
import { directRoute } from "../../lib/source/connection/route.ts";
import { OutageTracker } from "../../lib/util/outage.ts";
import { Shutdown } from "../../lib/util/shutdown.ts";

/** A reader that waits 10 s for MongoDB and logs nothing. */
export const quietReader = (client: MongoClient): CausalReader =>
  new CausalReader(directRoute(client), {
    retryFor: 10_000,
    shutdown: new Shutdown(new AbortController().signal),
    outages: new OutageTracker({ system: "MongoDB", emit: () => {} }),
  });

/** A reader of documents with the same settings for each collection. */
export const documentReader = (
  causalReader: CausalReader,
  { transform = [], key = "_id", ...options }: Partial<ReaderOptions & DocumentSettings> = {},
): DocumentReader =>
  new DocumentReader(causalReader, { for: () => ({ transform, key }), size: 1_000, ...options });
