/** Time, which tests replace. */
import { setTimeout as delay } from "node:timers/promises";

export interface Clock {
  /** Milliseconds since 1970, for times that are shown or stored. It may be set back or forward at any moment. */
  now(): number;
  /** Milliseconds since some moment, for durations. It never goes back, and stands still while the machine sleeps. */
  monotonic(): number;
  /**
   * Resolves after so many milliseconds.
   *
   * @throws AbortError when the signal is aborted first
   */
  wait(milliseconds: number, options?: { readonly signal?: AbortSignal }): Promise<void>;
}

/** Waits until a promise settles, for so many milliseconds at most; Infinity for no limit. Never throws. */
export async function waitAtMost(
  milliseconds: number,
  promise: Promise<unknown>,
  clock: Pick<Clock, "wait">,
): Promise<void> {
  const settled = promise.then(() => {}, () => {});
  if (milliseconds === Infinity) return await settled;
  const waiting = new AbortController();
  await Promise.race([settled, clock.wait(milliseconds, { signal: waiting.signal }).catch(() => {})]);
  waiting.abort();
}

export const SYSTEM_CLOCK: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  wait: (milliseconds, options) => delay(milliseconds, undefined, options),
};
