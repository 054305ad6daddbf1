/** What has happened to a stream, for operators: rows of `cdc_events`. */
import type { Transport } from "../connection/transport.ts";
import { quoteTable } from "../sql/names.ts";

const KINDS = {
  info: [
    ...["started", "stopped", "snapshot_started", "snapshot_done", "columns_added"] as const,
    ...["columns_widened", "collection_recovered", "lag_normal", "verify_equal"] as const,
    ...["verify_changing", "request_started", "request_done"] as const,
  ],
  warning: ["takeover", "dead_letters", "lag_high", "oplog_low", "request_failed"],
  error: ["failed", "history_lost", "collection_failed", "verify_different"],
} as const;

export type Severity = keyof typeof KINDS;
export type EventKind = typeof KINDS[Severity][number];

export const EVENT_KINDS = Object.fromEntries(
  Object.entries(KINDS).flatMap(([severity, kinds]) => kinds.map((kind) => [kind, severity])),
) as Readonly<Record<EventKind, Severity>>;

export interface RecordedEvent {
  readonly id: string;
  /** In ISO 8601. */
  readonly at: string;
  readonly stream: string;
  readonly kind: EventKind;
  readonly severity: Severity;
  /** One sentence. */
  readonly message: string;
  /** Names and numbers, never values of documents. */
  readonly details: Readonly<Record<string, string | number | null | undefined>>;
}

/** @param event `at` in milliseconds since 1970 */
export const recordedEvent = (
  event: Omit<RecordedEvent, "id" | "at" | "severity"> & { readonly at: number },
): RecordedEvent => ({
  id: crypto.randomUUID(),
  ...event,
  at: new Date(event.at).toISOString(),
  severity: EVENT_KINDS[event.kind],
});

const KEPT_MS = 90 * 24 * 60 * 60_000;
const TIME = "timestamp with time zone";
const COLUMNS = ["id", "at", "stream", "kind", "severity", "message"] as const;
/** Nothing waits for an answer. */
const OPTIONS = { limitMs: 10_000 };

/** The table of events of a schema. Its partitions are months. */
export class EventLog {
  readonly #table: string;
  readonly #requests: string;

  constructor(readonly transport: Transport, schema: string) {
    this.#table = quoteTable({ schema, name: "cdc_events" });
    this.#requests = quoteTable({ schema, name: "cdc_control" });
  }

  /** Writes events with one statement; an event that was written before is left as it is. */
  async write(events: readonly RecordedEvent[]): Promise<void> {
    const [texts, , objects] = this.transport.dialect.lists;
    const details = events.map((each) => JSON.stringify(each.details));
    const lists = COLUMNS.map((_, at) => `$${at + 1}::${texts}`).join(", ");
    await this.transport.query(
      `INSERT INTO ${this.#table} (id, "at", "month", stream, kind, severity, message, details) (SELECT e.id, ` +
        `e."at"::${TIME}, date_trunc('month', e."at"::${TIME}), e.stream, e.kind, e.severity, e.message, e.details ` +
        `FROM UNNEST(${lists}, $${COLUMNS.length + 1}::${objects}) ` +
        `AS e (id, "at", stream, kind, severity, message, details)) ON CONFLICT DO NOTHING`,
      [...COLUMNS.map((name) => events.map((each) => each[name])), details],
      OPTIONS,
    );
  }

  /** Deletes the months, and the requests, that ended more than 90 days ago. @param now in milliseconds since 1970 */
  async expire(now: number): Promise<void> {
    const before = [new Date(now - KEPT_MS).toISOString()];
    const months = `DELETE FROM ${this.#table} WHERE "month" < date_trunc('month', $1::${TIME})`;
    await this.transport.query(months, before, OPTIONS);
    await this.transport.query(`DELETE FROM ${this.#requests} WHERE ended_at < $1::${TIME}`, before, OPTIONS);
  }
}
