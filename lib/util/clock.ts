import { setTimeout as delay } from "node:timers/promises";

export interface Clock {
  /** Milliseconds since 1970, for times that are shown or stored. May jump in both directions. */
  now(): number;
  /** Milliseconds for durations. Never goes back, and stops while the machine sleeps. */
  monotonic(): number;
  /** @throws AbortError if the signal is aborted first */
  wait(milliseconds: number, options?: { readonly signal?: AbortSignal }): Promise<void>;
}

/** Waits until a promise settles or the time is over; Infinity for no limit. Never throws. */
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
