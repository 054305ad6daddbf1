/** The status of a relay: phase, lag and progress, as the saved position, the metrics and the log report them. */
import { messageOf } from "../../util/errors.ts";
import type { Liveness, Outage, System } from "../../util/outage.ts";
import { type Counts, type LeftOutCollection, NO_COUNTS, type SnapshotProgress } from "./events.ts";
import { FRESH_MS } from "./stream_lag.ts";

/** The words that users see. The replication loop's own phases are in `next_step.ts`. */
export type StreamPhase =
  | "starting"
  | "standby"
  | "snapshot"
  | "catching up"
  | "following"
  | `waiting for ${System}`
  | "stopped"
  | "failed";

export interface RelayStatus extends Counts {
  readonly phase: StreamPhase;
  /** Up to when all changes are in the tables, in milliseconds since 1970 by MongoDB's clock; null before the first batch. */
  readonly clusterTime: number | null;
  /** Milliseconds that the tables are behind the collections, by MongoDB's clock: 0 when nothing is waiting; null when not known yet. */
  readonly lag: number | null;
  /** Documents of the snapshot that are read, and that there are, estimated; null where there is no snapshot under way. */
  readonly snapshotDone: number | null;
  readonly snapshotTotal: number | null;
  /** Since the process has started. */
  readonly events: number;
  /** Milliseconds that the relay could be away before the oplog has moved on past its position; 0 once it has; null when not known. */
  readonly oplogHeadroom: number | null;
  /** Collections whose changes are not applied, because their tables cannot be used. */
  readonly leftOut: readonly LeftOutCollection[];
  readonly lastError: string | null;
}

export interface StatusSource {
  readonly current: RelayStatus;
}

/** A lag, and the time at which it was true, by the monotonic clock. */
export interface KnownLag {
  /** Milliseconds; null if unknown. */
  readonly lag: number | null;
  readonly at: number;
}

/** What the relay has reported so far. The status is derived from this and from {@linkcode Liveness} alone. */
export interface ReportedState {
  readonly isStandby: boolean;
  /** Whether the relay has taken its snapshot, or had none to take. */
  readonly isReady: boolean;
  /** How the relay has ended; undefined while it runs. */
  readonly ending: { readonly error: string | null } | undefined;
  /** The progress of the present snapshot; undefined without one. */
  readonly snapshot: Pick<SnapshotProgress, "documents" | "total"> | undefined;
  /** The lag after the last batch; undefined before the first one. */
  readonly proved: KnownLag | undefined;
  /** The age of the batch that is being applied, at its beginning; undefined between batches. */
  readonly applying: KnownLag | undefined;
  readonly clusterTime: number | null;
  /** The time of the oplog's oldest entry; undefined if the headroom cannot be computed from it. */
  readonly oldest: number | undefined;
  readonly events: number;
  readonly counts: Counts;
  readonly leftOut: readonly LeftOutCollection[];
}

export const NOTHING_REPORTED: ReportedState = {
  isStandby: false,
  isReady: false,
  ending: undefined,
  snapshot: undefined,
  proved: undefined,
  applying: undefined,
  clusterTime: null,
  oldest: undefined,
  events: 0,
  counts: NO_COUNTS,
  leftOut: [],
};

export interface Circumstances {
  /** What MongoDB and the sink owe. */
  readonly systems: readonly Liveness[];
  /** By the monotonic clock, in milliseconds. */
  readonly now: number;
}

/** If several databases are away, the first one is named. */
const SYSTEMS: readonly System[] = ["CrateDB", "PostgreSQL", "MongoDB"];

/**
 * Derives phase, lag, progress and last error from one state, so that they cannot contradict each other. Invariants:
 * - The phase is the first that applies: `stopped` or `failed` after the end, `waiting for` a system with an outage,
 *   `standby`, `snapshot` during one, `starting`, `catching up` with a lag over 2 s, `following`.
 * - `snapshotDone` and `snapshotTotal` are numbers during a snapshot, and null otherwise.
 * - Only an applied batch or an answer reduces the lag. The lag is counted from the last proof: it grows with time if the
 *   last batch, or the oldest open question, is older than in an idle stream. So a silent database is visible, whatever
 *   the relay was doing.
 * - `lastError` belongs to the ending, else to the outage that the phase names, else to the collections left out.
 * - When both sides answer and a batch was applied, the phase is `snapshot`, `catching up` or `following`.
 */
export function statusOf(state: ReportedState, { systems, now }: Circumstances): RelayStatus {
  const { snapshot, clusterTime, oldest, events, counts, leftOut, ending } = state;
  const outage = firstOutage(systems);
  const lag = lagOf(state, { systems, now });
  return {
    phase: phaseOf(state, { outage, lag }),
    clusterTime,
    lag: lag === null ? null : Math.round(lag),
    snapshotDone: snapshot?.documents ?? null,
    snapshotTotal: snapshot?.total ?? null,
    events,
    ...counts,
    oplogHeadroom: clusterTime === null || oldest === undefined ? null : Math.max(0, clusterTime - oldest),
    leftOut,
    lastError: ending ? ending.error : outage ? messageOf(outage.error) : leftOutText(leftOut),
  };
}

function phaseOf(
  { ending, isStandby, isReady, snapshot }: ReportedState,
  { outage, lag }: { readonly outage: Outage | undefined; readonly lag: number | null },
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
  const outages = systems.flatMap(({ current }) => current ? [current] : []);
  return SYSTEMS.flatMap((system) => outages.filter((each) => each.system === system))[0];
}

function leftOutText([first, ...more]: readonly LeftOutCollection[]): string | null {
  if (!first) return null;
  return `${first.collection} is left out: ${first.because}${
    more.length > 0 ? ` (and ${more.length} more)` : ""
  }`;
}
