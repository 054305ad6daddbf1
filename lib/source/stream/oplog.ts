import { MongoServerError, ReadPreference } from "mongodb";
import { isNotAllowed } from "../connection/mongodb_errors.ts";
import type { Route } from "../connection/route.ts";

/** The user may not read the oplog, or the deployment has none. A retry does not help. */
export class OplogHiddenError extends Error {}

const TIMEOUT_MS = 5_000;

/**
 * The time of the oplog's oldest entry in milliseconds since 1970, and whether this entry initiated the replica set, so the
 * oplog has dropped nothing yet. Needs the action `find` on `local.oplog.rs`.
 * @throws OplogHiddenError if the user may not read it, or behind a mongos
 */
export async function oldestEntry(
  { client }: Route,
): Promise<{ readonly time: number; readonly isFirst: boolean }> {
  const options = {
    sort: { $natural: 1 },
    projection: { ts: 1, op: 1, "o.msg": 1 },
    readPreference: ReadPreference.primary,
    maxTimeMS: TIMEOUT_MS,
    signal: AbortSignal.timeout(2 * TIMEOUT_MS),
  } as const;
  try {
    const oldest = await client.db("local").collection("oplog.rs").findOne({}, options);
    if (oldest) {
      return { time: oldest.ts.t * 1_000, isFirst: oldest.op === "n" && oldest.o?.msg === "initiating set" };
    }
  } catch (error) {
    if (!isNotAllowed(error) || !(error instanceof MongoServerError)) throw error;
    throw new OplogHiddenError("the user may not read local.oplog.rs", { cause: error });
  }
  throw new OplogHiddenError("this deployment has no oplog that can be read");
}
