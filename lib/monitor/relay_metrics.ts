/** A relay's metrics for Prometheus: counted from its events, and read from its status when they are requested. */
import process from "node:process";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { type Listener, on, type RelayEvent } from "../pipeline/status/events.ts";
import { PHASES, type RelayStatus, type StatusSource } from "../pipeline/status/relay_status.ts";
import type { Clock } from "../util/clock.ts";
import { type Namespace, namespaceText } from "../util/namespace.ts";
import { type MetricDefinition, METRICS } from "./definitions.ts";

export interface MonitoredStream {
  /** The value of the label `stream`; empty for a relay without a file, which has no such label. */
  readonly name: string;
  readonly status: StatusSource;
}

export interface RelayMetricsDeps {
  readonly streams: readonly [MonitoredStream, ...MonitoredStream[]];
  readonly clock: Pick<Clock, "now">;
  /** Of this program, and of its runtime. */
  readonly versions: Record<"version" | "runtime", string>;
}

/** The most values of the label `collection`: each has its own time series. */
const MAX_COLLECTIONS = 100;

type Labels = Readonly<Record<string, string>>;
type Kinds = { readonly counter: Counter; readonly gauge: Gauge; readonly histogram: Histogram };

export class RelayMetrics {
  readonly #collections = new Set<string>();
  readonly #registry = new Registry();
  readonly #listeners: ReadonlyMap<MonitoredStream, Listener>;

  constructor(private readonly deps: RelayMetricsDeps) {
    for (const [name, definition] of Object.entries<MetricDefinition>(METRICS)) {
      this.#define(name, definition);
    }
    this.#metric("cdc_relay_build_info").set(deps.versions, 1);
    this.#listeners = new Map(deps.streams.map((each) => [each, this.#listenerOf(each)]));
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Counts an event of a stream. @param stream @default {the first one} */
  readonly listen = (event: RelayEvent, stream: MonitoredStream = this.deps.streams[0]): void =>
    void this.#listeners.get(stream)?.(event);

  /** All metrics as they are now, in Prometheus' text format. */
  async text(): Promise<string> {
    for (const each of this.deps.streams) this.#readStatus(each.status.current, this.#streamLabel(each));
    for (const [name, value] of entries(processMetrics())) {
      this.#metric(name).reset();
      this.#metric(name).inc(value);
    }
    return await this.#registry.metrics();
  }

  #streamLabel({ name }: MonitoredStream): Labels {
    return name === "" ? {} : { stream: name };
  }

  /** Collections beyond {@linkcode MAX_COLLECTIONS} are `other`, which no collection is named: their names have a dot. */
  #collectionLabel(namespace: Namespace): string {
    const name = namespaceText(namespace);
    if (this.#collections.size < MAX_COLLECTIONS) this.#collections.add(name);
    return this.#collections.has(name) ? name : "other";
  }

  #listenerOf(monitored: MonitoredStream): Listener {
    const stream = this.#streamLabel(monitored);
    const of = (namespace: Namespace) => ({ ...stream, collection: this.#collectionLabel(namespace) });
    return on({
      eventsRead: ({ namespace, operations }) => {
        for (const [operation, count] of operations) {
          this.#metric("cdc_relay_events_total").inc({ ...of(namespace), operation }, count);
        }
      },
      tableWritten: ({ namespace, upserts, deletes, overflowed, deadLetters, unshadowed, unfit }) => {
        const labels = of(namespace);
        this.#metric("cdc_relay_rows_total").inc({ ...labels, operation: "upsert" }, upserts);
        this.#metric("cdc_relay_rows_total").inc({ ...labels, operation: "delete" }, deletes);
        this.#metric("cdc_relay_overflowed_rows_total").inc(labels, overflowed);
        this.#metric("cdc_relay_unshadowed_rows_total").inc(labels, unshadowed ?? 0);
        this.#metric("cdc_relay_unfit_partitions_total").inc(labels, unfit ?? 0);
        this.#metric("cdc_relay_dead_letters_total").inc(labels, deadLetters);
      },
      columnsAdded: ({ namespace, columns }) =>
        this.#metric("cdc_relay_columns_added_total").inc(of(namespace), columns),
      columnsWidened: ({ namespace, columns }) =>
        this.#metric("cdc_relay_columns_widened_total").inc(of(namespace), columns),
      batchApplied: ({ events, bytes, seconds }) => {
        this.#metric("cdc_relay_event_bytes_total").inc(stream, bytes);
        this.#metric("cdc_relay_batch_events").observe(stream, events);
        this.#metric("cdc_relay_batch_duration_seconds").observe(stream, seconds);
      },
      stageDone: ({ stage, seconds }) =>
        this.#metric("cdc_relay_stage_duration_seconds").observe({ ...stream, stage }, seconds),
      positionSaved: () =>
        this.#metric("cdc_relay_saved_timestamp_seconds").set(stream, this.deps.clock.now() / 1_000),
      requestChanged: ({ request: { state } }) => {
        if (state === "asked" || state === "running") return;
        this.#metric("cdc_relay_requests_total").inc({ ...stream, state });
      },
      recordsLost: ({ events }) => this.#metric("cdc_relay_unrecorded_events_total").inc(stream, events),
      hookFailed: () => this.#metric("cdc_relay_hook_failures_total").inc(),
      outageBegan: ({ system }) => {
        this.#metric("cdc_relay_outages_total").inc({ ...stream, system });
        this.#metric("cdc_relay_outage").set({ ...stream, system }, 1);
      },
      recovered: ({ system }) => this.#metric("cdc_relay_outage").set({ ...stream, system }, 0),
      retried: ({ system }) => this.#metric("cdc_relay_retries_total").inc({ ...stream, system }),
    });
  }

  #readStatus(status: RelayStatus, stream: Labels): void {
    const inSeconds = (milliseconds: number | null) => milliseconds === null ? null : milliseconds / 1_000;
    const gauges = {
      cdc_relay_failed_collections: status.failedCollections.length,
      cdc_relay_lag_seconds: inSeconds(status.lag),
      cdc_relay_applied_timestamp_seconds: inSeconds(status.clusterTime),
      cdc_relay_oplog_headroom_seconds: inSeconds(status.oplogHeadroom),
      cdc_relay_statement_rows: status.writeLimits?.statementRows ?? null,
      cdc_relay_statements_in_flight: status.writeLimits?.inFlight ?? null,
      cdc_relay_snapshot_documents: status.snapshotDone,
      cdc_relay_snapshot_documents_expected: status.snapshotTotal,
    };
    for (const [name, value] of entries(gauges)) {
      if (value === null) this.#metric(name).remove(stream);
      else this.#metric(name).set(stream, value);
    }
    for (const phase of PHASES) {
      this.#metric("cdc_relay_phase").set({ ...stream, phase }, phase === status.phase ? 1 : 0);
    }
  }

  #define(name: string, { kind, help, labels = [], buckets = [], isShared }: MetricDefinition): void {
    const isNamed = this.deps.streams.some(({ name }) => name !== "");
    const labelNames = isNamed && !isShared ? ["stream", ...labels] : [...labels];
    const definition = { name, help, labelNames, registers: [this.#registry] };
    if (kind === "counter") new Counter(definition);
    else if (kind === "histogram") new Histogram({ ...definition, buckets: [...buckets] });
    else if (labelNames.length > 0) new Gauge(definition);
    else new Gauge(definition).remove(); // Absent until it is set.
  }

  #metric<Name extends keyof typeof METRICS>(name: Name): Kinds[typeof METRICS[Name]["kind"]] {
    return this.#registry.getSingleMetric(name) as Kinds[typeof METRICS[Name]["kind"]];
  }
}

const entries = Object.entries as <Name extends string, Value>(of: Record<Name, Value>) => [Name, Value][];

/**
 * CPU and memory of the process, by the names that dashboards for Node.js use. The metrics of prom-client itself read
 * `/proc`, which takes a permission that the relay does not need, and are 0 without it.
 */
function processMetrics() {
  const microseconds = process.cpuUsage();
  const [user, system] = [microseconds.user / 1_000_000, microseconds.system / 1_000_000];
  const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
  return {
    process_cpu_user_seconds_total: user,
    process_cpu_system_seconds_total: system,
    process_cpu_seconds_total: user + system,
    process_start_time_seconds: Math.round(performance.timeOrigin / 1_000),
    process_resident_memory_bytes: rss,
    nodejs_heap_size_total_bytes: heapTotal,
    nodejs_heap_size_used_bytes: heapUsed,
    nodejs_external_memory_bytes: external,
  };
}
