/** Restarts a stream that fails, after a pause that grows from failure to failure. */
import type { Clock } from "../util/clock.ts";

export const FIRST_PAUSE_MS = 1_000;
/** Also the time after which a stream counts as well: its next failure is the first one again. */
export const LONGEST_PAUSE_MS = 5 * 60_000;

export interface SuperviseOptions {
  readonly signal: AbortSignal;
  readonly clock: Pick<Clock, "monotonic" | "wait">;
  /** Called before the pause, in milliseconds. What it throws ends the supervision. */
  readonly onFailure: (error: unknown, pause: number) => void | Promise<void>;
  /** A signal that ends the pause of now. */
  readonly hurry: () => AbortSignal;
}

/**
 * Runs until it succeeds, or the signal is aborted.
 *
 * @example
 * IN: a run that fails at once, again and again → OUT: pauses of 1 s, 2 s, 4 s, … 5 min
 */
export async function supervise(run: () => Promise<void>, options: SuperviseOptions): Promise<void> {
  const { signal, clock, onFailure, hurry } = options;
  let pause = FIRST_PAUSE_MS;
  while (true) {
    const startedAt = clock.monotonic();
    try {
      return await run();
    } catch (error) {
      if (signal.aborted && error === signal.reason) return;
      if (signal.aborted) throw error;
      if (clock.monotonic() - startedAt >= LONGEST_PAUSE_MS) pause = FIRST_PAUSE_MS;
      await onFailure(error, pause);
    }
    await clock.wait(pause, { signal: AbortSignal.any([signal, hurry()]) }).catch(() => {});
    if (signal.aborted) return;
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
  }
}
