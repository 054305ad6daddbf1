/** How far the oplog reaches back. */
import { MongoServerError, ReadPreference } from "mongodb";
import { isNotAllowed } from "./mongodb_errors.ts";
import type { Route } from "./route.ts";

/** Why there is no answer, now and later. */
export class OplogHiddenError extends Error {}

/** Milliseconds that MongoDB has for the answer. */
const TIMEOUT_MS = 5_000;

/**
 * The time of the oplog's oldest entry, in milliseconds since 1970. Needs the action `find` on `local.oplog.rs`.
 *
 * @throws OplogHiddenError where the user may not read it, or there is none, as behind a mongos; MongoError
 */
export async function oldestOplogTime({ client }: Route): Promise<number> {
  const options = {
    sort: { $natural: 1 },
    projection: { ts: 1 },
    readPreference: ReadPreference.primary,
    maxTimeMS: TIMEOUT_MS,
  } as const;
  try {
    const oldest = await client.db("local").collection("oplog.rs").findOne({}, options);
    if (oldest) return oldest.ts.t * 1_000;
  } catch (error) {
    if (!isNotAllowed(error) || !(error instanceof MongoServerError)) throw error;
    throw new OplogHiddenError("the user may not read local.oplog.rs", { cause: error });
  }
  throw new OplogHiddenError("this deployment shows no oplog");
}
