/**
 * Ends a relay that would take snapshots forever, because CrateDB writes more slowly than MongoDB's oplog drops changes:
 * history is lost again during each snapshot, or soon after it.
 */
import type { Clock } from "../../util/clock.ts";
import { UserError } from "../../util/errors.ts";
import { on } from "../status/events.ts";

/** Snapshots in a row that were not followed for longer than they took. */
const MAX_SNAPSHOTS = 3;

export class SnapshotBreaker {
  readonly #clock: Pick<Clock, "monotonic">;
  #inARow = 0;
  #done: { readonly at: number; readonly took: number } | undefined;

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  readonly listen = on({
    snapshotDone: ({ seconds }) => this.#done = { at: this.#clock.monotonic(), took: seconds * 1_000 },
  });

  /**
   * Call it before the snapshot that replaces lost history.
   *
   * @throws UserError after {@linkcode MAX_SNAPSHOTS}
   */
  historyLost(): void {
    const done = this.#done;
    this.#done = undefined;
    if (done && this.#clock.monotonic() - done.at > done.took) this.#inARow = 0;
    if (this.#inARow++ < MAX_SNAPSHOTS) return;
    throw new UserError(
      `MongoDB lost the changes again after ${MAX_SNAPSHOTS} snapshots, each sooner than it had taken.`,
      {
        hint:
          "The oplog keeps changes for less time than a snapshot needs. Enlarge it (replSetResizeOplog, " +
          "storage.oplogMinRetentionHours), give CrateDB more room, or follow fewer collections. Then start again.",
      },
    );
  }
}
