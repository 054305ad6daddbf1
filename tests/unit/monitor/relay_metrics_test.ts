import assert from "node:assert/strict";
import { METRICS } from "../../../lib/monitor/definitions.ts";
import { RelayMetrics } from "../../../lib/monitor/relay_metrics.ts";
import type { TableWrite } from "../../../lib/pipeline/status/events.ts";
import type { RelayStatus } from "../../../lib/pipeline/status/relay_status.ts";
import { statusOf } from "../../support/status_of.ts";

const NOW = 1_800_000_000_500;
const ORDERS = { database: "shop", collection: "orders" };
const USERS = { database: "shop", collection: "users" };

function metricsOf(status: Partial<RelayStatus> = {}) {
  const metrics = new RelayMetrics({
    streams: [{ name: "", status: { current: statusOf(status) } }],
    clock: { now: () => NOW },
    versions: { version: "1.2.3", runtime: "Deno 2.9.0" },
  });
  const samples = async (name: string): Promise<string[]> =>
    (await metrics.text()).split("\n").filter((line) => line.startsWith(name));
  return { metrics, samples, emit: metrics.listen };
}

const write = (what: Partial<TableWrite>): TableWrite => ({
  namespace: ORDERS,
  upserts: 0,
  deletes: 0,
  overflowed: 0,
  deadLetters: 0,
  ...what,
});

Deno.test("RelayMetrics counts events and rows by collection and operation", async () => {
  const { emit, samples } = metricsOf();
  emit({ type: "eventsRead", namespace: ORDERS, operations: new Map([["insert", 5], ["delete", 1]]) });
  emit({ type: "eventsRead", namespace: ORDERS, operations: new Map([["insert", 2]]) });
  emit({
    type: "tableWritten",
    ...write({ upserts: 7, deletes: 1, overflowed: 2, unshadowed: 4, unfit: 5 }),
  });
  emit({ type: "tableWritten", ...write({ namespace: USERS, upserts: 1, deadLetters: 3 }) });
  assert.deepEqual(await samples("cdc_relay_events_total"), [
    'cdc_relay_events_total{collection="shop.orders",operation="insert"} 7',
    'cdc_relay_events_total{collection="shop.orders",operation="delete"} 1',
  ]);
  assert.deepEqual(await samples("cdc_relay_rows_total"), [
    'cdc_relay_rows_total{collection="shop.orders",operation="upsert"} 7',
    'cdc_relay_rows_total{collection="shop.orders",operation="delete"} 1',
    'cdc_relay_rows_total{collection="shop.users",operation="upsert"} 1',
    'cdc_relay_rows_total{collection="shop.users",operation="delete"} 0',
  ]);
  assert.deepEqual(await samples("cdc_relay_overflowed_rows_total"), [
    'cdc_relay_overflowed_rows_total{collection="shop.orders"} 2',
    'cdc_relay_overflowed_rows_total{collection="shop.users"} 0',
  ]);
  assert.deepEqual(await samples("cdc_relay_unshadowed_rows_total"), [
    'cdc_relay_unshadowed_rows_total{collection="shop.orders"} 4',
    'cdc_relay_unshadowed_rows_total{collection="shop.users"} 0',
  ]);
  assert.deepEqual(await samples("cdc_relay_unfit_partitions_total"), [
    'cdc_relay_unfit_partitions_total{collection="shop.orders"} 5',
    'cdc_relay_unfit_partitions_total{collection="shop.users"} 0',
  ]);
  assert.deepEqual(await samples("cdc_relay_dead_letters_total"), [
    'cdc_relay_dead_letters_total{collection="shop.orders"} 0',
    'cdc_relay_dead_letters_total{collection="shop.users"} 3',
  ]);
});

Deno.test("RelayMetrics counts collections beyond the first 100 together", async () => {
  const { emit, samples } = metricsOf();
  for (const index of [...Array(102).keys(), 0]) {
    emit({ type: "columnsAdded", namespace: { database: "shop", collection: `c${index}` }, columns: 2 });
  }
  const counted = await samples("cdc_relay_columns_added_total");
  assert.equal(counted.length, 101);
  assert.equal(counted.at(0), 'cdc_relay_columns_added_total{collection="shop.c0"} 4');
  assert.equal(counted.at(99), 'cdc_relay_columns_added_total{collection="shop.c99"} 2');
  assert.equal(counted.at(100), 'cdc_relay_columns_added_total{collection="other"} 4');
});

Deno.test("RelayMetrics has what collections are called as one value, whatever is in the name", async () => {
  const { emit, samples } = metricsOf();
  emit({ type: "columnsWidened", namespace: { database: "shop", collection: 'a"b\\c\nd' }, columns: 1 });
  assert.deepEqual(await samples("cdc_relay_columns_widened_total"), [
    'cdc_relay_columns_widened_total{collection="shop.a\\"b\\\\c\\nd"} 1',
  ]);
});

Deno.test("RelayMetrics reports the status in seconds, without unknown values", async () => {
  const known = metricsOf({
    phase: "snapshot",
    clusterTime: NOW,
    lag: 1_250,
    oplogHeadroom: 3_600_000,
    snapshotDone: 10,
    snapshotTotal: 40,
    writeLimits: { statementRows: 1_250, inFlight: 2 },
  });
  assert.deepEqual(
    [
      ...await known.samples("cdc_relay_lag_seconds"),
      ...await known.samples("cdc_relay_applied"),
      ...await known.samples("cdc_relay_oplog"),
      ...await known.samples("cdc_relay_statement"),
      ...await known.samples("cdc_relay_snapshot"),
    ],
    [
      "cdc_relay_lag_seconds 1.25",
      "cdc_relay_applied_timestamp_seconds 1800000000.5",
      "cdc_relay_oplog_headroom_seconds 3600",
      "cdc_relay_statement_rows 1250",
      "cdc_relay_statements_in_flight 2",
      "cdc_relay_snapshot_documents 10",
      "cdc_relay_snapshot_documents_expected 40",
    ],
  );
  const phases = await known.samples("cdc_relay_phase{");
  assert.deepEqual(phases.filter((line) => line.endsWith(" 1")), ['cdc_relay_phase{phase="snapshot"} 1']);
  const unknown = metricsOf({ lag: null, clusterTime: null });
  for (const name of ["lag", "applied", "oplog", "statement", "snapshot", "saved"]) {
    assert.deepEqual(await unknown.samples(`cdc_relay_${name}`), []);
  }
});

Deno.test("RelayMetrics no longer shows a snapshot that is done", async () => {
  const status = { current: statusOf({ snapshotDone: 1, snapshotTotal: 2 }) };
  const metrics = new RelayMetrics({
    streams: [{ name: "", status }],
    clock: { now: () => NOW },
    versions: { version: "", runtime: "" },
  });
  assert.match(await metrics.text(), /^cdc_relay_snapshot_documents 1$/m);
  status.current = statusOf({});
  assert.doesNotMatch(await metrics.text(), /^cdc_relay_snapshot_documents 1$/m);
});

Deno.test("RelayMetrics counts outages once, and each try", async () => {
  const { emit, samples } = metricsOf();
  assert.deepEqual(await samples("cdc_relay_outage"), []);
  const outage = { system: "CrateDB", error: new Error("no"), lasted: 0 } as const;
  emit({ type: "retried", ...outage });
  emit({ type: "outageBegan", ...outage });
  emit({ type: "retried", ...outage });
  emit({ type: "outage", ...outage, lasted: 60_000 });
  assert.deepEqual(await samples("cdc_relay_outage{"), ['cdc_relay_outage{system="CrateDB"} 1']);
  assert.deepEqual(await samples("cdc_relay_outages_total"), ['cdc_relay_outages_total{system="CrateDB"} 1']);
  assert.deepEqual(await samples("cdc_relay_retries_total"), ['cdc_relay_retries_total{system="CrateDB"} 2']);
  emit({ type: "recovered", ...outage });
  assert.deepEqual(await samples("cdc_relay_outage{"), ['cdc_relay_outage{system="CrateDB"} 0']);
  // Silence is noticed some seconds after it began.
  emit({ type: "outageBegan", ...outage, lasted: 5_000 });
  assert.deepEqual(await samples("cdc_relay_outages_total"), ['cdc_relay_outages_total{system="CrateDB"} 2']);
});

Deno.test("RelayMetrics has histograms of batches and stages, and when the position was saved", async () => {
  const { emit, samples } = metricsOf();
  emit({ type: "batchApplied", events: 30, bytes: 900, seconds: 0.03 });
  emit({ type: "stageDone", stage: "look_up", seconds: 0.002 });
  emit({ type: "positionSaved" });
  const [bucket] = await samples('cdc_relay_batch_events_bucket{le="100"}');
  assert.equal(bucket, 'cdc_relay_batch_events_bucket{le="100"} 1');
  assert.deepEqual(await samples("cdc_relay_batch_duration_seconds_sum"), [
    "cdc_relay_batch_duration_seconds_sum 0.03",
  ]);
  assert.deepEqual(await samples("cdc_relay_event_bytes_total"), ["cdc_relay_event_bytes_total 900"]);
  assert.deepEqual(await samples('cdc_relay_stage_duration_seconds_bucket{le="0.0025"'), [
    'cdc_relay_stage_duration_seconds_bucket{le="0.0025",stage="look_up"} 1',
  ]);
  assert.deepEqual(await samples("cdc_relay_saved"), ["cdc_relay_saved_timestamp_seconds 1800000000.5"]);
});

Deno.test("RelayMetrics reports CPU and memory of the process, none of them 0", async () => {
  const { samples } = metricsOf();
  const own = [...await samples("process_"), ...await samples("nodejs_")];
  assert.equal(own.length, 8);
  for (const sample of own) assert.ok(Number(sample.split(" ")[1]) > 0, sample);
  assert.deepEqual(await samples("cdc_relay_build_info"), [
    'cdc_relay_build_info{version="1.2.3",runtime="Deno 2.9.0"} 1',
  ]);
});

Deno.test("the names and units of metrics are as Prometheus has them", () => {
  for (const [name, definition] of Object.entries(METRICS)) {
    assert.match(name, /^(?:cdc_relay|process|nodejs)_[a-z_]+$/);
    assert.equal(name.endsWith("_total"), definition.kind === "counter", name);
    assert.doesNotMatch(name, /milli|_ms|_kb|_count$|_sum$|_bucket$/);
  }
});
