/** The status of all streams of a schema: the query, the view `cdc_status` that contains it, and the columns that relays write. */
import { isRetryable, SinkError } from "../connection/sink_error.ts";
import type { Transport } from "../connection/transport.ts";
import type { Logger } from "../../util/log.ts";
import { messageOf } from "../../util/errors.ts";
import type { Dialect } from "../sql/dialect.ts";
import { quoteName, quoteTable } from "../sql/names.ts";
import { tableExists } from "../table/create_table.ts";

export const STATUS_VIEW = "cdc_status";

/** The columns of `cdc_position` that contain the status. Each write of the row updates them. */
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

export const REPORTED_AT = "reported_at";

/** A relay that is alive reports at least this often, in milliseconds. */
export const REPORT_INTERVAL_MS = 3_000;
/** After more milliseconds without a report, the lag counts from the last report. */
export const OVERDUE_MS = REPORT_INTERVAL_MS + 2_000;

export type ColumnType = "TEXT" | "BIGINT" | "TIMESTAMP WITH TIME ZONE";

/** Times are in ISO 8601. */
export type StatusColumns = Readonly<Record<keyof typeof STATUS_COLUMNS, string | number | null>>;

/** One part in so many of the oplog's window should remain. */
export const HEADROOM_PART = 10;

/** The values of `state`, of which the first that applies counts. All but "ok" are problems. */
export const STATES = [
  "failed",
  "stopped",
  "no sign of life",
  "waiting for CrateDB",
  "waiting for PostgreSQL",
  "waiting for MongoDB",
  "oplog nearly passed",
  "paused",
  "far behind",
  "failed collections",
  "dead letters",
  "ok",
] as const;
export type StreamState = typeof STATES[number];

/** The columns of the result, in their order. */
export const STATUS_FIELDS = [
  ...["stream", "state", "phase", "lag_ms", "cluster_time", "snapshot_done", "snapshot_total"] as const,
  ...["events", "rows", "overflowed", "dead_letters", "failed_collections", "oplog_headroom_s"] as const,
  ...["last_error", "owner", "version", "reported_at", "saved_at"] as const,
];

type Reported = {
  readonly [Name in keyof StatusColumns]: typeof STATUS_COLUMNS[Name] extends "BIGINT" ? number | null
    : string | null;
};

/** A row of the view `cdc_status`, with its collections. Times are in ISO 8601. */
export interface StreamStatus extends Reported {
  /** The schema of the relay's own tables. */
  readonly schema: string;
  readonly stream: string;
  readonly state: StreamState;
  readonly dead_letters: number;
  readonly owner: string | null;
  readonly reported_at: string | null;
  readonly saved_at: string | null;
  readonly collections: readonly CollectionStatus[];
}

/** A row of `cdc_collection`. */
export interface CollectionStatus {
  readonly collection: string;
  /** The table that has rows of it, as `schema.table`; null for none. */
  readonly table: string | null;
  readonly state: string;
  readonly reason: string | null;
  readonly hint: string | null;
  readonly rows: number | null;
  readonly documents: number | null;
  readonly since: string | null;
  readonly dead_letters: number;
  /** Outcome of the last verification; null for none. */
  readonly verified: string | null;
  /** Up to when that has proven all documents equal. */
  readonly verified_to: string | null;
}

/** A SELECT without parameters. @param maxLag in milliseconds; a larger lag is a problem; Infinity for any */
export function statusQuery(dialect: Dialect, schema: string, maxLag = 60_000): string {
  const reported = [...Object.keys(STATUS_COLUMNS), REPORTED_AT].map((name) => `p.${quoteName(name)}`);
  const { now, millis } = dialect;
  const table = (name: string) => quoteTable({ schema, name });
  // Each step has what the next one needs.
  const positions = `SELECT p.stream, p.owner, p.lease_until, p.saved_at, p.token, ${reported.join(", ")} ` +
    `FROM ${table("cdc_position")} p`;
  const ages = "SELECT r.*, " +
    "coalesce(r.lease_until > CURRENT_TIMESTAMP AND coalesce(r.phase, '') NOT IN ('failed', 'stopped'), FALSE) " +
    "AS is_alive, " +
    `${now} - coalesce(${millis("r.reported_at")}, ${millis("r.saved_at")}, ${now}) AS silent_ms, ` +
    `coalesce(${millis("r.reported_at")} - ${millis("r.cluster_time")}, 0) AS age_ms ` +
    `FROM (${positions}) r`;
  const letters = "SELECT c.stream, count(*) AS letters " +
    `FROM ${table("cdc_collection")} c JOIN ${table("cdc_dead_letter")} d ` +
    `ON d.stream = c."database" || '.' || c.collection || ' -> ' || c.table_schema || '.' || c.table_name ` +
    "GROUP BY c.stream";
  const grown = "SELECT a.*, coalesce(l.letters, 0) AS standing_letters, " +
    // A relay that starts has no lag yet.
    `CASE WHEN a.is_alive AND (a.lag_ms IS NULL OR a.silent_ms <= ${OVERDUE_MS}) THEN a.lag_ms ` +
    "ELSE coalesce(a.lag_ms, 0) + a.silent_ms END AS grown_lag_ms, " +
    "CASE WHEN a.is_alive OR a.oplog_headroom_s IS NULL THEN a.oplog_headroom_s " +
    "ELSE greatest(0, a.oplog_headroom_s - a.silent_ms / 1000) END AS headroom_s, " +
    "a.oplog_headroom_s + a.age_ms / 1000 AS window_s " +
    `FROM (${ages}) a LEFT JOIN (${letters}) l ON l.stream = a.stream`;
  const state = "CASE " +
    "WHEN g.phase IN ('failed', 'stopped') THEN g.phase " +
    "WHEN NOT g.is_alive THEN 'no sign of life' " +
    "WHEN g.phase LIKE 'waiting for %' THEN g.phase " +
    `WHEN g.headroom_s < g.window_s / ${HEADROOM_PART} THEN 'oplog nearly passed' ` +
    "WHEN g.phase = 'paused' THEN g.phase " +
    `WHEN g.grown_lag_ms > ${Math.min(maxLag, Number.MAX_SAFE_INTEGER)} THEN 'far behind' ` +
    "WHEN g.failed_collections > 0 THEN 'failed collections' " +
    "WHEN g.standing_letters > 0 THEN 'dead letters' " +
    "ELSE 'ok' END";
  const computed: Partial<Record<typeof STATUS_FIELDS[number], string>> = {
    state,
    lag_ms: "g.grown_lag_ms",
    oplog_headroom_s: "g.headroom_s",
    dead_letters: "g.standing_letters",
  };
  const fields = STATUS_FIELDS.map((name) =>
    `${computed[name] ?? `g.${quoteName(name)}`} AS ${quoteName(name)}`
  );
  return `SELECT ${fields.join(", ")} FROM (${grown}) g`;
}

/** Creates or replaces the view. If the server refuses, logs a warning: the relay and `status` work without the view. */
export async function createStatusView(
  transport: Transport,
  { schema, log }: { readonly schema: string; readonly log: Logger },
): Promise<void> {
  const view = quoteTable({ schema, name: STATUS_VIEW });
  const skip = (because: string) =>
    log.warn("The view of all streams cannot be created: continuing without it", { view, because });
  // CrateDB 6 would replace a table of that name, and delete its rows.
  if (await tableExists(transport, { schema, name: STATUS_VIEW })) return skip("a table has that name");
  try {
    await transport.query(`CREATE OR REPLACE VIEW ${view} AS ${statusQuery(transport.dialect, schema)}`);
  } catch (error) {
    if (!(error instanceof SinkError) || isRetryable(error)) throw error;
    skip(messageOf(error));
  }
}
