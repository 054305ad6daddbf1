/** What a relay is doing and how far it has come, as the saved position, the metrics and the log tell it. */
import type { System } from "../util/outage.ts";
import type { LeftOutCollection } from "./observer.ts";

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

export interface RelayStatus {
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
  readonly upserts: number;
  readonly deletes: number;
  readonly overflowed: number;
  readonly deadLetters: number;
  /** Milliseconds that the relay could be away before the oplog has moved on past its position; null when not known. */
  readonly oplogHeadroom: number | null;
  /** Collections whose changes are not applied, because their tables cannot be used. */
  readonly leftOut: readonly LeftOutCollection[];
  readonly lastError: string | null;
}

export interface StatusSource {
  readonly current: RelayStatus;
}
