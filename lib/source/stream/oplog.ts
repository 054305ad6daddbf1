import { MongoServerError, ReadPreference } from "mongodb";
import { undefinedIf } from "../../util/errors.ts";
import { isNotAllowed, isRefusal } from "../connection/mongodb_errors.ts";
import type { Route } from "../connection/route.ts";

/** The user may not read the oplog, or the deployment has none. A retry does not help. */
export class OplogHiddenError extends Error {}

const TIMEOUT_MS = 5_000;

const options = () => ({
  readPreference: ReadPreference.primary,
  maxTimeMS: TIMEOUT_MS,
  signal: AbortSignal.timeout(2 * TIMEOUT_MS),
});

const oplogOf = ({ client }: Route) => client.db("local").collection("oplog.rs");

/**
 * The time of the oplog's oldest entry in milliseconds since 1970, and whether this entry initiated the replica set, so the
 * oplog has dropped nothing yet. Needs the action `find` on `local.oplog.rs`.
 * @throws OplogHiddenError if the user may not read it, or behind a mongos
 */
export async function oldestEntry(
  route: Route,
): Promise<{ readonly time: number; readonly isFirst: boolean }> {
  const find = { sort: { $natural: 1 }, projection: { ts: 1, op: 1, "o.msg": 1 } } as const;
  try {
    const oldest = await oplogOf(route).findOne({}, { ...find, ...options() });
    if (oldest) {
      return { time: oldest.ts.t * 1_000, isFirst: oldest.op === "n" && oldest.o?.msg === "initiating set" };
    }
  } catch (error) {
    if (!isNotAllowed(error) || !(error instanceof MongoServerError)) throw error;
    throw new OplogHiddenError("the user may not read local.oplog.rs", { cause: error });
  }
  throw new OplogHiddenError("this deployment has no oplog that can be read");
}

const SIZES = [
  { $collStats: { storageStats: {} } },
  { $project: { size: "$storageStats.size", maxSize: "$storageStats.maxSize" } },
];

/**
 * The share of its maximum size that the oplog has; more than 1 if MongoDB keeps it for a minimum time. Needs the
 * action `collStats` on `local.oplog.rs`; undefined if the user lacks it, or the server has no sizes.
 *
 * @example IN: 250 MB of 1 GB → OUT: 0.25
 */
export async function filledShare(route: Route): Promise<number | undefined> {
  try {
    const [sizes] = await oplogOf(route).aggregate(SIZES, options()).toArray();
    const share = Number(sizes?.size) / Number(sizes?.maxSize);
    return share > 0 && share < Infinity ? share : undefined;
  } catch (error) {
    return unlessRefused(error);
  }
}

const HOUR_MS = 3_600_000;
/** Large parts of the server's status. */
const WITHOUT = { metrics: 0, wiredTiger: 0, locks: 0 };

/**
 * Milliseconds for which MongoDB keeps each entry, also if the oplog exceeds its maximum size; 0 if none are set. Needs the
 * action `serverStatus` on the cluster; undefined if the user lacks it, or the server does not report it.
 *
 * @example IN: `storage.oplogMinRetentionHours: 0.5` → OUT: 1_800_000
 */
export async function minRetention({ client }: Route): Promise<number | undefined> {
  try {
    const command = { serverStatus: 1, ...WITHOUT, maxTimeMS: TIMEOUT_MS };
    const { readPreference, signal } = options();
    const { oplogTruncation } = await client.db("admin").command(command, { readPreference, signal });
    return oplogTruncation && HOUR_MS * Number(oplogTruncation.oplogMinRetentionHours ?? 0);
  } catch (error) {
    return unlessRefused(error);
  }
}

const unlessRefused = undefinedIf((error) =>
  error instanceof MongoServerError && (isNotAllowed(error) || isRefusal(error))
);
