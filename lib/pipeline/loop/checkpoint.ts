/** Makes rows visible and saves the position, when either is due. */
import { bytesFromHex, bytesToHex } from "../../bson/bson.ts";
import type { StreamPosition } from "../../sink/metadata/stream_position.ts";
import { secondsBehind } from "../../source/stream/resume_token.ts";
import type { Clock } from "../../util/clock.ts";
import type { Collections } from "../collections/collections.ts";
import type { RelaySettings } from "../settings.ts";
import { type SnapshotState, snapshotStateText } from "../snapshot/snapshot_state.ts";
import type { Emit } from "../status/events.ts";
import { timed } from "../status/stages.ts";
import { FRESH_MS } from "../status/stream_lag.ts";

/** The token of an idle stream moves as other collections change: how often it is saved. */
const IDLE_SAVE_MS = 1_000;

export class Checkpoint {
  readonly #deps;
  readonly #pace: RefreshPace;
  /** After all applied changes; null before the first batch of a stream. */
  token: Uint8Array | null;
  #unrefreshed = false;
  /** Milliseconds from the last save to the next one; Infinity if nothing has changed. */
  #saveAfter = Infinity;
  #isUpToDate = false;
  /** Whether the last batch has proved that no change is waiting. */
  #isAtEnd = false;
  #savedAt = 0;

  constructor(deps: {
    readonly tables: { readonly states: Pick<Collections["states"], "save"> } & Pick<Collections, "refresh">;
    readonly position: Pick<StreamPosition, "state" | "save">;
    readonly settings: Pick<RelaySettings, "refreshInterval" | "saveInterval" | "lease">;
    readonly clock: Pick<Clock, "monotonic">;
    readonly mongodbClock: Pick<Clock, "now">;
    readonly emit: Emit;
    /** The unfinished snapshot; null for none. */
    readonly snapshot: () => SnapshotState | null;
  }) {
    this.#deps = deps;
    this.#pace = new RefreshPace(deps.settings.refreshInterval);
    const { token } = deps.position.state;
    this.token = token === null ? null : bytesFromHex(token);
  }

  /** When rows are to be made visible, by the monotonic clock; Infinity if all are. @param hasNext batch that waits */
  refreshDueAt(hasNext: boolean): number {
    if (!this.#unrefreshed) return Infinity;
    return hasNext && this.lagSeconds > FRESH_MS / 1_000 ? this.#pace.latestAt : this.#pace.dueAt;
  }

  /** When the position is to be saved, by the monotonic clock; Infinity if it is. */
  get saveDueAt(): number {
    return this.#savedAt + this.#saveAfter;
  }

  /** The lag of the change stream, in seconds; 0 if it is unknown. */
  get lagSeconds(): number {
    if (!this.token || this.#isAtEnd) return 0;
    return secondsBehind(this.token, this.#deps.mongodbClock.now());
  }

  /** Call it for each batch and chunk whose rows are confirmed. Only a batch has a token, and may be up to date. */
  applied({ token, hasRows, isUpToDate = false }: {
    readonly token?: Uint8Array;
    readonly hasRows: boolean;
    readonly isUpToDate?: boolean;
  }): void {
    const { saveInterval, lease } = this.#deps.settings;
    const hasCaughtUp = isUpToDate && !this.#isUpToDate;
    if (hasRows || hasCaughtUp) this.#saveAfter = saveInterval;
    else if (token) {
      const isSame = this.token !== null && bytesToHex(token) === bytesToHex(this.token);
      const longest = isSame ? lease / 3 : IDLE_SAVE_MS;
      this.#saveAfter = Math.min(this.#saveAfter, longest, lease / 3);
    }
    if (token) [this.token, this.#isAtEnd] = [token, isUpToDate];
    this.#isUpToDate = isUpToDate;
    this.#unrefreshed ||= hasRows;
  }

  /** During a snapshot, rows are made visible no more often than `--refresh-interval`. */
  async runIfDue(): Promise<void> {
    const { clock } = this.#deps;
    if (this.#unrefreshed && clock.monotonic() >= this.#pace.latestAt) await this.refresh();
    if (clock.monotonic() >= this.saveDueAt) await this.save();
  }

  async flush(): Promise<void> {
    await this.refresh();
    await this.save();
    await this.#deps.tables.states.save();
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
    if (this.token) {
      const state = snapshot();
      const change = { token: bytesToHex(this.token), snapshot: state && snapshotStateText(state) };
      await timed("save", () => position.save(change), this.#deps);
      emit({ type: "positionSaved" });
    }
    this.#savedAt = clock.monotonic();
  }
}

/** The pause after a refresh, in times of what refreshes take. */
const PAUSE_PER_COST = 0.5;
/** Each refresh makes a segment of each changed shard, which CrateDB has to merge. */
const SHORTEST_PAUSE_MS = 25;
/** The weight of the latest refresh in the average. */
const LATEST_WEIGHT = 0.25;

/**
 * How often rows are made visible: 40 times a second if refreshes are fast, in two thirds of the time if they are slow.
 * Times are in milliseconds of the monotonic clock.
 *
 * @example
 * IN: refreshes of 3 ms → OUT: a pause of 25 ms; of 80 ms → 40 ms; of 3 s, with a longest pause of 1 s → 1 s
 */
export class RefreshPace {
  /** What a refresh takes on average; undefined before the first one. */
  #cost: number | undefined;
  #endedAt = -Infinity;

  constructor(private readonly longestPause: number) {}

  /** When the next refresh may begin. */
  get dueAt(): number {
    if (this.#cost === undefined) return this.#endedAt;
    const pause = Math.max(SHORTEST_PAUSE_MS, PAUSE_PER_COST * this.#cost);
    return this.#endedAt + Math.min(this.longestPause, pause);
  }

  /** When it has to begin at the latest. */
  get latestAt(): number {
    return this.#endedAt + this.longestPause;
  }

  refreshed(startedAt: number, endedAt: number): void {
    const cost = endedAt - startedAt;
    this.#cost = this.#cost === undefined ? cost : this.#cost + LATEST_WEIGHT * (cost - this.#cost);
    this.#endedAt = endedAt;
  }
}
