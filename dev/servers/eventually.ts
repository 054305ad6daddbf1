import { setTimeout as delay } from "node:timers/promises";

export interface EventuallyOptions {
  /** How long to go on, in milliseconds. @default 60_000 */
  readonly timeout?: number;
  /** Between two tries, in milliseconds. @default 25 */
  readonly interval?: number;
}

/**
 * Tries `attempt` until it no longer throws.
 *
 * @example
 * IN: await eventually(async () => assert.equal(await count(), 3))
 * OUT: resolves as soon as there are three
 *
 * @throws the last error when the time is up
 */
export async function eventually<T>(
  attempt: () => T | Promise<T>,
  { timeout = 60_000, interval = 25 }: EventuallyOptions = {},
): Promise<T> {
  const end = performance.now() + timeout;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() >= end) throw error;
    }
    await delay(interval);
  }
}
