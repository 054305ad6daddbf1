/** A relay's metrics for Prometheus: counted from its events, and read from its status when they are requested. */
import process from "node:process";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { type Listener, on, type RelayEvent } from "../pipeline/status/events.ts";
import { PHASES, type RelayStatus, type StatusSource } from "../pipeline/status/relay_status.ts";
import type { Clock } from "../util/clock.ts";
import { type Namespace, namespaceText } from "../util/namespace.ts";
import { type MetricDefinition, METRICS, type NameOf } from "./definitions.ts";

export interface MonitoredStream {
  /** The value of the label `stream`, which only a process with several streams has. */
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

export class RelayMetrics {
  readonly #deps: RelayMetricsDeps;
  readonly #collections = new Set<string>();
  readonly #registry = new Registry();
  readonly #listeners: ReadonlyMap<MonitoredStream, Listener>;

  constructor(deps: RelayMetricsDeps) {
    this.#deps = deps;
    for (const [name, definition] of Object.entries<MetricDefinition>(METRICS)) {
      this.#define(name, definition);
    }
    this.#set("cdc_relay_build_info", 1, deps.versions);
    this.#listeners = new Map(deps.streams.map((each) => [each, this.#listenerOf(each)]));
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Counts an event of a stream. @param stream @default {the first one} */
  readonly listen = (event: RelayEvent, stream: MonitoredStream = this.#deps.streams[0]): void =>
    void this.#listeners.get(stream)?.(event);

  /** All metrics as they are now, in Prometheus' text format. */
  async text(): Promise<string> {
    for (const each of this.#deps.streams) this.#readStatus(each.status.current, this.#streamLabel(each));
    const { counters, gauges } = processMetrics();
    for (const [name, value] of Object.entries(gauges)) this.#metric<Gauge>(name).set(value);
    for (const [name, value] of Object.entries(counters)) {
      const counter = this.#metric<Counter>(name);
      counter.reset();
      counter.inc(value);
    }
    return await this.#registry.metrics();
  }

  #streamLabel({ name }: MonitoredStream): Labels {
    return this.#deps.streams.length > 1 ? { stream: name } : {};
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
          this.#add("cdc_relay_events_total", count, { ...of(namespace), operation });
        }
      },
      tableWritten: ({ namespace, upserts, deletes, overflowed, deadLetters }) => {
        const labels = of(namespace);
        this.#add("cdc_relay_rows_total", upserts, { ...labels, operation: "upsert" });
        this.#add("cdc_relay_rows_total", deletes, { ...labels, operation: "delete" });
        this.#add("cdc_relay_overflowed_rows_total", overflowed, labels);
        this.#add("cdc_relay_dead_letters_total", deadLetters, labels);
      },
      columnsAdded: ({ namespace, columns }) =>
        this.#add("cdc_relay_columns_added_total", columns, of(namespace)),
      columnsWidened: ({ namespace, columns }) =>
        this.#add("cdc_relay_columns_widened_total", columns, of(namespace)),
      batchApplied: ({ events, bytes, seconds }) => {
        this.#add("cdc_relay_event_bytes_total", bytes, stream);
        this.#observe("cdc_relay_batch_events", events, stream);
        this.#observe("cdc_relay_batch_duration_seconds", seconds, stream);
      },
      stageDone: ({ stage, seconds }) =>
        this.#observe("cdc_relay_stage_duration_seconds", seconds, { ...stream, stage }),
      positionSaved: () =>
        this.#set("cdc_relay_saved_timestamp_seconds", this.#deps.clock.now() / 1_000, stream),
      outageBegan: ({ system }) => {
        this.#add("cdc_relay_outages_total", 1, { system });
        this.#set("cdc_relay_outage", 1, { system });
      },
      recovered: ({ system }) => this.#set("cdc_relay_outage", 0, { system }),
      retried: ({ system }) => this.#add("cdc_relay_retries_total", 1, { system }),
    });
  }

  #readStatus(status: RelayStatus, stream: Labels): void {
    const { phase, lag, clusterTime, oplogHeadroom, snapshotDone, snapshotTotal, failedCollections } = status;
    const set = (name: NameOf<"gauge">, value: number | null) =>
      value === null ? this.#metric<Gauge>(name).remove(stream) : this.#set(name, value, stream);
    const inSeconds = (milliseconds: number | null) => milliseconds === null ? null : milliseconds / 1_000;
    for (const each of PHASES) {
      this.#set("cdc_relay_phase", each === phase ? 1 : 0, { ...stream, phase: each });
    }
    set("cdc_relay_failed_collections", failedCollections.length);
    set("cdc_relay_lag_seconds", inSeconds(lag));
    set("cdc_relay_applied_timestamp_seconds", inSeconds(clusterTime));
    set("cdc_relay_oplog_headroom_seconds", inSeconds(oplogHeadroom));
    set("cdc_relay_snapshot_documents", snapshotDone);
    set("cdc_relay_snapshot_documents_expected", snapshotTotal);
  }

  #define(name: string, { kind, help, labels = [], buckets = [], isShared }: MetricDefinition): void {
    const labelNames = this.#deps.streams.length > 1 && !isShared ? ["stream", ...labels] : [...labels];
    const definition = { name, help, labelNames, registers: [this.#registry] };
    if (kind === "counter") new Counter(definition);
    else if (kind === "histogram") new Histogram({ ...definition, buckets: [...buckets] });
    else if (labelNames.length > 0) new Gauge(definition);
    else new Gauge(definition).remove(); // Absent until it is set.
  }

  #add(name: NameOf<"counter">, value: number, labels: Labels): void {
    this.#metric<Counter>(name).inc(labels, value);
  }

  #set(name: NameOf<"gauge">, value: number, labels: Labels): void {
    this.#metric<Gauge>(name).set(labels, value);
  }

  #observe(name: NameOf<"histogram">, value: number, labels: Labels): void {
    this.#metric<Histogram>(name).observe(labels, value);
  }

  #metric<Kind extends Counter | Gauge | Histogram>(name: string): Kind {
    return this.#registry.getSingleMetric(name) as Kind;
  }
}

/**
 * CPU and memory of the process, by the names that dashboards for Node.js use. The metrics of prom-client itself read
 * `/proc`, which takes a permission that the relay does not need, and are 0 without it.
 */
function processMetrics() {
  const microseconds = process.cpuUsage();
  const [user, system] = [microseconds.user / 1_000_000, microseconds.system / 1_000_000];
  const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
  return {
    counters: {
      process_cpu_user_seconds_total: user,
      process_cpu_system_seconds_total: system,
      process_cpu_seconds_total: user + system,
    },
    gauges: {
      process_start_time_seconds: Math.round(performance.timeOrigin / 1_000),
      process_resident_memory_bytes: rss,
      nodejs_heap_size_total_bytes: heapTotal,
      nodejs_heap_size_used_bytes: heapUsed,
      nodejs_external_memory_bytes: external,
    },
  };
}
