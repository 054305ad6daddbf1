/** A time of MongoDB's cluster, for people and for programs. Pure. */
import type { BSON } from "mongodb";

/** The last operation that a second may have: a time with it stands for all of that second. */
export const LAST_ORDINAL = 2 ** 32 - 1;

/**
 * @example
 * IN: Timestamp {t: 1732665552, i: 3} → OUT: 2024-11-26T23:59:12.000Z (3)
 * IN: Timestamp {t: 1732665552, i: 4294967295} → OUT: 2024-11-26T23:59:12.000Z (all of that second)
 */
export const clusterTimeText = (time: BSON.Timestamp): string =>
  `${isoOf(time)} (${time.i === LAST_ORDINAL ? "all of that second" : time.i})`;

/** As `--json` prints it; `operation_time` is what `wait --at` takes. */
export interface ClusterTimeFields {
  /** In ISO 8601, to the second. */
  readonly cluster_time: string | null;
  /** Seconds since 1970, and the number of the operation within that second. */
  readonly operation_time: string | null;
}

/**
 * @example
 * IN: Timestamp {t: 1732665552, i: 3} → OUT: {cluster_time: "2024-11-26T23:59:12.000Z", operation_time: "1732665552:3"}
 */
export const clusterTimeFields = (time: BSON.Timestamp | undefined): ClusterTimeFields => ({
  cluster_time: time ? isoOf(time) : null,
  operation_time: time ? `${time.t}:${time.i}` : null,
});

const isoOf = ({ t }: BSON.Timestamp): string => new Date(t * 1_000).toISOString();
