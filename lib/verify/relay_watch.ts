/** Follows how far a relay has come, by what it has saved. */
import type { BSON } from "mongodb";
import { besideLeftOut, hasWritten } from "../pipeline/snapshot/saved_snapshot.ts";
import type { SavedPosition } from "../sink/metadata/saved_position.ts";
import type { Clock } from "../util/clock.ts";
import type { Passing } from "./result.ts";

export interface RelayWatchOptions {
  /** What the stream has saved; undefined where it was never followed. */
  readonly read: () => Promise<SavedPosition | undefined>;
  /** How long the position may stand still, in milliseconds. */
  readonly settle: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const POLL_INTERVAL_MS = 100;

/** Follows several relays, which divide the documents among them. */
export class RelayWatches {
  readonly #watches: readonly RelayWatch[];

  constructor(watches: readonly RelayWatch[]) {
    this.#watches = watches;
  }

  /** Whether all of them run. */
  async isRunning(): Promise<boolean> {
    return (await Promise.all(this.#watches.map((each) => each.isRunning()))).every(Boolean);
  }

  /** Waits until all changes up to a time are in the tables, and no snapshot is under way. */
  async passes(time: BSON.Timestamp): Promise<Passing> {
    const all = await Promise.all(this.#watches.map((each) => each.passes(time)));
    return all.find((each) => each === "not running") ?? all.find((each) => each === "stalled") ?? "passed";
  }
}

export class RelayWatch {
  readonly #options: RelayWatchOptions;

  constructor(options: RelayWatchOptions) {
    this.#options = options;
  }

  async isRunning(): Promise<boolean> {
    return (await this.#options.read())?.isHeld === true;
  }

  /**
   * Waits until all changes up to a time are in the tables, and no snapshot is running. Rows of collections left out stay
   * as they are; to wait for them could take for ever.
   */
  async passes(time: BSON.Timestamp): Promise<Passing> {
    const { read, settle, clock, signal } = this.#options;
    let last: string | undefined;
    let movedAt = clock.monotonic();
    while (true) {
      const position = await read();
      if (!position?.isHeld) return "not running";
      if (hasWritten(besideLeftOut(position), time)) return "passed";
      const state = `${position.token} ${position.snapshot}`;
      if (state !== last) movedAt = clock.monotonic();
      last = state;
      if (clock.monotonic() - movedAt >= settle) return "stalled";
      await clock.wait(POLL_INTERVAL_MS, { signal });
    }
  }
}
