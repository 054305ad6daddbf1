/** Tries an operation again until it succeeds. */
import { setTimeout as delay } from "node:timers/promises";
import type { OutageTracker } from "./outage.ts";
import type { Shutdown } from "./shutdown.ts";

export interface RetryOptions {
  readonly shutdown: Shutdown;
  readonly outages: OutageTracker;
  readonly isRetryable: (error: unknown) => boolean;
  /** How long to go on, in milliseconds. */
  readonly retryFor: number;
}

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5_000;

/**
 * Runs `operation` until it succeeds, with capped exponential backoff and full jitter between the tries.
 *
 * @throws the last error when it is not retryable or when `retryFor` is over; the signal's reason when the program is
 * told to stop and the last try fails in a retryable way or takes too long
 */
export async function retry<T>(operation: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { shutdown, outages, isRetryable, retryFor } = options;
  const { signal } = shutdown;
  const id = Symbol();
  const started = Date.now();
  try {
    for (let attempt = 0;; attempt++) {
      if (shutdown.timeLeftMs() === 0) throw signal.reason;
      try {
        const result = await shutdown.limit(operation());
        outages.succeeded(id);
        return result;
      } catch (error) {
        if (!isRetryable(error) || Date.now() - started >= retryFor) throw error;
        signal.throwIfAborted();
        outages.failed(id, error);
        await backoff(attempt, signal).catch(() => {});
      }
    }
  } finally {
    outages.gaveUp(id);
  }
}

/** Waits before try number `attempt` (0, 1, …) is repeated: 100 ms, 200 ms, … 5 s at most, half of it at random. */
export async function backoff(attempt: number, signal: AbortSignal): Promise<void> {
  const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(attempt, 10));
  await delay(wait / 2 + Math.random() * wait / 2, undefined, { signal });
}
