import { setTimeout as delay } from "node:timers/promises";

export interface EventuallyOptions {
  /** In milliseconds. @default 60_000 */
  readonly timeout?: number;
  /** Between two attempts, in milliseconds; longer after an attempt that took long. @default 25 */
  readonly interval?: number;
  /** Ends the attempts. @default {none} */
  readonly signal?: AbortSignal;
}

/** A pause is at least this many times as long as the attempt before it, so that polling leaves the servers CPU time. */
const PAUSE_PER_ATTEMPT = 2;

/**
 * Tries `attempt` until it does not throw.
 *
 * @example
 * IN: await eventually(async () => assert.equal(await count(), 3))
 * OUT: resolves when `count()` returns 3
 *
 * @throws the last error after the timeout; the signal's reason when it is aborted
 */
export async function eventually<T>(
  attempt: () => T | Promise<T>,
  { timeout = 60_000, interval = 25, signal }: EventuallyOptions = {},
): Promise<T> {
  const end = performance.now() + timeout;
  for (;;) {
    signal?.throwIfAborted();
    const begin = performance.now();
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() >= end) throw error;
    }
    await delay(Math.max(interval, PAUSE_PER_ATTEMPT * (performance.now() - begin)));
  }
}
