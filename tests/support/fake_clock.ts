/** A clock that stands still until a test moves it. */
import type { Clock } from "../../lib/util/clock.ts";

export interface FakeClock extends Clock {
  /** Milliseconds, of both the wall clock and the monotonic one. */
  time: number;
  /** Set forward or back: how much the wall clock shows more than the monotonic one. */
  step: number;
  /** How many wait. */
  readonly waits: number;
  /** Moves the time on, and has those go on whose wait is over. */
  pass(milliseconds: number): void;
}

export const START = 1_800_000_000_000;

export function fakeClock(start = START): FakeClock {
  const waiting = new Set<{ readonly until: number; readonly resolve: () => void }>();
  const clock: FakeClock = {
    time: start,
    step: 0,
    get waits() {
      return waiting.size;
    },
    now: () => clock.time + clock.step,
    monotonic: () => clock.time,
    wait: (milliseconds, { signal } = {}) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const entry = { until: clock.time + milliseconds, resolve };
      waiting.add(entry);
      const abort = () => {
        waiting.delete(entry);
        reject(signal?.reason);
      };
      if (signal?.aborted) abort();
      else signal?.addEventListener("abort", abort, { once: true });
      return promise;
    },
    pass: (milliseconds) => {
      clock.time += milliseconds;
      for (const entry of waiting) {
        if (entry.until > clock.time) continue;
        waiting.delete(entry);
        entry.resolve();
      }
    },
  };
  return clock;
}
