/** Looks now and then how far the oplog reaches back. Beside the stream: nothing waits for it. */
import { oldestOplogTime, OplogHiddenError } from "../source/oplog.ts";
import type { Route } from "../source/route.ts";
import type { Clock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import type { RelayObserver } from "./observer.ts";

export interface OplogWatchDeps {
  readonly route: Route;
  readonly observer: Pick<RelayObserver, "oplogSeen">;
  readonly clock: Clock;
  readonly mongodbClock: Pick<Clock, "now">;
  readonly log: Logger;
}

const INTERVAL_MS = 60_000;

/** Watches until it is disposed of, or MongoDB says that the oplog is not to be seen. */
export function watchOplog(deps: OplogWatchDeps): Disposable {
  const stop = new AbortController();
  watch(stop.signal, deps).catch(() => {}); // It was stopped.
  return { [Symbol.dispose]: () => stop.abort() };
}

async function watch(
  signal: AbortSignal,
  { route, observer, clock, mongodbClock, log }: OplogWatchDeps,
): Promise<void> {
  while (true) {
    try {
      const oldest = await oldestOplogTime(route);
      signal.throwIfAborted();
      observer.oplogSeen({ oldest, window: mongodbClock.now() - oldest });
    } catch (error) {
      if (error instanceof OplogHiddenError) {
        return log.debug("The oplog headroom is not known", { because: messageOf(error) });
      }
    }
    await clock.wait(INTERVAL_MS, { signal });
  }
}
