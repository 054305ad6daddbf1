/** The dashboard over Prometheus, with history. */
import type { Dashboard } from "./dashboard.ts";

const OF = '{instance=~"$instance"}';
const WINDOW = "[$__rate_interval]";

export const PROMETHEUS_DASHBOARD: Dashboard = {
  uid: "cdc-relay-prometheus",
  title: "MongoDB to CrateDB: relays",
  description: "Relays as Prometheus has seen them. docs/metrics.md tells what each metric means.",
  source: "prometheus",
  variables: [{ name: "instance", label: "Relay", query: "label_values(cdc_relay_build_info, instance)" }],
  rows: {
    "Now": [
      {
        title: "Phase",
        kind: "stat",
        description: "What the relay is doing.",
        queries: [{ text: `cdc_relay_phase${OF} == 1`, legend: "{{phase}}" }],
        width: 4,
        showsName: true,
      },
      {
        title: "Lag",
        kind: "stat",
        description: "How far the tables are behind the collections.",
        queries: [{ text: `max(cdc_relay_lag_seconds${OF})` }],
        unit: "s",
        limits: [10, 60],
        width: 4,
      },
      {
        title: "Since the last save",
        kind: "stat",
        description: "An idle relay saves at least every third of --lease.",
        queries: [{ text: `max(time() - cdc_relay_saved_timestamp_seconds${OF})` }],
        unit: "s",
        limits: [15, 60],
        width: 4,
      },
      {
        title: "Rows a second",
        kind: "stat",
        description: "Rows written and confirmed.",
        queries: [{ text: `sum(rate(cdc_relay_rows_total${OF}${WINDOW}))` }],
        unit: "ops",
        width: 4,
      },
      {
        title: "Oplog headroom",
        kind: "stat",
        description: "How long the relay could be away before it needs a new snapshot.",
        queries: [{ text: `min(cdc_relay_oplog_headroom_seconds${OF})` }],
        unit: "s",
        width: 4,
      },
      {
        title: "Dead letters",
        kind: "stat",
        description: "Documents that no row could hold, since the relay has started.",
        queries: [{ text: `sum(cdc_relay_dead_letters_total${OF})` }],
        limits: [1, 100],
        width: 4,
      },
    ],
    "Flow": [
      {
        title: "Lag",
        kind: "timeseries",
        description: "Zero or a few milliseconds while the relay keeps up.",
        queries: [{ text: `cdc_relay_lag_seconds${OF}`, legend: "{{instance}}" }],
        unit: "s",
        width: 12,
      },
      {
        title: "Events a second",
        kind: "timeseries",
        description: "What the change stream brings.",
        queries: [{
          text: `sum by (operation) (rate(cdc_relay_events_total${OF}${WINDOW}))`,
          legend: "{{operation}}",
        }],
        unit: "ops",
        stacked: true,
        width: 12,
      },
      {
        title: "Rows a second, by collection",
        kind: "timeseries",
        description:
          "Rows written and confirmed, of the stream and of snapshots; the ten busiest collections.",
        queries: [{
          text: `topk(10, sum by (collection) (rate(cdc_relay_rows_total${OF}${WINDOW})))`,
          legend: "{{collection}}",
        }],
        unit: "ops",
        stacked: true,
        width: 12,
      },
      {
        title: "Bytes a second",
        kind: "timeseries",
        description: "Change events that are applied.",
        queries: [{ text: `sum(rate(cdc_relay_event_bytes_total${OF}${WINDOW}))`, legend: "events" }],
        unit: "Bps",
        width: 12,
      },
      {
        title: "Snapshot",
        kind: "timeseries",
        description: "Documents that are read, of those that there are; nothing while there is no snapshot.",
        queries: [
          { text: `sum(cdc_relay_snapshot_documents${OF})`, legend: "read" },
          { text: `sum(cdc_relay_snapshot_documents_expected${OF})`, legend: "there are" },
        ],
        width: 12,
      },
      {
        title: "Oplog headroom",
        kind: "timeseries",
        description: "Where it falls steadily, the relay is slower than the changes come.",
        queries: [{ text: `cdc_relay_oplog_headroom_seconds${OF}`, legend: "{{instance}}" }],
        unit: "s",
        width: 12,
      },
    ],
    "Where the time goes": [
      {
        title: "Seconds a second, by stage",
        kind: "timeseries",
        description: "read is waiting for changes: where there is little of it, the relay is at its limit.",
        queries: [{
          text: `sum by (stage) (rate(cdc_relay_stage_duration_seconds_sum${OF}${WINDOW}))`,
          legend: "{{stage}}",
        }],
        unit: "s",
        stacked: true,
        width: 12,
      },
      {
        title: "Duration of a batch",
        kind: "timeseries",
        description: "All stages but read, refresh and save.",
        queries: ["0.5", "0.95", "0.99"].map((quantile) => ({
          text:
            `histogram_quantile(${quantile}, sum by (le) (rate(cdc_relay_batch_duration_seconds_bucket${OF}${WINDOW})))`,
          legend: `p${Number(quantile) * 100}`,
        })),
        unit: "s",
        width: 12,
      },
      {
        title: "Duration of a stage, p95",
        kind: "timeseries",
        description: "Which of the databases is slow.",
        queries: [{
          text:
            `histogram_quantile(0.95, sum by (le, stage) (rate(cdc_relay_stage_duration_seconds_bucket{instance=~"$instance", stage!="read"}${WINDOW})))`,
          legend: "{{stage}}",
        }],
        unit: "s",
        width: 12,
      },
      {
        title: "Events of a batch",
        kind: "timeseries",
        description: "Batches grow with the backlog, up to --batch-size.",
        queries: [{
          text:
            `sum(rate(cdc_relay_batch_events_sum${OF}${WINDOW})) / sum(rate(cdc_relay_batch_events_count${OF}${WINDOW}))`,
          legend: "mean",
        }],
        width: 12,
      },
    ],
    "What did not go as it should": [
      {
        title: "Rows with values in overflow, a second",
        kind: "timeseries",
        description: "Values that their columns would change or refuse; nothing is lost.",
        queries: [{
          text: `topk(10, sum by (collection) (rate(cdc_relay_overflowed_rows_total${OF}${WINDOW})))`,
          legend: "{{collection}}",
        }],
        unit: "ops",
        width: 12,
      },
      {
        title: "Dead letters, and failed collections",
        kind: "timeseries",
        description:
          "Documents that no row could hold, since the relay has started, and collections whose tables cannot be used.",
        queries: [
          { text: `sum by (collection) (cdc_relay_dead_letters_total${OF})`, legend: "{{collection}}" },
          { text: `max(cdc_relay_failed_collections${OF})`, legend: "failed collections" },
        ],
        width: 12,
      },
      {
        title: "Tries that failed, a second",
        kind: "timeseries",
        description: "While a database is away; the relay goes on where it was.",
        queries: [
          { text: `sum by (system) (rate(cdc_relay_retries_total${OF}${WINDOW}))`, legend: "{{system}}" },
          { text: `max by (system) (cdc_relay_outage${OF})`, legend: "{{system}} is away" },
        ],
        width: 8,
      },
      {
        title: "Outages",
        kind: "timeseries",
        description: "Outages that have begun, since the relay has started.",
        queries: [{ text: `sum by (system) (cdc_relay_outages_total${OF})`, legend: "{{system}}" }],
        width: 8,
      },
      {
        title: "Columns made and widened",
        kind: "timeseries",
        description: "A table with ever new columns has keys that are data.",
        queries: [
          { text: `sum(cdc_relay_columns_added_total${OF})`, legend: "made" },
          { text: `sum(cdc_relay_columns_widened_total${OF})`, legend: "widened" },
        ],
        width: 8,
      },
    ],
    "Process": [
      {
        title: "CPU",
        kind: "timeseries",
        description: "Cores; more than one where the runtime's own threads are busy.",
        queries: [{
          text: `rate(process_cpu_seconds_total${OF}${WINDOW}) and on (instance) cdc_relay_build_info`,
          legend: "{{instance}}",
        }],
        width: 8,
      },
      {
        title: "Memory",
        kind: "timeseries",
        description: "--max-memory bounds what is on its way; the runtime comes on top.",
        queries: [
          {
            text: `process_resident_memory_bytes${OF} and on (instance) cdc_relay_build_info`,
            legend: "resident",
          },
          {
            text: `nodejs_heap_size_used_bytes${OF} and on (instance) cdc_relay_build_info`,
            legend: "heap in use",
          },
        ],
        unit: "bytes",
        width: 8,
      },
      {
        title: "Since the start",
        kind: "timeseries",
        description: "A relay that starts again and again says why in its log.",
        queries: [{
          text: `time() - process_start_time_seconds${OF} and on (instance) cdc_relay_build_info`,
          legend: "{{instance}}",
        }],
        unit: "s",
        width: 8,
      },
    ],
  },
};
