/** The metrics: name, kind, labels and meaning of each in one table. */
import { STAGES } from "../pipeline/status/stages.ts";

export interface MetricDefinition {
  readonly kind: "counter" | "gauge" | "histogram";
  readonly labels?: readonly string[];
  readonly help: string;
  /** Whether all streams of a process share it. @default {false} */
  readonly isShared?: boolean;
  /** Upper bounds of a histogram. */
  readonly buckets?: readonly number[];
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const EVENTS = [1, 10, 100, 1_000, 2_500, 5_000, 10_000, 25_000];

/** In the order in which they are shown. */
export const METRICS = {
  cdc_relay_build_info: {
    isShared: true,
    kind: "gauge",
    labels: ["version", "runtime"],
    help: "Always 1; the labels name what runs",
  },
  cdc_relay_phase: {
    kind: "gauge",
    labels: ["phase"],
    help: "1 for what the relay is doing now, 0 for all else",
  },
  cdc_relay_lag_seconds: {
    kind: "gauge",
    help:
      "How far the tables are behind the collections, by MongoDB's clock; grows while a database is silent; absent before the first batch",
  },
  cdc_relay_applied_timestamp_seconds: {
    kind: "gauge",
    help:
      "Up to when all changes are in the tables, by MongoDB's clock, in seconds since 1970; absent until the first batch",
  },
  cdc_relay_saved_timestamp_seconds: {
    kind: "gauge",
    help: "When the position was saved last, in seconds since 1970; absent until then",
  },
  cdc_relay_oplog_headroom_seconds: {
    kind: "gauge",
    help:
      "How long the relay could be away before the oplog has moved on past its position; absent if unknown, and until the oplog drops entries",
  },
  cdc_relay_outage: {
    isShared: true,
    kind: "gauge",
    labels: ["system"],
    help:
      "1 while MongoDB, CrateDB or PostgreSQL fails or gives no answer, 0 when it answers again; absent before the first outage",
  },
  cdc_relay_outages_total: {
    isShared: true,
    kind: "counter",
    labels: ["system"],
    help: "Outages that have begun",
  },
  cdc_relay_retries_total: {
    isShared: true,
    kind: "counter",
    labels: ["system"],
    help: "Tries that have failed and were made again",
  },
  cdc_relay_events_total: {
    kind: "counter",
    labels: ["collection", "operation"],
    help: "Change events read: insert, update, replace, delete",
  },
  cdc_relay_event_bytes_total: { kind: "counter", help: "Bytes of change events that are applied" },
  cdc_relay_rows_total: {
    kind: "counter",
    labels: ["collection", "operation"],
    help: "Rows written and confirmed, of the stream and of snapshots: upsert, delete",
  },
  cdc_relay_overflowed_rows_total: {
    kind: "counter",
    labels: ["collection"],
    help: "Rows written with values in overflow",
  },
  cdc_relay_dead_letters_total: {
    kind: "counter",
    labels: ["collection"],
    help: "Documents that no row could hold, written to cdc_dead_letter",
  },
  cdc_relay_left_out_collections: {
    kind: "gauge",
    help: "Collections whose changes are not applied, because their tables cannot be used",
  },
  cdc_relay_columns_added_total: { kind: "counter", labels: ["collection"], help: "Columns made" },
  cdc_relay_columns_widened_total: { kind: "counter", labels: ["collection"], help: "Columns widened" },
  cdc_relay_snapshot_documents: {
    kind: "gauge",
    help: "Documents of the snapshot read so far; absent between snapshots",
  },
  cdc_relay_snapshot_documents_expected: {
    kind: "gauge",
    help: "Documents that the snapshot has to read, estimated; absent between snapshots",
  },
  cdc_relay_batch_events: { kind: "histogram", help: "Events of a batch", buckets: EVENTS },
  cdc_relay_batch_duration_seconds: {
    kind: "histogram",
    help: "How long it takes to apply a batch, all stages but read, refresh and save",
    buckets: SECONDS,
  },
  cdc_relay_stage_duration_seconds: {
    kind: "histogram",
    labels: ["stage"],
    help: `How long a stage takes: ${STAGES.join(", ")}`,
    buckets: SECONDS,
  },
  process_cpu_user_seconds_total: {
    isShared: true,
    kind: "counter",
    help: "CPU time of the process, without that of the system",
  },
  process_cpu_system_seconds_total: {
    isShared: true,
    kind: "counter",
    help: "CPU time of the system for the process",
  },
  process_cpu_seconds_total: { isShared: true, kind: "counter", help: "CPU time of both" },
  process_start_time_seconds: {
    isShared: true,
    kind: "gauge",
    help: "When the process has started, in seconds since 1970",
  },
  process_resident_memory_bytes: { isShared: true, kind: "gauge", help: "Resident memory" },
  nodejs_heap_size_total_bytes: { isShared: true, kind: "gauge", help: "Heap of JavaScript" },
  nodejs_heap_size_used_bytes: { isShared: true, kind: "gauge", help: "Heap of JavaScript in use" },
  nodejs_external_memory_bytes: {
    isShared: true,
    kind: "gauge",
    help: "Memory of the runtime outside the heap",
  },
} as const satisfies Readonly<Record<string, MetricDefinition>>;

export type MetricName = keyof typeof METRICS;

/** The names of metrics of one kind. */
export type NameOf<Kind extends MetricDefinition["kind"]> = {
  [Name in MetricName]: (typeof METRICS)[Name]["kind"] extends Kind ? Name : never;
}[MetricName];
