/** Runs work in lanes. What is to be done is asked for again whenever some work has ended, as that may bring new work. */

/** @returns undefined where there is nothing to do now, or no longer */
export type NextWork = () => (() => Promise<void>) | undefined;

/**
 * Resolves when nothing runs and there is nothing to do.
 *
 * @throws the first error, after all running work has ended; starts no work after it
 */
export async function runLanes(lanes: number, next: NextWork): Promise<void> {
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  while (true) {
    while (running.size < lanes && failures.length === 0) {
      const work = next();
      if (!work) break;
      const run: Promise<void> = work()
        .catch((error) => void failures.push(error))
        .finally(() => running.delete(run));
      running.add(run);
    }
    if (running.size === 0) break;
    await Promise.race(running);
  }
  if (failures.length > 0) throw failures[0];
}
