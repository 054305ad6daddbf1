/** What has happened to a stream, for operators: rows of `cdc_events`. */

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
  verify_different: "error",
  request_started: "info",
  request_done: "info",
  request_failed: "warning",
} as const;

export type EventKind = keyof typeof EVENT_KINDS;

export type Severity = typeof EVENT_KINDS[EventKind];

export interface RecordedEvent {
  /** In milliseconds since 1970. */
  readonly at: number;
  readonly stream: string;
  readonly kind: EventKind;
  readonly severity: Severity;
  /** One sentence. */
  readonly message: string;
  /** Names and numbers, never values of documents. */
  readonly details: Readonly<Record<string, string | number | null>>;
}

/** As JSON, and as the columns of `cdc_events`. @example IN: {at: 0, kind: "stopped", …} → OUT: {at: "1970-01-01T00:00:00.000Z", …} */
export const eventFields = ({ at, ...event }: RecordedEvent) => ({
  at: new Date(at).toISOString(),
  ...event,
});
