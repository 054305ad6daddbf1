/** Logs a summary every minute while a relay is busy, and warns of a growing lag and a shrinking headroom. */
import { type Listener, on, type OplogReach } from "../pipeline/status/events.ts";
import type { RelayStatus, StatusSource } from "../pipeline/status/relay_status.ts";
import { FRESH_MS } from "../pipeline/status/stream_lag.ts";
import { HEADROOM_PART } from "../sink/metadata/status_view.ts";
import type { Clock } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";

const INTERVAL_MS = 60_000;
/** A warning is logged if the lag grows for longer than this. */
const GROWS_FOR_MS = 5 * 60_000;

/**
 * Needs no timer: MongoDB answers at least once a second, and a long outage emits an event every minute.
 *
 * @example
 * IN: 6,000 events within a minute → OUT: INFO In the last 60 s events=6000 rows=5200 rate=100/s lag="25 ms"
 */
export function summaryListener({ log, status, clock }: {
  readonly log: Logger;
  readonly status: StatusSource;
  readonly clock: Pick<Clock, "monotonic">;
}): Listener {
  let at = clock.monotonic();
  let last = status.current;
  /** When the lag began to grow from minute to minute, by the monotonic clock. */
  let growsSince: number | undefined;
  let warnedOfGrowth = false;
  let warnedOfHeadroom = false;

  const tick = () => {
    const now = clock.monotonic();
    if (now - at < INTERVAL_MS) return;
    const { current } = status;
    const seconds = (now - at) / 1_000;
    const events = current.events - last.events;
    const rows = rowsOf(current) - rowsOf(last);
    if (events > 0 || rows > 0) {
      const rate_per_s = Math.round(Math.max(events, rows) / seconds);
      const lag_ms = current.lag ?? undefined;
      log.info(`In the last ${Math.round(seconds)} s`, { events, rows, rate_per_s, lag_ms });
    }
    checkGrowth(current.lag, now);
    at = now;
    last = current;
  };
  const checkGrowth = (lag: number | null, now: number) => {
    if (lag === null || lag <= FRESH_MS || lag <= (last.lag ?? 0)) {
      growsSince = undefined;
      warnedOfGrowth = false;
      return;
    }
    growsSince ??= at;
    if (warnedOfGrowth || now - growsSince < GROWS_FOR_MS) return;
    warnedOfGrowth = true;
    log.warn("The tables fall further and further behind the collections", {
      lag_ms: lag,
      for_ms: now - growsSince,
    });
  };
  const checkHeadroom = ({ window }: OplogReach) => {
    const { oplogHeadroom } = status.current;
    if (oplogHeadroom === null) return;
    const isLow = oplogHeadroom < window / HEADROOM_PART;
    if (isLow && !warnedOfHeadroom) {
      log.warn("The oplog has nearly passed the position: after that, a new snapshot is needed", {
        left_ms: oplogHeadroom,
        window_ms: window,
      });
    }
    warnedOfHeadroom = isLow;
  };
  return on({ batchStarted: tick, advanced: tick, outage: tick, oplogSeen: checkHeadroom });
}

const rowsOf = ({ upserts, deletes }: RelayStatus): number => upserts + deletes;
