/** The status of a relay: phase, lag and progress, as the saved position, the metrics and the log report them. */
import { messageOf } from "../../util/errors.ts";
import type { Liveness, Outage } from "../../util/outage.ts";
import { type Counts, NO_COUNTS, type SnapshotProgress } from "./events.ts";
import { FRESH_MS } from "./stream_lag.ts";

/** The phase names the first of these that has an outage. */
const SYSTEMS = ["CrateDB", "PostgreSQL", "MongoDB"] as const;

const OWN = ["starting", "standby", "snapshot", "catching up", "following", "stopped", "failed"] as const;

/** The phases that users see. The replication loop's own phases are in `next_step.ts`. */
export type StreamPhase = typeof OWN[number] | `waiting for ${typeof SYSTEMS[number]}`;

export const PHASES: readonly StreamPhase[] = [
  ...OWN,
  ...SYSTEMS.map((system) => `waiting for ${system}` as const),
];

export interface RelayStatus extends Counts {
  readonly phase: StreamPhase;
  /** All changes up to this time are in the tables, in milliseconds since 1970 by MongoDB's clock; null before the first batch. */
  readonly clusterTime: number | null;
  /** In milliseconds by MongoDB's clock: 0 if no change is waiting; null if unknown. */
  readonly lag: number | null;
  /** Documents that the snapshot has read; null if none is running. */
  readonly snapshotDone: number | null;
  /** Documents to read in total, estimated; null if none is running. */
  readonly snapshotTotal: number | null;
  readonly events: number;
  /** Milliseconds that the relay could be stopped before the oplog drops its position; 0 if it has; null if unknown. */
  readonly oplogHeadroom: number | null;
  /** Collections whose changes are not applied, because their tables cannot be used. */
  readonly failedCollections: readonly FailedCollection[];
  readonly lastError: string | null;
}

/** A collection whose table cannot be used, and the reason. */
export type FailedCollection = { readonly collection: string; readonly reason: string };

export type StatusSource = { readonly current: RelayStatus };

/** A lag in milliseconds, null if unknown, at a time of the monotonic clock. */
type KnownLag = { readonly lag: number | null; readonly at: number };

/** What the relay has emitted so far. The status is derived from this and from {@linkcode Liveness} alone. */
export interface ReportedState extends Pick<RelayStatus, "clusterTime" | "events" | "failedCollections"> {
  readonly isStandby: boolean;
  readonly isReady: boolean;
  /** How the relay has ended; undefined while it runs. */
  readonly ending?: { readonly error: string | null };
  readonly snapshot?: Pick<SnapshotProgress, "documents" | "total"> | undefined;
  /** The lag after the last batch; undefined before the first one. */
  readonly proved?: KnownLag;
  /** The lag at the beginning of the batch that is being applied; undefined between batches. */
  readonly applying?: KnownLag | undefined;
  /** The time of the oplog's oldest entry; undefined if the headroom cannot be computed from it. */
  readonly oldest?: number | undefined;
  readonly counts: Counts;
}

export const NOTHING_REPORTED: ReportedState = {
  isStandby: false,
  isReady: false,
  clusterTime: null,
  events: 0,
  counts: NO_COUNTS,
  failedCollections: [],
};

/** `now` is a time of the monotonic clock. */
type Circumstances = { readonly systems: readonly Liveness[]; readonly now: number };

/**
 * Derives phase, lag, progress and last error from one state, so that they cannot contradict each other. Invariants:
 * - The phase is the first that applies: `stopped` or `failed` after the end, `waiting for` a system with an outage,
 *   `standby`, `snapshot` during one, `starting`, `catching up` with a lag over 2 s, `following`.
 * - `snapshotDone` and `snapshotTotal` are numbers during a snapshot, and null otherwise.
 * - Only an applied batch or an answer reduces the lag. It is counted from the last proof, and grows with time if the last
 *   batch, or the oldest open request, is older than in an idle stream. So a silent database is visible, whatever the
 *   relay was doing.
 * - `lastError` is that of the end, else of the outage in the phase, else of the first failed collection.
 */
export function statusOf(state: ReportedState, circumstances: Circumstances): RelayStatus {
  const { snapshot, clusterTime, oldest, events, counts, failedCollections, ending } = state;
  const outage = firstOutage(circumstances.systems);
  const lag = lagOf(state, circumstances);
  return {
    phase: phaseOf(state, outage, lag),
    clusterTime,
    lag: lag === null ? null : Math.round(lag),
    snapshotDone: snapshot?.documents ?? null,
    snapshotTotal: snapshot?.total ?? null,
    events,
    ...counts,
    oplogHeadroom: clusterTime === null || oldest === undefined ? null : Math.max(0, clusterTime - oldest),
    failedCollections,
    lastError: ending ? ending.error : outage ? messageOf(outage.error) : failureText(failedCollections),
  };
}

function phaseOf(
  { ending, isStandby, isReady, snapshot }: ReportedState,
  outage: Outage | undefined,
  lag: number | null,
): StreamPhase {
  if (ending) return ending.error === null ? "stopped" : "failed";
  if (outage) return `waiting for ${outage.system}`;
  if (isStandby) return "standby";
  if (snapshot) return "snapshot";
  if (!isReady) return "starting";
  return (lag ?? 0) > FRESH_MS ? "catching up" : "following";
}

/**
 * @example
 * IN: a lag of 40 ms proved 1 s ago → OUT: 40; 7 s ago → OUT: 7,040
 * IN: a lag of 0 proved 1 s ago, a statement that has waited 4 s for its answer → OUT: 4,000
 */
function lagOf({ proved, applying }: ReportedState, { systems, now }: Circumstances): number | null {
  if (applying) return applying.lag === null ? null : applying.lag + now - applying.at;
  if (!proved || proved.lag === null) return null;
  const unproved = Math.max(now - proved.at, ...systems.map(({ waited }) => waited));
  return unproved > FRESH_MS ? proved.lag + unproved : proved.lag;
}

function firstOutage(systems: readonly Liveness[]): Outage | undefined {
  const outages = systems.map(({ current }) => current);
  return SYSTEMS.map((system) => outages.find((each) => each?.system === system)).find(Boolean);
}

function failureText([first, ...more]: readonly FailedCollection[]): string | null {
  if (!first) return null;
  const others = more.length > 0 ? ` (and ${more.length} more)` : "";
  return `${first.collection} failed: ${first.reason}${others}`;
}
