/** Waiting and trying again. */
import { setTimeout as delay } from "node:timers/promises";
import { messageOf } from "./errors.ts";
import type { Logger } from "./log.ts";

export interface RetryOptions {
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** What is tried, for the log, e.g. "CrateDB". */
  readonly what: string;
  readonly isRetryable: (error: unknown) => boolean;
  /** How long to go on, in milliseconds. */
  readonly retryFor: number;
}

const FIRST_WAIT = 100;
const LONGEST_WAIT = 5_000;
/** How long tries may still take after the signal is aborted, in milliseconds: all of them together … */
const LAST_TRIES = 3_000;
/** … and each of those that come later, such as a last statement of a program that ends; none begins after that. */
const LATE_TRY = 500;
const END = 5_000;

/** When signals were seen to be aborted. */
const abortedAt = new WeakMap<AbortSignal, number>();

/**
 * Runs `operation` until it succeeds, with capped exponential backoff and full jitter between the tries.
 *
 * @throws the last error when it is not transient or when `retryFor` is over; the signal's reason when it is aborted
 * and the last try fails for a while or takes too long
 */
export async function retry<T>(operation: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { signal, log, what, isRetryable, retryFor } = options;
  const started = Date.now();
  for (let attempt = 0;; attempt++) {
    if (timeLeft(signal) === 0) throw signal.reason;
    try {
      const result = await unlessLate(operation(), signal);
      if (attempt > 0) log.info(`${what} answers again`, { after: `${Date.now() - started} ms` });
      return result;
    } catch (error) {
      if (!isRetryable(error) || Date.now() - started >= retryFor) throw error;
      signal.throwIfAborted();
      if (attempt === 0) log.warn(`${what} failed, trying again`, { error: messageOf(error) });
      await backoff(attempt, signal).catch(() => {});
    }
  }
}

/** Milliseconds that a try has; infinite before the signal is aborted. */
function timeLeft(signal: AbortSignal): number {
  if (!signal.aborted) return Infinity;
  const since = abortedAt.get(signal) ?? Date.now();
  abortedAt.set(signal, since);
  const past = Date.now() - since;
  return past < END ? Math.max(LATE_TRY, LAST_TRIES - past) : 0;
}

/**
 * @param left milliseconds that there are for it once the signal is aborted
 * @throws the signal's reason when it is aborted and `tried` takes longer
 */
export async function unlessLate<T>(
  tried: Promise<T>,
  signal: AbortSignal,
  left: (signal: AbortSignal) => number = timeLeft,
): Promise<T> {
  const late = Promise.withResolvers<never>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = () => timer = setTimeout(() => late.reject(signal.reason), left(signal));
  if (signal.aborted) limit();
  else signal.addEventListener("abort", limit);
  try {
    return await Promise.race([tried, late.promise]);
  } finally {
    signal.removeEventListener("abort", limit);
    clearTimeout(timer);
  }
}

/** Waits before try number `attempt` (0, 1, …) is repeated: 100 ms, 200 ms, … 5 s at most, half of it at random. */
export async function backoff(attempt: number, signal: AbortSignal): Promise<void> {
  const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** Math.min(attempt, 10));
  await delay(wait / 2 + Math.random() * wait / 2, undefined, { signal });
}
