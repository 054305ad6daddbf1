/** Time, which tests replace. */
import { setTimeout as delay } from "node:timers/promises";

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /**
   * Resolves after so many milliseconds.
   *
   * @throws AbortError when the signal is aborted first
   */
  wait(milliseconds: number, options?: { readonly signal?: AbortSignal }): Promise<void>;
}

export const SYSTEM_CLOCK: Clock = {
  now: () => Date.now(),
  wait: (milliseconds, options) => delay(milliseconds, undefined, options),
};
