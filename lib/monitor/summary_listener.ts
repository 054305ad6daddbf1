/** Logs a summary every minute while a relay is busy, and warns of a growing lag and a shrinking headroom. */
import { type Listener, on, type OplogReach } from "../pipeline/status/events.ts";
import type { RelayStatus, StatusSource } from "../pipeline/status/relay_status.ts";
import { FRESH_MS } from "../pipeline/status/stream_lag.ts";
import { HEADROOM_PART } from "../sink/metadata/status_query.ts";
import type { Clock } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";

interface SummaryDeps {
  readonly log: Logger;
  readonly status: StatusSource;
  readonly clock: Pick<Clock, "monotonic">;
}

const INTERVAL_MS = 60_000;
/** A warning is logged if the lag grows for longer than this. */
const GROWS_FOR_MS = 5 * 60_000;

/**
 * Needs no timer: MongoDB answers at least once a second, and a long outage emits an event every minute.
 *
 * @example
 * IN: 6,000 events within a minute → OUT: INFO In the last 60 s events=6000 rows=5200 rate=100/s lag="25 ms"
 */
export function summaryListener(deps: SummaryDeps): Listener {
  const summary = new Summary(deps);
  const tick = () => summary.tick();
  return on({
    batchStarted: tick,
    advanced: tick,
    outage: tick,
    oplogSeen: (reach) => summary.checkHeadroom(reach),
  });
}

class Summary {
  readonly #deps: SummaryDeps;
  #at: number;
  #last: RelayStatus;
  /** When the lag began to grow from minute to minute, by the monotonic clock. */
  #growsSince: number | undefined;
  #warnedOfGrowth = false;
  #warnedOfHeadroom = false;

  constructor(deps: SummaryDeps) {
    this.#deps = deps;
    this.#at = deps.clock.monotonic();
    this.#last = deps.status.current;
  }

  tick(): void {
    const { clock, status } = this.#deps;
    const now = clock.monotonic();
    const milliseconds = now - this.#at;
    if (milliseconds < INTERVAL_MS) return;
    const current = status.current;
    this.#logSummary(current, milliseconds);
    this.#checkGrowth(current, now);
    this.#at = now;
    this.#last = current;
  }

  checkHeadroom({ window }: OplogReach): void {
    const { log, status } = this.#deps;
    const { oplogHeadroom: headroom } = status.current;
    if (headroom === null) return;
    const isLow = headroom < window / HEADROOM_PART;
    if (isLow && !this.#warnedOfHeadroom) {
      log.warn("The oplog has nearly passed the position: after that, a new snapshot is needed", {
        left_ms: headroom,
        window_ms: window,
      });
    }
    this.#warnedOfHeadroom = isLow;
  }

  #logSummary(current: RelayStatus, milliseconds: number): void {
    const events = current.events - this.#last.events;
    const rows = rowsOf(current) - rowsOf(this.#last);
    if (events === 0 && rows === 0) return;
    const seconds = milliseconds / 1_000;
    this.#deps.log.info(`In the last ${Math.round(seconds)} s`, {
      events,
      rows,
      rate_per_s: Math.round(Math.max(events, rows) / seconds),
      ...current.lag !== null && { lag_ms: current.lag },
    });
  }

  #checkGrowth({ lag }: RelayStatus, now: number): void {
    const before = this.#last.lag ?? 0;
    if (lag === null || lag <= FRESH_MS || lag <= before) {
      this.#growsSince = undefined;
      this.#warnedOfGrowth = false;
      return;
    }
    this.#growsSince ??= this.#at;
    if (this.#warnedOfGrowth || now - this.#growsSince < GROWS_FOR_MS) return;
    this.#warnedOfGrowth = true;
    this.#deps.log.warn("The tables fall further and further behind the collections", {
      lag_ms: lag,
      for_ms: now - this.#growsSince,
    });
  }
}

const rowsOf = ({ upserts, deletes }: RelayStatus): number => upserts + deletes;
