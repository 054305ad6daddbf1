import type { MongoClient } from "mongodb";
import { CausalReader } from "../../lib/source/connection/causal_reader.ts";
import { directRoute } from "../../lib/source/connection/route.ts";
import { OutageTracker } from "../../lib/util/outage.ts";
import { Shutdown } from "../../lib/util/shutdown.ts";

/** A reader that waits 10 s for MongoDB and reports nothing. */
export const quietReader = (client: MongoClient): CausalReader =>
  new CausalReader(directRoute(client), {
    retryFor: 10_000,
    shutdown: new Shutdown(new AbortController().signal),
    outages: new OutageTracker({ system: "MongoDB", emit: () => {} }),
  });
