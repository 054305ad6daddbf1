import { setTimeout as delay } from "node:timers/promises";
import { UserError } from "../../lib/util/errors.ts";

export interface PollOptions {
  readonly signal: AbortSignal;
  /** What is waited for, for the error. */
  readonly what: string;
}

const TIMEOUT_MS = 30_000;
const INTERVAL_MS = 2;

/**
 * Asks again and again until there is an answer.
 *
 * @throws UserError when there is none in time; the signal's reason when it is aborted
 */
export async function poll<T>(
  ask: () => Promise<T | undefined>,
  { signal, what }: PollOptions,
): Promise<T> {
  const end = performance.now() + TIMEOUT_MS;
  while (true) {
    signal.throwIfAborted();
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > end) {
      throw new UserError(`Waited ${TIMEOUT_MS / 1_000} s in vain for ${what}.`, {
        hint: "Run it with --log-level info to see what the relay does.",
      });
    }
    await delay(INTERVAL_MS);
  }
}
