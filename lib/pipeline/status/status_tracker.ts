/** Keeps the status of a relay, from its events and from the answers that the databases owe it. */
import type { StatusColumns } from "../../sink/metadata/status_columns.ts";
import { type Clock, SYSTEM_CLOCK } from "../../util/clock.ts";
import { messageOf } from "../../util/errors.ts";
import type { Liveness } from "../../util/outage.ts";
import { VERSION } from "../../util/version.ts";
import {
  type Advance,
  type LeftOutCollection,
  type OplogReach,
  type RelayObserver,
  type SnapshotProgress,
  sumOf,
  type TableWrite,
} from "./observer.ts";
import {
  NOTHING_REPORTED,
  type RelayStatus,
  type ReportedState,
  statusOf,
  type StatusSource,
} from "./relay_status.ts";

type Heard =
  | "standingBy"
  | "leaseTaken"
  | "ready"
  | "snapshotProgress"
  | "snapshotDone"
  | "batchStarted"
  | "batchApplied"
  | "tableWritten"
  | "advanced"
  | "oplogSeen"
  | "collectionsLeftOut"
  | "historyLost"
  | "ended";

export class StatusTracker implements StatusSource, Pick<RelayObserver, Heard> {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #systems: Liveness[] = [];
  #state: ReportedState = NOTHING_REPORTED;

  constructor(clock: Pick<Clock, "monotonic"> = SYSTEM_CLOCK) {
    this.#clock = clock;
  }

  get current(): RelayStatus {
    return statusOf(this.#state, { systems: this.#systems, now: this.#clock.monotonic() });
  }

  /** Derives phase and lag also from what this system owes, from now on. */
  watch(system: Liveness): void {
    this.#systems.push(system);
  }

  standingBy(): void {
    this.#set({ isStandby: true });
  }

  leaseTaken(): void {
    this.#set({ isStandby: false });
  }

  ready(): void {
    this.#set({ isReady: true });
  }

  snapshotProgress({ documents, total }: SnapshotProgress): void {
    this.#set({ snapshot: { documents, total } });
  }

  snapshotDone(): void {
    this.#set({ snapshot: undefined });
  }

  /** Until its rows are there, the tables fall behind further. */
  batchStarted({ lag }: { readonly lag: number | null }): void {
    this.#set({ applying: { lag, at: this.#clock.monotonic() } });
  }

  batchApplied({ events }: { readonly events: number }): void {
    this.#set({ events: this.#state.events + events });
  }

  tableWritten({ upserts, deletes, overflowed, deadLetters }: TableWrite): void {
    this.#set({ counts: sumOf(this.#state.counts, { upserts, deletes, overflowed, deadLetters }) });
  }

  advanced({ clusterTime, lag }: Advance): void {
    this.#set({
      clusterTime: clusterTime ?? this.#state.clusterTime,
      proved: { lag, at: this.#clock.monotonic() },
      applying: undefined,
    });
  }

  /** An oplog that has dropped nothing yet gives a lower bound, not the headroom. */
  oplogSeen({ oldest, isGrowing }: OplogReach): void {
    this.#set({ oldest: isGrowing ? undefined : oldest });
  }

  collectionsLeftOut(leftOut: readonly LeftOutCollection[]): void {
    this.#set({ leftOut });
  }

  historyLost(): void {
    this.#set({ isReady: false, snapshot: undefined, applying: undefined });
  }

  ended(error?: unknown): void {
    this.#set({ ending: { error: error === undefined ? null : messageOf(error) } });
  }

  #set(change: Partial<ReportedState>): void {
    this.#state = { ...this.#state, ...change };
  }
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
