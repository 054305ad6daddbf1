/** A relay's metrics for Prometheus: counted from what the relay tells, and read of its status when they are asked for. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { on } from "../pipeline/status/events.ts";
import type { StatusSource, StreamPhase } from "../pipeline/status/relay_status.ts";
import type { Clock } from "../util/clock.ts";
import { CollectionLabels } from "./collection_labels.ts";
import { type MetricDefinition, METRICS, type NameOf } from "./definitions.ts";
import { processMetrics } from "./process_metrics.ts";

export interface RelayMetricsDeps {
  readonly status: StatusSource;
  readonly clock: Pick<Clock, "now">;
  /** Of this program, and of what runs it. */
  readonly versions: { readonly version: string; readonly runtime: string };
  /** @default {100 collections} */
  readonly labels?: CollectionLabels;
}

/** All that there are, as the compiler sees to. */
const PHASES: Readonly<Record<StreamPhase, true>> = {
  "starting": true,
  "standby": true,
  "snapshot": true,
  "catching up": true,
  "following": true,
  "waiting for CrateDB": true,
  "waiting for PostgreSQL": true,
  "waiting for MongoDB": true,
  "stopped": true,
  "failed": true,
};

type Labels = Readonly<Record<string, string>>;

export class RelayMetrics {
  readonly #deps: RelayMetricsDeps;
  readonly #labels: CollectionLabels;
  readonly #registry = new Registry();
  readonly #counters = new Map<string, Counter>();
  readonly #gauges = new Map<string, Gauge>();
  readonly #histograms = new Map<string, Histogram>();

  constructor(deps: RelayMetricsDeps) {
    this.#deps = deps;
    this.#labels = deps.labels ?? new CollectionLabels();
    for (const [name, definition] of Object.entries<MetricDefinition>(METRICS)) {
      this.#define(name, definition);
    }
    this.#set("cdc_relay_build_info", 1, deps.versions);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All metrics as they are now, in Prometheus' text format. */
  async text(): Promise<string> {
    this.#readStatus();
    const { counters, gauges } = processMetrics();
    for (const [name, value] of Object.entries(gauges)) this.#gauges.get(name)?.set(value);
    for (const [name, value] of Object.entries(counters)) {
      const counter = this.#counters.get(name);
      counter?.reset();
      counter?.inc(value);
    }
    return await this.#registry.metrics();
  }

  readonly listen = on({
    eventsRead: ({ namespace, operations }) => {
      const collection = this.#labels.of(namespace);
      for (const [operation, count] of operations) {
        this.#add("cdc_relay_events_total", count, { collection, operation });
      }
    },
    tableWritten: ({ namespace, upserts, deletes, overflowed, deadLetters }) => {
      const collection = this.#labels.of(namespace);
      this.#add("cdc_relay_rows_total", upserts, { collection, operation: "upsert" });
      this.#add("cdc_relay_rows_total", deletes, { collection, operation: "delete" });
      this.#add("cdc_relay_overflowed_rows_total", overflowed, { collection });
      this.#add("cdc_relay_dead_letters_total", deadLetters, { collection });
    },
    columnsAdded: ({ namespace, columns }) =>
      this.#add("cdc_relay_columns_added_total", columns, { collection: this.#labels.of(namespace) }),
    columnsWidened: ({ namespace, columns }) =>
      this.#add("cdc_relay_columns_widened_total", columns, { collection: this.#labels.of(namespace) }),
    batchApplied: ({ events, bytes, seconds }) => {
      this.#add("cdc_relay_event_bytes_total", bytes);
      this.#observe("cdc_relay_batch_events", events);
      this.#observe("cdc_relay_batch_duration_seconds", seconds);
    },
    stageDone: ({ stage, seconds }) => this.#observe("cdc_relay_stage_duration_seconds", seconds, { stage }),
    positionSaved: () => this.#set("cdc_relay_saved_timestamp_seconds", this.#deps.clock.now() / 1_000),
    outageBegan: ({ system }) => {
      this.#add("cdc_relay_outages_total", 1, { system });
      this.#set("cdc_relay_outage", 1, { system });
    },
    recovered: ({ system }) => this.#set("cdc_relay_outage", 0, { system }),
    retried: ({ system }) => this.#add("cdc_relay_retries_total", 1, { system }),
  });

  #readStatus(): void {
    const { phase, lag, clusterTime, oplogHeadroom, snapshotDone, snapshotTotal, leftOut } =
      this.#deps.status.current;
    for (const each of Object.keys(PHASES)) {
      this.#set("cdc_relay_phase", each === phase ? 1 : 0, { phase: each });
    }
    this.#set("cdc_relay_left_out_collections", leftOut.length);
    this.#setKnown("cdc_relay_lag_seconds", lag === null ? null : lag / 1_000);
    this.#setKnown("cdc_relay_applied_timestamp_seconds", clusterTime === null ? null : clusterTime / 1_000);
    this.#setKnown("cdc_relay_oplog_headroom_seconds", oplogHeadroom === null ? null : oplogHeadroom / 1_000);
    this.#setKnown("cdc_relay_snapshot_documents", snapshotDone);
    this.#setKnown("cdc_relay_snapshot_documents_expected", snapshotTotal);
  }

  #define(name: string, { kind, help, labels = [], buckets = [] }: MetricDefinition): void {
    const definition = { name, help, labelNames: [...labels], registers: [this.#registry] };
    switch (kind) {
      case "counter":
        this.#counters.set(name, new Counter(definition));
        break;
      case "gauge": {
        const gauge = new Gauge(definition);
        if (labels.length === 0) gauge.remove(); // Absent until it is set.
        this.#gauges.set(name, gauge);
        break;
      }
      case "histogram":
        this.#histograms.set(name, new Histogram({ ...definition, buckets: [...buckets] }));
    }
  }

  #add(name: NameOf<"counter">, value: number, labels: Labels = {}): void {
    this.#counters.get(name)?.inc(labels, value);
  }

  #set(name: NameOf<"gauge">, value: number, labels: Labels = {}): void {
    this.#gauges.get(name)?.set(labels, value);
  }

  #setKnown(name: NameOf<"gauge">, value: number | null): void {
    if (value === null) this.#gauges.get(name)?.remove();
    else this.#set(name, value);
  }

  #observe(name: NameOf<"histogram">, value: number, labels: Labels = {}): void {
    this.#histograms.get(name)?.observe(labels, value);
  }
}
