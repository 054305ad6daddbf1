import assert from "node:assert/strict";
import { statusReport } from "../../../lib/monitor/status_report.ts";
import type { CollectionChange } from "../../../lib/pipeline/status/events.ts";
import { columnsOf } from "../../../lib/pipeline/status/relay_status.ts";
import { STATUS_FIELDS, type StreamStatus } from "../../../lib/sink/metadata/status_view.ts";
import { statusText } from "../../../lib/status/status.ts";
import { VERSION } from "../../../lib/util/runtime.ts";
import { statusOf } from "../../support/status_of.ts";

const NOW = Date.parse("2026-01-31T12:00:00Z");
const STREAM = { schema: "doc", stream: "shop.* -> t", owner: "host/1/ab" };
const STATUS = statusOf({
  clusterTime: NOW - 25,
  lag: 25,
  upserts: 80,
  deletes: 10,
  oplogHeadroom: 7_200_000,
});

const changeOf = (collection: string, state: CollectionChange["state"]): CollectionChange => ({
  namespace: { database: "shop", collection },
  table: `"shop"."${collection}"`,
  state,
  since: NOW,
});
const COLLECTIONS = [
  changeOf("lines", { name: "failed", reason: "it is a view", hint: "Drop it" }),
  changeOf("dropped", undefined),
];

Deno.test("statusReport() has the fields of `status --json`, with their units", () => {
  let now = NOW - 1_500;
  const { listen, report } = statusReport({ current: STATUS }, {
    clock: { now: () => now, monotonic: () => now },
    maxLag: () => 60_000,
  });
  listen({ type: "leaseTaken", ...STREAM });
  listen({ type: "positionSaved" });
  for (const change of COLLECTIONS) listen({ type: "collectionChanged", ...change });
  now = NOW;
  assert.deepEqual(report(), {
    schema: "doc",
    stream: "shop.* -> t",
    state: "failed collections",
    sentence: "Following: 25 ms behind MongoDB",
    warnings: [{
      text: "shop.lines failed: it is a view.",
      hint: "Drop it. Then ctl snapshot shop.lines reads it again; the relay tries within a minute.",
    }],
    rate_per_s: 0,
    proof: { equal: 0, of: 1, up_to: null },
    phase: "following",
    cluster_time: "2026-01-31T11:59:59.975Z",
    lag_ms: 25,
    snapshot_done: null,
    snapshot_total: null,
    events: 0,
    rows: 90,
    overflowed: 0,
    dead_letters: 0,
    oplog_headroom_s: 7_200,
    failed_collections: 0,
    last_error: null,
    version: VERSION,
    owner: "host/1/ab",
    reported_at: "2026-01-31T12:00:00.000Z",
    saved_at: "2026-01-31T11:59:58.500Z",
    collections: [{
      collection: "shop.lines",
      table: '"shop"."lines"',
      state: "failed",
      reason: "it is a view",
      hint: "Drop it",
      since: "2026-01-31T12:00:00.000Z",
      rows: 0,
      documents: null,
      overflowed: 0,
      dead_letters: 0,
      snapshot_done: null,
      snapshot_total: null,
      snapshot_rate_per_s: null,
      snapshot_left_ms: null,
      verified: null,
      verified_to: null,
    }],
  });
});

Deno.test("statusReport() has each field of the view, also before the databases are connected", () => {
  const report = statusReport({ current: STATUS }, {
    clock: { now: () => NOW, monotonic: () => NOW },
    maxLag: () => 60_000,
  }).report();
  const fields = ["schema", "collections", ...STATUS_FIELDS];
  assert.deepEqual(fields.filter((name) => !Object.hasOwn(report, name)), []);
  assert.deepEqual([report.stream, report.owner, report.saved_at], [null, null, null]);
});

Deno.test("the page and `status --watch` show the same figures and the same warnings", () => {
  for (
    const current of [
      STATUS,
      statusOf({ phase: "snapshot", lag: 90_000, snapshotDone: 3, snapshotTotal: 9, oplogHeadroom: 60_000 }),
      statusOf({ phase: "waiting for MongoDB", lag: 120_000, lastError: "refused" }),
      statusOf({ phase: "failed", lastError: "no\nprivilege" }),
      statusOf({ phase: "paused", lag: 90_000, clusterTime: NOW - 90_000, oplogHeadroom: 1_000 }),
    ]
  ) {
    const { listen, report } = statusReport({ current }, {
      clock: { now: () => NOW, monotonic: () => NOW },
      maxLag: () => 60_000,
    });
    listen({ type: "leaseTaken", ...STREAM });
    for (const change of COLLECTIONS) listen({ type: "collectionChanged", ...change });
    const { warnings, sentence: _, rate_per_s: __, proof: ___, ...shown } = report();
    // What the relay writes to its tables, and `status` reads there.
    const stored = {
      ...STREAM,
      ...columnsOf(current),
      state: shown.state,
      dead_letters: 0,
      reported_at: shown.reported_at,
      saved_at: shown.saved_at,
      collections: shown.collections,
    } as unknown as StreamStatus;
    const text = statusText([stored], { width: 1_000, now: NOW, maxLag: 60_000 });
    assert.deepEqual(text, statusText([shown as StreamStatus], { width: 1_000, now: NOW, maxLag: 60_000 }));
    const told = warnings.flatMap(({ text, hint }) => [`${STREAM.stream}: ${text}`, `  ${hint}`]);
    assert.deepEqual(text.slice(2, 2 + told.length), told);
  }
});

Deno.test("statusReport() forgets a collection that is no longer followed", () => {
  const { listen, report } = statusReport({ current: STATUS }, {
    clock: { now: () => NOW, monotonic: () => NOW },
    maxLag: () => 60_000,
  });
  const changed = (state: CollectionChange["state"]) =>
    listen({ type: "collectionChanged", ...changeOf("orders", state) });
  changed({ name: "following" });
  const { namespace } = changeOf("orders", undefined);
  listen({ type: "tableWritten", namespace, upserts: 5, deletes: 0, overflowed: 0, deadLetters: 0 });
  changed(undefined);
  assert.deepEqual(report().collections, []);
  changed({ name: "following" });
  assert.equal(report().collections[0]?.rows, 0);
});
