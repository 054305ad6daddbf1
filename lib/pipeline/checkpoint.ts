/** Makes rows visible and saves the position: at intervals under load, at once in a pause. */
import { bytesFromHex, bytesToHex } from "../bson/bson.ts";
import type { StreamPosition } from "../sink/metadata/stream_position.ts";
import type { Clock } from "../util/clock.ts";
import type { RelaySettings } from "./settings.ts";
import { type SnapshotState, snapshotStateText } from "./snapshot_state.ts";
import type { TableRegistry } from "./table_registry.ts";

export interface CheckpointDeps {
  readonly tables: Pick<TableRegistry, "refresh">;
  readonly position: Pick<StreamPosition, "state" | "save">;
  readonly settings: Pick<RelaySettings, "refreshInterval" | "saveInterval">;
  readonly clock: Pick<Clock, "now">;
  /** What is left of the snapshot; null for nothing. */
  readonly snapshot: () => SnapshotState | null;
}

export class Checkpoint {
  readonly #deps: CheckpointDeps;
  /** BSON of the resume token after all that is applied; null before the stream's first batch. */
  token: Uint8Array | null;
  #refreshedAt = 0;
  #savedAt = 0;

  constructor(deps: CheckpointDeps) {
    this.#deps = deps;
    const { token } = deps.position.state;
    this.token = token === null ? null : bytesFromHex(token);
  }

  /** Refreshes and saves where that is due. @param saveInterval in milliseconds */
  async runIfDue(saveInterval: number = this.#deps.settings.saveInterval): Promise<void> {
    const { clock, settings } = this.#deps;
    if (clock.now() - this.#refreshedAt >= settings.refreshInterval) await this.#refresh();
    if (clock.now() - this.#savedAt >= saveInterval) await this.#save();
  }

  /** Refreshes and saves, due or not. */
  async flush(): Promise<void> {
    await this.#refresh();
    await this.#save();
  }

  async #refresh(): Promise<void> {
    await this.#deps.tables.refresh();
    this.#refreshedAt = this.#deps.clock.now();
  }

  async #save(): Promise<void> {
    const { position, snapshot, clock } = this.#deps;
    if (this.token) {
      const state = snapshot();
      await position.save({
        token: bytesToHex(this.token),
        snapshot: state && snapshotStateText(state),
      });
    }
    this.#savedAt = clock.now();
  }
}
