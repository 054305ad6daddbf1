/** The metrics: name, kind, labels and meaning of each in one table. */
import { STAGES } from "../pipeline/status/stages.ts";

export interface MetricDefinition {
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels?: readonly string[];
  /** Upper bounds of a histogram. */
  readonly buckets?: readonly number[];
  /** Whether all streams of a process share it. @default {false} */
  readonly isShared?: boolean;
}

const counter = (help: string, ...labels: string[]) => ({ kind: "counter", help, labels }) as const;
const ofCollection = (help: string, ...labels: string[]) => counter(help, "collection", ...labels);
const gauge = (help: string, ...labels: string[]) => ({ kind: "gauge", help, labels }) as const;
const histogram = (help: string, buckets: readonly number[], ...labels: string[]) =>
  ({ kind: "histogram", help, buckets, labels }) as const;
const shared = <Definition extends MetricDefinition>(definition: Definition) =>
  ({ ...definition, isShared: true }) as const;

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const EVENTS = [1, 10, 100, 1_000, 2_500, 5_000, 10_000, 25_000];

/** In the order in which they are shown. */
export const METRICS = {
  cdc_relay_build_info: shared(gauge("Always 1; the labels are the versions", "version", "runtime")),
  cdc_relay_phase: gauge(
    "1 for the present phase, such as following, snapshot or paused; 0 for the others",
    "phase",
  ),
  cdc_relay_lag_seconds: gauge(
    "Lag of the tables behind the collections, by MongoDB's clock; grows while a database is silent; absent before the first batch",
  ),
  cdc_relay_applied_timestamp_seconds: gauge(
    "All changes up to this time are in the tables, by MongoDB's clock, in seconds since 1970; absent before the first batch",
  ),
  cdc_relay_saved_timestamp_seconds: gauge(
    "When the position was saved last, in seconds since 1970; absent until then",
  ),
  cdc_relay_oplog_headroom_seconds: gauge(
    "How long the relay could be stopped before the oplog drops its position; absent if unknown, and until the oplog drops entries",
  ),
  cdc_relay_outage: gauge(
    "1 while MongoDB, CrateDB or PostgreSQL fails or does not answer, 0 after that; absent before the first outage",
    "system",
  ),
  cdc_relay_outages_total: counter("Outages that have begun", "system"),
  cdc_relay_retries_total: counter("Tries that failed and were repeated", "system"),
  cdc_relay_events_total: ofCollection("Change events read: insert, update, replace, delete", "operation"),
  cdc_relay_event_bytes_total: counter("Bytes of applied change events"),
  cdc_relay_rows_total: ofCollection(
    "Rows written and confirmed, of the stream and of snapshots: upsert, delete",
    "operation",
  ),
  cdc_relay_overflowed_rows_total: ofCollection("Rows written with values in overflow"),
  cdc_relay_unshadowed_rows_total: ofCollection(
    "Rows written without a value in geo or vector, because the document's does not fit there",
  ),
  cdc_relay_unfit_partitions_total: ofCollection(
    "Rows written to the partition of documents that have no value for theirs",
  ),
  cdc_relay_dead_letters_total: ofCollection("Documents that no row can hold, written to cdc_dead_letter"),
  cdc_relay_failed_collections: gauge(
    "Collections whose changes are not applied, because their tables cannot be used",
  ),
  cdc_relay_requests_total: counter(
    "Requests of cdc_control that have ended: done, refused, failed, cancelled, expired",
    "state",
  ),
  cdc_relay_unrecorded_events_total: counter(
    "Events that are not in cdc_events, because CrateDB was away for too long",
  ),
  cdc_relay_hook_failures_total: shared(
    counter("Events that could not be reported to a hook in three tries"),
  ),
  cdc_relay_columns_added_total: ofCollection("Columns added"),
  cdc_relay_columns_widened_total: ofCollection("Columns widened"),
  cdc_relay_statement_rows: gauge("Rows in one statement at most; fewer while CrateDB is overloaded"),
  cdc_relay_statements_in_flight: gauge(
    "Statements for each table at once, at most; fewer while CrateDB is overloaded",
  ),
  cdc_relay_snapshot_documents: gauge("Documents that the snapshot has read; absent between snapshots"),
  cdc_relay_snapshot_documents_expected: gauge(
    "Documents that the snapshot has to read, estimated; absent between snapshots",
  ),
  cdc_relay_batch_events: histogram("Events of a batch", EVENTS),
  cdc_relay_batch_duration_seconds: histogram(
    "Time to apply a batch: all stages but read, refresh and save",
    SECONDS,
  ),
  cdc_relay_stage_duration_seconds: histogram(`Time of a stage: ${STAGES.join(", ")}`, SECONDS, "stage"),
  process_cpu_user_seconds_total: shared(counter("CPU time of the process, without that of the system")),
  process_cpu_system_seconds_total: shared(counter("CPU time of the system for the process")),
  process_cpu_seconds_total: shared(counter("CPU time of both")),
  process_start_time_seconds: shared(gauge("When the process was started, in seconds since 1970")),
  process_resident_memory_bytes: shared(gauge("Resident memory")),
  nodejs_heap_size_total_bytes: shared(gauge("Heap of JavaScript")),
  nodejs_heap_size_used_bytes: shared(gauge("Heap of JavaScript in use")),
  nodejs_external_memory_bytes: shared(gauge("Memory of the runtime outside the heap")),
} as const satisfies Readonly<Record<string, MetricDefinition>>;
