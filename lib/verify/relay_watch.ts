/** Follows the progress of the relay of a stream by its saved positions. */
import type { BSON } from "mongodb";
import { besideLeftOut, hasWritten } from "../pipeline/snapshot/saved_snapshot.ts";
import type { SavedPosition } from "../sink/metadata/saved_position.ts";
import type { Clock } from "../util/clock.ts";
import type { Passing } from "./result.ts";

interface RelayWatchOptions {
  /** Reads the position of each worker, or of the one relay; undefined for one that never ran. */
  readonly read: () => Promise<readonly (SavedPosition | undefined)[]>;
  /** Milliseconds without progress after which the relay is no longer waited for. */
  readonly settle: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const POLL_INTERVAL_MS = 100;

export class RelayWatch {
  readonly #options: RelayWatchOptions;

  constructor(options: RelayWatchOptions) {
    this.#options = options;
  }

  /** Whether the relay runs; of several workers, whether all run. */
  async isRunning(): Promise<boolean> {
    return (await this.#options.read()).every((position) => position?.isHeld);
  }

  /**
   * Waits until all changes up to a time are in the tables and no snapshot is running. Does not wait for collections
   * whose tables cannot be used.
   */
  async passes(time: BSON.Timestamp): Promise<Passing> {
    const { read, settle, clock, signal } = this.#options;
    let last: string | undefined;
    let movedAt = clock.monotonic();
    while (true) {
      const positions = await read();
      if (!positions.every((each) => each?.isHeld)) return "not running";
      const behind = positions.flatMap((each) =>
        each && !hasWritten(besideLeftOut(each), time) ? [`${each.token} ${each.snapshot}`] : []
      );
      if (behind.length === 0) return "passed";
      const state = behind.join("\n");
      if (state !== last) movedAt = clock.monotonic();
      last = state;
      if (clock.monotonic() - movedAt >= settle) return "stalled";
      await clock.wait(POLL_INTERVAL_MS, { signal });
    }
  }
}
