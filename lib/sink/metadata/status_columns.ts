/** The columns of `cdc_position` in which a relay tells how it is. Each write of the row brings them up to date. */

export const STATUS_COLUMNS = {
  phase: "TEXT",
  cluster_time: "TIMESTAMP WITH TIME ZONE",
  lag_ms: "BIGINT",
  snapshot_done: "BIGINT",
  snapshot_total: "BIGINT",
  events: "BIGINT",
  rows: "BIGINT",
  overflowed: "BIGINT",
  dead_letters: "BIGINT",
  failed_collections: "BIGINT",
  oplog_headroom_s: "BIGINT",
  last_error: "TEXT",
  version: "TEXT",
} as const satisfies Readonly<Record<string, ColumnType>>;

/** When they were written last. */
export const REPORTED_AT = "reported_at";

/** A relay that is alive writes them at least this often. In milliseconds. */
export const REPORT_INTERVAL_MS = 3_000;
/** If nothing was reported for longer than this, the lag has grown since the last report. In milliseconds. */
export const OVERDUE_MS = REPORT_INTERVAL_MS + 2_000;

export type ColumnType = "TEXT" | "BIGINT" | "TIMESTAMP WITH TIME ZONE";

/** Times are in ISO 8601. */
export type StatusColumns = Readonly<Record<keyof typeof STATUS_COLUMNS, string | number | null>>;
