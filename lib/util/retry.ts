import { type Clock, SYSTEM_CLOCK } from "./clock.ts";
import type { OutageTracker, Question } from "./outage.ts";
import type { Shutdown } from "./shutdown.ts";

export interface RetryOptions extends Question {
  readonly shutdown: Shutdown;
  readonly outages: OutageTracker;
  readonly isRetryable: (error: unknown) => boolean;
  /** Whether the caller repeats the operation in another form: a retryable error is thrown after a pause, and is no outage. @default {never} */
  readonly isReturned?: (error: unknown) => boolean;
  /** The error as an outage reports it. @default {the same} */
  readonly shown?: (error: unknown) => unknown;
  /** Milliseconds after which an error is thrown. */
  readonly retryFor: number;
  readonly clock?: Pick<Clock, "monotonic" | "wait">;
}

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5_000;

/**
 * Runs `operation` until it succeeds, with exponential backoff and jitter. A non-retryable error is an answer of the system,
 * so it ends an outage. After a stop, a last try that fails with a retryable error or takes too long throws the signal's reason.
 */
export async function retry<T>(operation: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { shutdown, outages, isRetryable, isReturned, retryFor } = options;
  const { shown = (error) => error, allowedMs = 0, clock = SYSTEM_CLOCK } = options;
  const { signal } = shutdown;
  const id = Symbol();
  const started = clock.monotonic();
  const attempt = async () => {
    using _question = outages.asked({ allowedMs });
    return await shutdown.limit(operation());
  };
  try {
    for (let failures = 0;; failures++) {
      if (shutdown.timeLeftMs() === 0) throw signal.reason;
      try {
        const result = await attempt();
        outages.answered(id);
        return result;
      } catch (error) {
        if (!isRetryable(error)) {
          if (!signal.aborted) outages.answered(id);
          throw error;
        }
        if (clock.monotonic() - started >= retryFor) throw error;
        signal.throwIfAborted();
        const returns = isReturned?.(error) === true;
        if (returns) outages.answered(id);
        else outages.failed(id, shown(error));
        await backoff(failures, signal, clock).catch(() => {});
        if (returns) throw error;
      }
    }
  } finally {
    outages.gaveUp(id);
  }
}

/** Waits after try number `attempt` (0, 1, …): 100 ms, 200 ms, … up to 5 s, of which half is random. */
export async function backoff(
  attempt: number,
  signal: AbortSignal,
  clock: Pick<Clock, "wait"> = SYSTEM_CLOCK,
): Promise<void> {
  const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(attempt, 10));
  await clock.wait(wait / 2 + Math.random() * wait / 2, { signal });
}
