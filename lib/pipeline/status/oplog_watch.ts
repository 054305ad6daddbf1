/** Reads MongoDB's clock and the reach of its oplog once a minute. Nothing waits for it. */
import { filledShare, oldestEntry, OplogHiddenError } from "../../source/stream/oplog.ts";
import type { Route } from "../../source/connection/route.ts";
import type { ServerClock } from "../../source/connection/cluster_time.ts";
import type { Clock } from "../../util/clock.ts";
import { messageOf } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import type { Emit, OplogReach } from "./events.ts";

interface OplogWatchDeps {
  readonly route: Route;
  readonly emit: Emit;
  readonly clock: Pick<Clock, "wait">;
  readonly mongodbClock: Pick<ServerClock, "now" | "readAgain">;
  readonly log: Logger;
}

const INTERVAL_MS = 60_000;

/** @throws OplogHiddenError if MongoDB does not allow it */
export async function oplogReach(route: Route, mongodbClock: Pick<ServerClock, "now">): Promise<OplogReach> {
  const { time, isFirst } = await oldestEntry(route);
  const reach = { oldest: time, window: mongodbClock.now() - time, isGrowing: isFirst };
  const share = isFirst ? await filledShare(route) : undefined;
  return share !== undefined && share < 1 ? { ...reach, fullWindow: reach.window / share } : reach;
}

/** Watches until it is disposed of. Reads the oplog only if MongoDB allows it. */
export function watchOplog(deps: OplogWatchDeps): Disposable {
  const stop = new AbortController();
  watch(stop.signal, deps).catch(() => {}); // It was stopped.
  return { [Symbol.dispose]: () => stop.abort() };
}

async function watch(
  signal: AbortSignal,
  { route, emit, clock, mongodbClock, log }: OplogWatchDeps,
): Promise<void> {
  let isVisible = true;
  while (true) {
    try {
      if (isVisible) {
        const reach = await oplogReach(route, mongodbClock);
        signal.throwIfAborted();
        emit({ type: "oplogSeen", ...reach });
      }
    } catch (error) {
      isVisible = !(error instanceof OplogHiddenError);
      if (!isVisible) log.debug("The oplog headroom is unknown", { because: messageOf(error) });
    }
    await clock.wait(INTERVAL_MS, { signal });
    await mongodbClock.readAgain(route.client).catch(() => {}); // Retried in a minute.
  }
}
