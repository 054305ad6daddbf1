/** A relay's events as lines of the log. */
import type { RelayObserver } from "../pipeline/observer.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";

/**
 * @example
 * IN: outage({system: "MongoDB", error, lasted: 0}) → OUT: WARN MongoDB failed, trying again error=…
 * IN: outage({system: "MongoDB", error, lasted: 60000}) → OUT: WARN MongoDB has failed for 60 s, trying again error=…
 */
export const logObserver = (log: Logger) => ({
  ready: () => log.info("Ready"),
  snapshotDone: ({ documents, seconds }) => log.info("Snapshot done", { documents, seconds }),
  batchApplied: ({ events, bytes, seconds }) => log.debug("Batch applied", { events, bytes, seconds }),
  outage: ({ system, error, lasted }) => {
    const what = lasted === 0 ? "failed" : `has failed for ${Math.round(lasted / 1_000)} s`;
    log.warn(`${system} ${what}, trying again`, { error: messageOf(error) });
  },
  recovered: ({ system, lasted }) => log.info(`${system} answers again`, { after: `${lasted} ms` }),
  observerFailed: ({ error }) =>
    log.warn("What listens to the relay has failed; the relay goes on", { error: messageOf(error) }),
  stopped: (summary) => log.info("Stopped", { ...summary }),
} satisfies Partial<RelayObserver>);
