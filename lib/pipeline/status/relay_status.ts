/** The status of a relay: phase, lag and progress, as the saved position, the metrics and the log report them. */
import type { WriteLimits } from "../../sink/connection/write_pace.ts";
import type { StatusColumns } from "../../sink/metadata/status_view.ts";
import { VERSION } from "../../util/runtime.ts";
import type { Counts } from "./events.ts";

const OWN = [
  ...["starting", "standby", "paused", "snapshot", "catching up"] as const,
  ...["following", "stopped", "failed"] as const,
];
/** The phase names the first of these that has an outage. */
export const SYSTEMS: readonly ["CrateDB", "PostgreSQL", "MongoDB"] = ["CrateDB", "PostgreSQL", "MongoDB"];

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
  /** The current limits of writing; null until the stream is opened. */
  readonly writeLimits: Pick<WriteLimits, "statementRows" | "inFlight"> | null;
  /** Collections whose changes are not applied, because their tables cannot be used, and the reason. */
  readonly failedCollections: readonly { readonly collection: string; readonly reason: string }[];
  readonly lastError: string | null;
}

export type StatusSource = { readonly current: RelayStatus };

/** As columns of `cdc_position`. */
export const columnsOf = (status: RelayStatus) => ({
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
} satisfies StatusColumns);
