import { setTimeout as delay } from "node:timers/promises";

export interface EventuallyOptions {
  /** In milliseconds. @default 60_000 */
  readonly timeout?: number;
  /** Between two attempts, in milliseconds. @default 25 */
  readonly interval?: number;
  /** Ends the attempts. @default {none} */
  readonly signal?: AbortSignal;
}

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
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() >= end) throw error;
    }
    await delay(interval);
  }
}
