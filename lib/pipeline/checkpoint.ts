/** When what was written is made visible and the position saved: at intervals under load, at once when there is a pause. */
import type { RelaySettings } from "./settings.ts";
import { bytesFromHex, bytesToHex } from "../bson/bson.ts";
import type { Position } from "../sink/metadata/stream_position.ts";
import type { TableRegistry } from "./table_registry.ts";

export interface CheckpointDeps {
  readonly targets: TableRegistry;
  readonly position: Position;
  readonly config: Pick<RelaySettings, "refreshInterval" | "saveInterval">;
  /** How far the copy has come. */
  readonly snapshot: () => string | null;
}

export class Checkpoint {
  readonly #parts: CheckpointDeps;
  /** BSON of the resume token after all that has landed; null before the stream's first batch. */
  token: Uint8Array | null;
  #refreshed = 0;
  #saved = 0;

  constructor(parts: CheckpointDeps) {
    this.#parts = parts;
    const { token } = parts.position.state;
    this.token = token === null ? null : bytesFromHex(token);
  }

  /** Does what is due. @param saveInterval in milliseconds */
  async pass(saveInterval: number = this.#parts.config.saveInterval): Promise<void> {
    if (Date.now() - this.#refreshed >= this.#parts.config.refreshInterval) await this.#refresh();
    if (Date.now() - this.#saved >= saveInterval) await this.#save();
  }

  /** Does all, due or not. */
  async settle(): Promise<void> {
    await this.#refresh();
    await this.#save();
  }

  async #refresh(): Promise<void> {
    await this.#parts.targets.refresh();
    this.#refreshed = Date.now();
  }

  async #save(): Promise<void> {
    const { position, snapshot } = this.#parts;
    if (this.token) await position.save({ token: bytesToHex(this.token), snapshot: snapshot() });
    this.#saved = Date.now();
  }
}
