/** What has happened to a stream, for operators: rows of `cdc_events`. */
import type { Transport } from "../connection/transport.ts";
import { quoteTable } from "../sql/names.ts";

/** The kinds of events, and how severe each is. */
export const EVENT_KINDS = {
  started: "info",
  stopped: "info",
  failed: "error",
  takeover: "warning",
  history_lost: "error",
  snapshot_started: "info",
  snapshot_done: "info",
  columns_added: "info",
  columns_widened: "info",
  dead_letters: "warning",
  collection_failed: "error",
  collection_recovered: "info",
  lag_high: "warning",
  lag_normal: "info",
  oplog_low: "warning",
  outage: "warning",
  outage_over: "info",
  verify_equal: "info",
  verify_changing: "info",
  verify_different: "error",
  request_started: "info",
  request_done: "info",
  request_failed: "warning",
} as const;

export type EventKind = keyof typeof EVENT_KINDS;

export type Severity = typeof EVENT_KINDS[EventKind];

export interface RecordedEvent {
  readonly id: string;
  /** In milliseconds since 1970. */
  readonly at: number;
  readonly stream: string;
  readonly kind: EventKind;
  readonly severity: Severity;
  /** One sentence. */
  readonly message: string;
  /** Names and numbers, never values of documents. */
  readonly details: Readonly<Record<string, string | number | null | undefined>>;
}

export const recordedEvent = (
  event: Pick<RecordedEvent, "at" | "stream" | "kind" | "message" | "details">,
): RecordedEvent => ({ id: crypto.randomUUID(), severity: EVENT_KINDS[event.kind], ...event });

/** As JSON, and as the columns of `cdc_events`. @example IN: {at: 0, kind: "stopped", …} → OUT: {at: "1970-01-01T00:00:00.000Z", …} */
export const eventFields = ({ at, id, stream, kind, severity, message, details }: RecordedEvent) => ({
  id,
  at: new Date(at).toISOString(),
  stream,
  kind,
  severity,
  message,
  details,
});

const KEPT_MS = 90 * 24 * 60 * 60_000;
const TIME = "timestamp with time zone";
/** Nothing waits for an answer. */
const OPTIONS = { limitMs: 10_000 };

export interface EventLog {
  /** Writes events with one statement. Those that are there already stay as they are. */
  write(events: readonly RecordedEvent[]): Promise<void>;
  /** Deletes the months that ended more than 90 days ago. */
  expire(now: number): Promise<void>;
}

/** The table of events of a schema. Its partitions are months. */
export function eventLog(transport: Transport, schema: string): EventLog {
  const table = quoteTable({ schema, name: "cdc_events" });
  const [texts, , objects] = transport.dialect.lists;
  return {
    async write(events) {
      const rows = events.map(eventFields);
      const names = ["id", "at", "stream", "kind", "severity", "message"] as const;
      const details = rows.map((row) => JSON.stringify(row.details));
      await transport.query(
        `INSERT INTO ${table} (id, "month", "at", stream, kind, severity, message, details) ` +
          `(SELECT e.id, date_trunc('month', e."at"::${TIME}), e."at"::${TIME}, ` +
          "e.stream, e.kind, e.severity, e.message, e.details " +
          `FROM UNNEST(${names.map((_, at) => `$${at + 1}::${texts}`).join(", ")}, $7::${objects}) ` +
          'AS e (id, "at", stream, kind, severity, message, details)) ON CONFLICT DO NOTHING',
        [...names.map((name) => rows.map((row) => row[name])), details],
        OPTIONS,
      );
    },
    async expire(now) {
      const from = new Date(now - KEPT_MS).toISOString();
      const sql = `DELETE FROM ${table} WHERE "month" < date_trunc('month', $1::${TIME})`;
      await transport.query(sql, [from], OPTIONS);
    },
  };
}
