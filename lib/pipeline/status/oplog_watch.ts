/** Reads MongoDB's clock and the reach of its oplog once a minute. Nothing waits for it. */
import { filledShare, minRetention, oldestEntry, OplogHiddenError } from "../../source/stream/oplog.ts";
import type { Route } from "../../source/connection/route.ts";
import type { ServerClock } from "../../source/connection/cluster_time.ts";
import type { Clock } from "../../util/clock.ts";
import { messageOf } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import type { Emit, OplogReach } from "./events.ts";

interface OplogWatchDeps {
  readonly route: Route;
  readonly oplog: OplogReader;
  readonly emit: Emit;
  readonly clock: Pick<Clock, "wait">;
  readonly mongodbClock: Pick<ServerClock, "readAgain">;
  readonly log: Logger;
}

const INTERVAL_MS = 60_000;

/** The privilege may be granted after a refusal. */
const REFUSED_MS = 3_600_000;

/** Reads the oplog of a stream. @throws OplogHiddenError if MongoDB does not allow it */
export type OplogReader = () => Promise<OplogReach>;

/** Make one for each stream: it remembers what the user may not read, so it does not ask MongoDB for that each time. */
export function oplogReader({ route, mongodbClock, clock }: {
  readonly route: Route;
  readonly mongodbClock: Pick<ServerClock, "now">;
  readonly clock: Pick<Clock, "monotonic">;
}): OplogReader {
  const shareNow = remembered(() => filledShare(route), { clock, forMs: 0 });
  const retention = remembered(() => minRetention(route), { clock, forMs: INTERVAL_MS });
  return async () => {
    const { time, isFirst } = await oldestEntry(route);
    const window = mongodbClock.now() - time;
    const share = isFirst ? await shareNow() : 1;
    const reach = { oldest: time, window, isGrowing: isFirst };
    if (share === undefined) return reach;
    return { ...reach, fullWindow: Math.max(window / Math.min(1, share), await retention() ?? 0) };
  };
}

/** Repeats an answer for `forMs` milliseconds, and a refusal (undefined) for an hour. */
function remembered<Answer>(
  ask: () => Promise<Answer | undefined>,
  { clock, forMs }: { readonly clock: Pick<Clock, "monotonic">; readonly forMs: number },
): () => Promise<Answer | undefined> {
  let last: Answer | undefined;
  let until = -Infinity;
  return async () => {
    if (clock.monotonic() < until) return last;
    last = await ask();
    until = clock.monotonic() + (last === undefined ? REFUSED_MS : forMs);
    return last;
  };
}

/** Watches until it is disposed of. Reads the oplog only if MongoDB allows it. */
export function watchOplog(deps: OplogWatchDeps): Disposable {
  const stop = new AbortController();
  watch(stop.signal, deps).catch(() => {}); // It was stopped.
  return { [Symbol.dispose]: () => stop.abort() };
}

async function watch(
  signal: AbortSignal,
  { route, oplog, emit, clock, mongodbClock, log }: OplogWatchDeps,
): Promise<void> {
  let isVisible = true;
  while (true) {
    try {
      if (isVisible) {
        const reach = await oplog();
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
