/** Keeps the status of a relay, from its events and from the answers that it waits for. */
import type { StatusColumns } from "../../sink/metadata/status_view.ts";
import { type Clock, SYSTEM_CLOCK } from "../../util/clock.ts";
import { messageOf } from "../../util/errors.ts";
import type { Liveness } from "../../util/outage.ts";
import { namespaceText } from "../../util/namespace.ts";
import { VERSION } from "../../util/runtime.ts";
import { type CollectionChange, on, sumOf } from "./events.ts";
import {
  NOTHING_REPORTED,
  type RelayStatus,
  type ReportedState,
  statusOf,
  type StatusSource,
} from "./relay_status.ts";

export class StatusTracker implements StatusSource {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #collections = new Map<string, CollectionChange>();
  readonly #systems = new Set<Liveness>();
  #state: ReportedState = NOTHING_REPORTED;

  constructor(clock: Pick<Clock, "monotonic"> = SYSTEM_CLOCK) {
    this.#clock = clock;
  }

  get current(): RelayStatus {
    return statusOf(this.#state, { systems: [...this.#systems], now: this.#clock.monotonic() });
  }

  /** Includes the outages and overdue answers of this system in the status. */
  watch(system: Liveness): void {
    this.#systems.add(system);
  }

  readonly listen = on({
    standingBy: () => this.#set({ isStandby: true }),
    leaseTaken: () => this.#set({ isStandby: false }),
    ready: () => this.#set({ isReady: true }),
    snapshotProgress: ({ documents, total }) => this.#set({ snapshot: { documents, total } }),
    snapshotDone: () => this.#set({ snapshot: undefined }),
    // Until its rows are written, the lag grows.
    batchStarted: ({ lag }) => this.#set({ applying: { lag, at: this.#clock.monotonic() } }),
    batchApplied: ({ events }) => this.#set({ events: this.#state.events + events }),
    tableWritten: (write) => this.#set({ counts: sumOf(this.#state.counts, write) }),
    advanced: ({ clusterTime, lag }) =>
      this.#set({
        clusterTime: clusterTime ?? this.#state.clusterTime,
        proved: { lag, at: this.#clock.monotonic() },
        applying: undefined,
      }),
    // An oplog that has dropped no entry yet gives a lower bound, not the headroom.
    oplogSeen: ({ oldest, isGrowing }) => this.#set({ oldest: isGrowing ? undefined : oldest }),
    collectionChanged: (change) => this.#collectionChanged(change),
    historyLost: () => this.#set({ isReady: false, snapshot: undefined, applying: undefined }),
    ended: ({ error }) => this.#set({ ending: { error: error === undefined ? null : messageOf(error) } }),
  });

  #collectionChanged(change: CollectionChange): void {
    const name = namespaceText(change.namespace);
    const before = this.#collections.get(name)?.state?.name;
    if (change.state) this.#collections.set(name, change);
    else this.#collections.delete(name);
    if (before !== "failed" && change.state?.name !== "failed") return;
    const failedCollections = [...this.#collections].flatMap(([collection, { state }]) =>
      state?.name === "failed" ? [{ collection, reason: state.reason }] : []
    );
    this.#set({ failedCollections });
  }

  #set(change: Partial<ReportedState>): void {
    this.#state = { ...this.#state, ...change };
  }
}

/** As columns of `cdc_position`. */
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
  failed_collections: status.failedCollections.length,
  oplog_headroom_s: status.oplogHeadroom === null ? null : Math.round(status.oplogHeadroom / 1_000),
  last_error: status.lastError,
  version: VERSION,
});
