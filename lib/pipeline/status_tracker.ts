/** Keeps the status of a relay, from what it tells its observers. */
import type { StatusColumns } from "../sink/metadata/status_columns.ts";
import type { Clock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Outage, System } from "../util/outage.ts";
import { VERSION } from "../util/version.ts";
import type { Advance, LeftOutCollection, OplogReach, RelayObserver, SnapshotProgress } from "./observer.ts";
import { FRESH_MS } from "./stream_lag.ts";
import type { RelayStatus, StatusSource, StreamPhase } from "./relay_status.ts";

type Heard =
  | "standingBy"
  | "leaseTaken"
  | "ready"
  | "snapshotProgress"
  | "snapshotDone"
  | "batchStarted"
  | "batchApplied"
  | "advanced"
  | "oplogSeen"
  | "collectionsLeftOut"
  | "outage"
  | "recovered"
  | "ended";

/** Where several databases are away, the first one is told of. */
const SYSTEMS: readonly System[] = ["CrateDB", "PostgreSQL", "MongoDB"];

export class StatusTracker implements StatusSource, Pick<RelayObserver, Heard> {
  readonly #clock: Pick<Clock, "now">;
  readonly #outages = new Map<System, string>();
  #isStandby = false;
  #isReady = false;
  #ending: { readonly error: string | null } | undefined;
  #snapshot: SnapshotProgress | undefined;
  #lag: number | null = null;
  /** Since when the lag grows with the time, in milliseconds since 1970. */
  #growsSince: number | undefined;
  #clusterTime: number | null = null;
  #oldest: number | undefined;
  #leftOut: readonly LeftOutCollection[] = [];
  #events = 0;
  #counts = { upserts: 0, deletes: 0, overflowed: 0, deadLetters: 0 };

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  get current(): RelayStatus {
    const { documents = null, total = null } = this.#snapshot ?? {};
    return {
      phase: this.#phase,
      clusterTime: this.#clusterTime,
      lag: this.#currentLag,
      snapshotDone: documents,
      snapshotTotal: total,
      events: this.#events,
      ...this.#counts,
      oplogHeadroom: this.#clusterTime === null || this.#oldest === undefined
        ? null
        : this.#clusterTime - this.#oldest,
      leftOut: this.#leftOut,
      lastError: this.#ending?.error ?? this.#outageOf?.error ?? leftOutText(this.#leftOut),
    };
  }

  standingBy(): void {
    this.#isStandby = true;
  }

  leaseTaken(): void {
    this.#isStandby = false;
  }

  ready(): void {
    this.#isReady = true;
  }

  snapshotProgress(progress: SnapshotProgress): void {
    this.#snapshot = progress;
  }

  snapshotDone(): void {
    this.#snapshot = undefined;
  }

  /** Until its rows are there, the tables fall behind further. */
  batchStarted({ lag }: { readonly lag: number | null }): void {
    this.#lag = lag;
    this.#growsSince = this.#clock.now();
  }

  batchApplied({ events }: { readonly events: number }): void {
    this.#events += events;
  }

  advanced({ clusterTime, lag, upserts, deletes, overflowed, deadLetters }: Advance): void {
    this.#clusterTime = clusterTime ?? this.#clusterTime;
    this.#lag = lag;
    this.#growsSince = undefined;
    this.#counts = { upserts, deletes, overflowed, deadLetters };
  }

  oplogSeen({ oldest }: OplogReach): void {
    this.#oldest = oldest;
  }

  collectionsLeftOut(collections: readonly LeftOutCollection[]): void {
    this.#leftOut = collections;
  }

  /** What has changed since MongoDB went away, nobody knows: the tables may be behind by all that time. */
  outage({ system, error, lasted }: Outage): void {
    this.#outages.set(system, messageOf(error));
    if (system === "MongoDB") this.#growsSince ??= this.#clock.now() - lasted;
  }

  recovered({ system }: Omit<Outage, "error">): void {
    this.#outages.delete(system);
  }

  ended(error?: unknown): void {
    this.#ending = { error: error === undefined ? null : messageOf(error) };
  }

  get #phase(): StreamPhase {
    if (this.#ending) return this.#ending.error === null ? "stopped" : "failed";
    const outage = this.#outageOf;
    if (outage) return `waiting for ${outage.system}`;
    if (this.#isStandby) return "standby";
    if (this.#snapshot) return "snapshot";
    if (!this.#isReady) return "starting";
    return (this.#currentLag ?? 0) > FRESH_MS ? "catching up" : "following";
  }

  get #outageOf(): { readonly system: System; readonly error: string } | undefined {
    for (const system of SYSTEMS) {
      const error = this.#outages.get(system);
      if (error !== undefined) return { system, error };
    }
    return undefined;
  }

  get #currentLag(): number | null {
    if (this.#lag === null || this.#growsSince === undefined) return this.#lag;
    return this.#lag + Math.max(0, this.#clock.now() - this.#growsSince);
  }
}

/**
 * @example
 * IN: [{collection: "shop.a", because: "it is a view"}, {collection: "shop.b", …}]
 * OUT: shop.a is left out: it is a view (and 1 more)
 */
function leftOutText([first, ...more]: readonly LeftOutCollection[]): string | null {
  if (!first) return null;
  return `${first.collection} is left out: ${first.because}${
    more.length > 0 ? ` (and ${more.length} more)` : ""
  }`;
}

/** As `cdc_position` has it. */
export const columnsOf = (status: RelayStatus): StatusColumns => ({
  phase: status.phase,
  cluster_time: status.clusterTime === null ? null : new Date(status.clusterTime).toISOString(),
  lag_ms: status.lag,
  snapshot_done: status.snapshotDone,
  snapshot_total: status.snapshotTotal,
  events: status.events,
  rows: status.upserts + status.deletes,
  overflowed: status.overflowed,
  dead_letters: status.deadLetters,
  left_out: status.leftOut.length,
  oplog_headroom_s: status.oplogHeadroom === null ? null : Math.round(status.oplogHeadroom / 1_000),
  last_error: status.lastError,
  version: VERSION,
});
