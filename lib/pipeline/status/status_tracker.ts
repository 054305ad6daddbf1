/** Keeps the status of a relay, from its events and from the answers that it waits for. */
import { type Clock, SYSTEM_CLOCK } from "../../util/clock.ts";
import { messageOf } from "../../util/errors.ts";
import { namespaceText } from "../../util/namespace.ts";
import type { Liveness, Outage } from "../../util/outage.ts";
import {
  type CollectionChange,
  headroomAt,
  NO_COUNTS,
  on,
  type OplogReach,
  type SnapshotProgress,
  sumOf,
} from "./events.ts";
import { type RelayStatus, type StatusSource, type StreamPhase, SYSTEMS } from "./relay_status.ts";
import { FRESH_MS } from "./stream_lag.ts";

/** A lag in milliseconds, null if unknown, at a time of the monotonic clock. */
type KnownLag = { readonly lag: number | null; readonly at: number };

/**
 * Derives phase, lag, progress and last error from one state, so that they cannot contradict each other. Invariants:
 * - The phase is the first that applies: `stopped` or `failed` after the end, `waiting for` a system with an outage,
 *   `standby`, `paused`, `snapshot` during one, `starting`, `catching up` with a lag over 2 s, `following`.
 * - `snapshotDone` and `snapshotTotal` are numbers during a snapshot, and null otherwise.
 * - Only an applied batch or an answer reduces the lag. It is counted from the last proof, and grows with time if the last
 *   batch, or the oldest open request, is older than in an idle stream. So a silent database is visible, whatever the
 *   relay was doing.
 * - `lastError` is that of the end, else of the outage in the phase, else of the first failed collection.
 */
export class StatusTracker implements StatusSource {
  readonly #collections = new Map<string, CollectionChange>();
  readonly #systems = new Set<Liveness>();
  /** The limits of what is written at once; null before the relay writes. */
  writeLimits: RelayStatus["writeLimits"] = null;
  #isStandby = false;
  #isPaused = false;
  #isReady = false;
  /** How the relay has ended; undefined while it runs. */
  #ending: { readonly error: string | null } | undefined;
  #snapshot: Pick<SnapshotProgress, "documents" | "total"> | undefined;
  #clusterTime: number | null = null;
  /** The lag after the last batch; undefined before the first one. */
  #proved: KnownLag | undefined;
  /** The lag at the beginning of the batch that is being applied; undefined between batches. */
  #applying: KnownLag | undefined;
  /** Undefined if the headroom is unknown. */
  #oplog: OplogReach | undefined;
  #events = 0;
  #failedCollections: RelayStatus["failedCollections"] = [];
  #counts = NO_COUNTS;

  constructor(private readonly clock: Pick<Clock, "monotonic"> = SYSTEM_CLOCK) {}

  /** Includes the outages and overdue answers of this system in the status. */
  watch(system: Liveness): void {
    this.#systems.add(system);
  }

  readonly listen = on({
    standingBy: () => this.#isStandby = true,
    leaseTaken: () => this.#isStandby = false,
    paused: () => {
      this.#isPaused = true;
      // The lag grows from the last proof.
      this.#applying = undefined;
    },
    resumed: () => this.#isPaused = false,
    // After a reload, no event reports the end of a snapshot that had been read completely.
    ready: () => {
      this.#isReady = true;
      this.#snapshot = undefined;
    },
    snapshotProgress: (progress) => this.#snapshot = progress,
    snapshotDone: () => this.#snapshot = undefined,
    // Until its rows are written, the lag grows.
    batchStarted: ({ lag }) => this.#applying = { lag, at: this.clock.monotonic() },
    batchApplied: ({ events }) => this.#events += events,
    tableWritten: (write) => this.#counts = sumOf(this.#counts, write),
    advanced: ({ clusterTime, lag }) => {
      this.#clusterTime = clusterTime ?? this.#clusterTime;
      this.#proved = { lag, at: this.clock.monotonic() };
      this.#applying = undefined;
    },
    // An oplog that has dropped no entry yet gives a lower bound, not the headroom.
    oplogSeen: (reach) => this.#oplog = reach.isGrowing ? undefined : reach,
    collectionChanged: (change) => {
      const name = namespaceText(change.namespace);
      const before = this.#collections.get(name)?.state?.name;
      if (change.state) this.#collections.set(name, change);
      else this.#collections.delete(name);
      if (before !== "failed" && change.state?.name !== "failed") return;
      this.#failedCollections = [...this.#collections].flatMap(([collection, { state }]) =>
        state?.name === "failed" ? [{ collection, reason: state.reason }] : []
      );
    },
    historyLost: () => {
      this.#isReady = false;
      this.#snapshot = undefined;
      this.#applying = undefined;
    },
    ended: ({ error }) => this.#ending = { error: error === undefined ? null : messageOf(error) },
  });

  get current(): RelayStatus {
    const lag = this.#lag;
    const failedCollections = this.#failedCollections;
    return {
      phase: this.#phaseWith(lag),
      clusterTime: this.#clusterTime,
      lag: lag === null ? null : Math.round(lag),
      snapshotDone: this.#snapshot?.documents ?? null,
      snapshotTotal: this.#snapshot?.total ?? null,
      events: this.#events,
      ...this.#counts,
      oplogHeadroom: this.#clusterTime === null || !this.#oplog
        ? null
        : headroomAt(this.#clusterTime, this.#oplog) ?? null,
      writeLimits: this.writeLimits,
      failedCollections,
      lastError: this.#ending
        ? this.#ending.error
        : this.#outage
        ? messageOf(this.#outage.error)
        : failureText(failedCollections),
    };
  }

  #phaseWith(lag: number | null): StreamPhase {
    if (this.#ending) return this.#ending.error === null ? "stopped" : "failed";
    if (this.#outage) return `waiting for ${this.#outage.system}`;
    if (this.#isStandby) return "standby";
    if (this.#isPaused) return "paused";
    if (this.#snapshot) return "snapshot";
    if (!this.#isReady) return "starting";
    return (lag ?? 0) > FRESH_MS ? "catching up" : "following";
  }

  /**
   * @example
   * IN: a lag of 40 ms proved 1 s ago → OUT: 40; 7 s ago → OUT: 7,040
   * IN: a lag of 0 proved 1 s ago, a statement that has waited 4 s for its answer → OUT: 4,000
   */
  get #lag(): number | null {
    const now = this.clock.monotonic();
    const known = this.#applying ?? this.#proved;
    if (!known || known.lag === null) return null;
    if (this.#applying) return known.lag + now - known.at;
    const unproved = Math.max(now - known.at, ...Array.from(this.#systems, ({ waited }) => waited));
    return unproved > FRESH_MS ? known.lag + unproved : known.lag;
  }

  get #outage(): Outage | undefined {
    const outages = Array.from(this.#systems, ({ current }) => current);
    return SYSTEMS.map((system) => outages.find((each) => each?.system === system)).find(Boolean);
  }
}

function failureText([first, ...more]: RelayStatus["failedCollections"]): string | null {
  if (!first) return null;
  const others = more.length > 0 ? ` (and ${more.length} more)` : "";
  return `${first.collection} failed: ${first.reason}${others}`;
}
