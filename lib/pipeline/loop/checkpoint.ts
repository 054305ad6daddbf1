/** Makes rows visible and saves the position, and tells when either is due. */
import { bytesFromHex, bytesToHex } from "../../bson/bson.ts";
import type { StreamPosition } from "../../sink/metadata/stream_position.ts";
import { secondsBehind } from "../../source/stream/resume_token.ts";
import type { Clock } from "../../util/clock.ts";
import type { Emit } from "../status/events.ts";
import { RefreshPace } from "./refresh_pace.ts";
import { snapshotStateText } from "../snapshot/saved_snapshot.ts";
import type { RelaySettings } from "../settings.ts";
import type { SnapshotState } from "../snapshot/snapshot_state.ts";
import { timed } from "../status/stages.ts";
import type { TableRegistry } from "../collections/table_registry.ts";
import { FRESH_MS } from "../status/stream_lag.ts";

export interface CheckpointDeps {
  readonly tables: Pick<TableRegistry, "refresh">;
  readonly position: Pick<StreamPosition, "state" | "save">;
  readonly settings: Pick<RelaySettings, "refreshInterval" | "saveInterval" | "lease">;
  readonly clock: Pick<Clock, "monotonic">;
  readonly mongodbClock: Pick<Clock, "now">;
  readonly emit: Emit;
  /** What is left of the snapshot; null for nothing. */
  readonly snapshot: () => SnapshotState | null;
}

/** What a batch or a chunk of the snapshot has changed, all of it confirmed. */
export interface Applied {
  /** BSON of the resume token after it; none for a chunk. */
  readonly token?: Uint8Array;
  readonly hasRows: boolean;
  /** Whether MongoDB has said that nothing comes after it for now. @default {false} */
  readonly isUpToDate?: boolean;
}

/** A stream without changes for its tables moves on as others are written to: how often that is saved. */
const IDLE_SAVE_MS = 1_000;

export class Checkpoint {
  readonly #deps: CheckpointDeps;
  readonly #pace: RefreshPace;
  #token: Uint8Array | null;
  #unrefreshed = false;
  /** How long after the last save the next one is due, in milliseconds; Infinity when nothing has changed. */
  #saveAfter = Infinity;
  #isUpToDate = false;
  #savedAt = 0;

  constructor(deps: CheckpointDeps) {
    this.#deps = deps;
    this.#pace = new RefreshPace({ longestPause: deps.settings.refreshInterval });
    const { token } = deps.position.state;
    this.#token = token === null ? null : bytesFromHex(token);
  }

  /** BSON of the resume token after all that is applied; null before the stream's first batch. */
  get token(): Uint8Array | null {
    return this.#token;
  }

  /**
   * When rows are to be made visible, by the monotonic clock; Infinity when all are.
   *
   * @param hasNext whether a further batch is there already
   */
  refreshDueAt(hasNext: boolean): number {
    if (!this.#unrefreshed) return Infinity;
    return hasNext && this.#isCatchingUp ? this.#pace.latestAt : this.#pace.dueAt;
  }

  /** When the position is to be saved, by the monotonic clock; Infinity when it is. */
  get saveDueAt(): number {
    return this.#savedAt + this.#saveAfter;
  }

  get #isCatchingUp(): boolean {
    return this.#token !== null &&
      secondsBehind(this.#token, this.#deps.mongodbClock.now()) > FRESH_MS / 1_000;
  }

  applied({ token, hasRows, isUpToDate = false }: Applied): void {
    const { saveInterval, lease } = this.#deps.settings;
    const hasCaughtUp = isUpToDate && !this.#isUpToDate;
    if (hasRows || hasCaughtUp) this.#saveAfter = saveInterval;
    else if (token) {
      const longest = isSame(token, this.#token) ? lease / 3 : IDLE_SAVE_MS;
      this.#saveAfter = Math.min(this.#saveAfter, longest, lease / 3);
    }
    if (token) this.#token = token;
    this.#isUpToDate = isUpToDate;
    this.#unrefreshed ||= hasRows;
  }

  /** While a snapshot is read, rows are made visible no more often than `--refresh-interval` says. */
  async runIfDue(): Promise<void> {
    const { clock } = this.#deps;
    if (this.#unrefreshed && clock.monotonic() >= this.#pace.latestAt) await this.refresh();
    if (clock.monotonic() >= this.saveDueAt) await this.save();
  }

  /** Refreshes and saves, due or not. */
  async flush(): Promise<void> {
    await this.refresh();
    await this.save();
  }

  async refresh(): Promise<void> {
    const { tables, clock } = this.#deps;
    this.#unrefreshed = false;
    const startedAt = clock.monotonic();
    await timed("refresh", () => tables.refresh(), this.#deps);
    this.#pace.refreshed(startedAt, clock.monotonic());
  }

  async save(): Promise<void> {
    const { position, snapshot, clock, emit } = this.#deps;
    this.#saveAfter = Infinity;
    if (this.#token) {
      const state = snapshot();
      const change = { token: bytesToHex(this.#token), snapshot: state && snapshotStateText(state) };
      await timed("save", () => position.save(change), this.#deps);
      emit({ type: "positionSaved" });
    }
    this.#savedAt = clock.monotonic();
  }
}

const isSame = (token: Uint8Array, other: Uint8Array | null): boolean =>
  other !== null && bytesToHex(token) === bytesToHex(other);
