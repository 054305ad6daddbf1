/** A relay's events as lines of the log. */
import { type Listener, on } from "../pipeline/status/events.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { SilentError } from "../util/outage.ts";

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
    recovered: ({ system, lasted }) => log.info(`${system} answers again`, { after_ms: lasted }),
    listenerFailed: ({ error }) =>
      log.warn("A listener of the relay has failed; the relay continues", { error: messageOf(error) }),
    stopped: ({ upserts, deletes, overflowed, deadLetters: dead_letters, events, seconds: duration_s }) =>
      log.info("Stopped", { events, upserts, deletes, overflowed, dead_letters, duration_s }),
  });
