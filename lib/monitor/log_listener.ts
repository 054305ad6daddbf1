/** What the log has of a relay: a line for some events, and a summary every minute. */
import { type Listener, on } from "../pipeline/status/events.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { SilentError } from "../util/outage.ts";
import type { RelayStatus, StatusSource } from "../pipeline/status/relay_status.ts";
import { FRESH_MS } from "../pipeline/status/stream_lag.ts";
import type { Clock } from "../util/clock.ts";

/**
 * @example
 * IN: outageBegan({system: "MongoDB", error, lasted: 0}) → OUT: WARN MongoDB failed, trying again error=…
 * IN: outageBegan({system: "MongoDB", error: new SilentError(5_000), …}) → OUT: WARN MongoDB does not answer, waiting error="no answer for 5 s"
 * IN: outage({system: "MongoDB", error, lasted: 60000}) → OUT: WARN MongoDB has failed for 60 s, trying again error=…
 */
export const logListener = (log: Logger): Listener =>
  on({
    ready: () => log.info("Ready"),
    snapshotDone: ({ documents, seconds }) => log.info("Snapshot done", { documents, duration_s: seconds }),
    batchApplied: ({ events, bytes, seconds }) =>
      log.debug("Batch applied", { events, bytes, duration_s: seconds }),
    outageBegan: ({ system, error }) => {
      const what = error instanceof SilentError ? "does not answer, waiting" : "failed, trying again";
      log.warn(`${system} ${what}`, { error: messageOf(error) });
    },
    outage: ({ system, error, lasted }) => {
      const seconds = Math.round(lasted / 1_000);
      const [what, next] = error instanceof SilentError
        ? ["not answered", "waiting"]
        : ["failed", "trying again"];
      log.warn(`${system} has ${what} for ${seconds} s, ${next}`, { error: messageOf(error) });
    },
    recorded: ({ event: { kind, message, details } }) => kind === "oplog_low" && log.warn(message, details),
    recovered: ({ system, lasted }) => log.info(`${system} answers again`, { after_ms: lasted }),
    listenerFailed: ({ error }) =>
      log.warn("A listener of the relay has failed; the relay continues", { error: messageOf(error) }),
    stopped: ({ upserts, deletes, overflowed, deadLetters: dead_letters, events, seconds: duration_s }) =>
      log.info("Stopped", { events, upserts, deletes, overflowed, dead_letters, duration_s }),
  });

const INTERVAL_MS = 60_000;
/** A warning is logged if the lag grows for longer than this. */
const GROWS_FOR_MS = 5 * 60_000;

/**
 * Logs a summary every minute while a relay is busy, and warns of a growing lag. Needs no timer: MongoDB answers at least once a second, and a long outage emits an event every minute.
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
  return on({ batchStarted: tick, advanced: tick, outage: tick });
}

const rowsOf = ({ upserts, deletes }: RelayStatus): number => upserts + deletes;
