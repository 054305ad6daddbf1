/**
 * Stops a relay that would take snapshots for ever: one whose rows CrateDB takes more slowly than MongoDB's oplog keeps
 * the changes. It loses history again before, or soon after, each snapshot is done.
 */
import type { Clock } from "../../util/clock.ts";
import { UserError } from "../../util/errors.ts";
import { on } from "../status/events.ts";

/** Snapshots in a row that were of no use. */
const MAX_SNAPSHOTS = 3;

export class SnapshotBreaker {
  readonly #clock: Pick<Clock, "monotonic">;
  #inARow = 0;
  #done: { readonly at: number; readonly took: number } | undefined;

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  readonly listen = on({
    snapshotDone: ({ seconds }) => {
      this.#done = { at: this.#clock.monotonic(), took: seconds * 1_000 };
    },
  });

  /**
   * History was lost, and a new snapshot is to begin.
   *
   * @throws UserError after three in a row, none of them followed for longer than it took
   */
  historyLost(): void {
    const done = this.#done;
    this.#done = undefined;
    if (done && this.#clock.monotonic() - done.at > done.took) this.#inARow = 0;
    if (this.#inARow === MAX_SNAPSHOTS) throw ofNoUse();
    this.#inARow++;
  }
}

const ofNoUse = (): UserError =>
  new UserError(
    `MongoDB lost the changes again after ${MAX_SNAPSHOTS} snapshots, each sooner than it had taken.`,
    {
      hint: "The oplog keeps changes for less time than a snapshot needs. Enlarge it (replSetResizeOplog, " +
        "storage.oplogMinRetentionHours), give CrateDB more room, or follow fewer collections. Then start again.",
    },
  );
