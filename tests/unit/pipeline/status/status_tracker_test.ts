import assert from "node:assert/strict";
import type { CollectionState } from "../../../../lib/pipeline/collections/collection_state.ts";
import type { Advance } from "../../../../lib/pipeline/status/events.ts";
import { columnsOf, type StreamPhase } from "../../../../lib/pipeline/status/relay_status.ts";
import { StatusTracker } from "../../../../lib/pipeline/status/status_tracker.ts";
import { OutageTracker } from "../../../../lib/util/outage.ts";
import { fakeClock, START } from "../../../support/fake_clock.ts";

const ORDERS = { database: "shop", collection: "orders" };
const STREAM = { schema: "doc", stream: "shop.* -> shop.{collection}", owner: "host/1/ab" };
const SNAPSHOT_DONE = { type: "snapshotDone", documents: 9, seconds: 1 } as const;
const OPERATION = Symbol();

function setUp() {
  const clock = fakeClock();
  const tracker = new StatusTracker(clock);
  const trackerOf = (system: "CrateDB" | "MongoDB") => {
    const outages = new OutageTracker({ system, emit: () => {}, clock });
    tracker.watch(outages);
    return outages;
  };
  const systems = { MongoDB: trackerOf("MongoDB"), CrateDB: trackerOf("CrateDB") };
  const advanced = (advance: Partial<Advance> = {}) =>
    tracker.listen({ type: "advanced", clusterTime: START, lag: 0, ...advance });
  return { clock, tracker, systems, advanced };
}

type Report = (parts: ReturnType<typeof setUp>) => void;
const ready: Report = ({ tracker }) => tracker.listen({ type: "ready" });
const snapshot: Report = ({ tracker }) =>
  tracker.listen({ type: "snapshotProgress", documents: 3, total: 9, lagSeconds: 0 });
const behind = (lag: number): Report => ({ advanced }) => advanced({ lag });
const away = (system: "CrateDB" | "MongoDB", error = "away"): Report => ({ systems }) =>
  systems[system].failed(OPERATION, new Error(error));
const back = (system: "CrateDB" | "MongoDB"): Report => ({ systems }) => systems[system].answered(OPERATION);
const passed = (milliseconds: number): Report => ({ clock }) => clock.pass(milliseconds);

const PHASES: readonly (readonly [expected: StreamPhase, ...reports: Report[]])[] = [
  ["starting"],
  ["starting", behind(0)],
  ["snapshot", snapshot],
  ["starting", snapshot, ({ tracker }) => tracker.listen(SNAPSHOT_DONE)],
  ["following", ready, behind(0)],
  ["following", snapshot, ready, behind(0)],
  ["following", ready, behind(2_000)],
  ["catching up", ready, behind(2_001)],
  ["following", ready, behind(0), passed(2_000)],
  ["catching up", ready, behind(0), passed(2_001)],
  ["catching up", ready, behind(0), ({ tracker }) => tracker.listen({ type: "batchStarted", lag: 60_000 })],
  ["snapshot", ready, snapshot],
  ["starting", ready, snapshot, ({ tracker }) => tracker.listen({ type: "historyLost" })],
  ["standby", ({ tracker }) => tracker.listen({ type: "standingBy", ...STREAM })],
  [
    "starting",
    ({ tracker }) => tracker.listen({ type: "standingBy", ...STREAM }),
    ({ tracker }) => tracker.listen({ type: "leaseTaken", ...STREAM }),
  ],
  ["waiting for CrateDB", ready, snapshot, away("MongoDB"), away("CrateDB")],
  ["waiting for MongoDB", ready, away("MongoDB"), away("CrateDB"), back("CrateDB")],
  ["following", ready, away("MongoDB"), back("MongoDB")],
  ["stopped", ready, away("MongoDB"), ({ tracker }) => tracker.listen({ type: "ended" })],
  ["failed", ready, ({ tracker }) => tracker.listen({ type: "ended", error: new Error("broken") })],
];

Deno.test("StatusTracker names the phase: an outage before a snapshot, a snapshot before the stream", () => {
  for (const [at, [expected, ...reports]] of PHASES.entries()) {
    const parts = setUp();
    for (const report of reports) report(parts);
    assert.equal(parts.tracker.current.phase, expected, `row ${at}`);
  }
});

Deno.test("StatusTracker has no lag before the first batch", () => {
  const { clusterTime, lag } = setUp().tracker.current;
  assert.deepEqual([clusterTime, lag], [null, null]);
});

Deno.test("StatusTracker has the lag grow with the time while a batch is applied", () => {
  const { tracker, clock, advanced } = setUp();
  tracker.listen({ type: "batchStarted", lag: 30 });
  clock.pass(500);
  assert.equal(tracker.current.lag, 530);
  advanced({ lag: 540, clusterTime: START - 40 });
  clock.pass(1_000);
  assert.deepEqual([tracker.current.lag, tracker.current.clusterTime], [540, START - 40]);
  advanced({ lag: 0 });
  assert.equal(tracker.current.lag, 0);
});

Deno.test("StatusTracker counts the lag from the last batch once that is older than an idle stream makes it", () => {
  const { tracker, clock, advanced } = setUp();
  advanced({ lag: 40 });
  clock.pass(2_000);
  assert.equal(tracker.current.lag, 40);
  clock.pass(58_000);
  assert.equal(tracker.current.lag, 60_040);
  advanced();
  assert.equal(tracker.current.lag, 0);
});

Deno.test("StatusTracker counts the lag from the oldest question without an answer, though batches are applied", () => {
  const { tracker, clock, advanced, systems } = setUp();
  const question = systems.CrateDB.asked();
  using _long = systems.CrateDB.asked({ allowedMs: Infinity });
  for (let second = 0; second < 4; second++) {
    clock.pass(1_000);
    advanced();
  }
  assert.equal(tracker.current.lag, 4_000);
  question[Symbol.dispose]();
  assert.equal(tracker.current.lag, 0);
});

Deno.test("StatusTracker has whole milliseconds, as the column lag_ms", () => {
  const { tracker, clock } = setUp();
  tracker.listen({ type: "batchStarted", lag: 1 });
  clock.pass(0.25);
  assert.equal(tracker.current.lag, 1);
});

Deno.test("StatusTracker counts events and rows, and has the progress of a snapshot while it is taken", () => {
  const parts = setUp();
  const { tracker } = parts;
  snapshot(parts);
  tracker.listen({ type: "batchApplied", events: 3, bytes: 9, seconds: 1 });
  tracker.listen({ type: "batchApplied", events: 4, bytes: 9, seconds: 1 });
  const none = { namespace: ORDERS, upserts: 0, deletes: 0, overflowed: 0, deadLetters: 0 };
  tracker.listen({ type: "tableWritten", ...none, upserts: 3, overflowed: 1 });
  tracker.listen({ type: "tableWritten", ...none, upserts: 2, deletes: 2, deadLetters: 1 });
  const { events, upserts, deletes, overflowed, deadLetters, snapshotDone, snapshotTotal } = tracker.current;
  assert.deepEqual([events, upserts, deletes, overflowed, deadLetters], [7, 5, 2, 1, 1]);
  assert.deepEqual([snapshotDone, snapshotTotal], [3, 9]);
  tracker.listen(SNAPSHOT_DONE);
  assert.deepEqual([tracker.current.snapshotDone, tracker.current.snapshotTotal], [null, null]);
});

Deno.test("StatusTracker has the time that the oplog still reaches back to the position", () => {
  const { tracker, advanced } = setUp();
  tracker.listen({
    type: "oplogSeen",
    oldest: START - 3_600_000,
    window: 3_660_000,
    isGrowing: false,
    fullWindow: 3_660_000,
  });
  assert.equal(tracker.current.oplogHeadroom, null);
  advanced({ clusterTime: START - 60_000 });
  assert.equal(tracker.current.oplogHeadroom, 3_540_000);
});

Deno.test("StatusTracker has no headroom, and none below 0, once the oplog has moved on past the position", () => {
  const { tracker, advanced } = setUp();
  advanced({ clusterTime: START - 60_000 });
  tracker.listen({ type: "historyLost" });
  tracker.listen({ type: "oplogSeen", oldest: START, window: 0, isGrowing: false, fullWindow: 0 });
  assert.equal(tracker.current.oplogHeadroom, 0);
  assert.equal(columnsOf(tracker.current).oplog_headroom_s, 0);
});

Deno.test("StatusTracker has no headroom while the oplog has dropped nothing", () => {
  const { tracker, advanced } = setUp();
  advanced();
  const reach = { oldest: START - 60_000, window: 60_000, fullWindow: 60_000 };
  tracker.listen({ type: "oplogSeen", ...reach, isGrowing: true });
  assert.equal(tracker.current.oplogHeadroom, null);
  tracker.listen({ type: "oplogSeen", ...reach, isGrowing: false });
  assert.equal(tracker.current.oplogHeadroom, 60_000);
});

Deno.test("StatusTracker keeps an outage's error while it lasts, and the one that ended the relay, without passwords", () => {
  const parts = setUp();
  const { tracker } = parts;
  away("CrateDB", "no crate://admin:hush@host/")(parts);
  assert.equal(tracker.current.lastError, "no crate://admin:***@host/");
  back("CrateDB")(parts);
  assert.equal(tracker.current.lastError, null);
  tracker.listen({ type: "ended", error: new Error("no mongodb://root:hush@host/") });
  assert.equal(tracker.current.lastError, "no mongodb://root:***@host/");
});

Deno.test("columnsOf() adds rows up, and has the headroom in seconds", () => {
  const { tracker, advanced } = setUp();
  tracker.listen({
    type: "oplogSeen",
    oldest: START - 90_400,
    window: 90_400,
    isGrowing: false,
    fullWindow: 90_400,
  });
  tracker.listen({
    type: "tableWritten",
    namespace: ORDERS,
    upserts: 5,
    deletes: 2,
    overflowed: 0,
    deadLetters: 0,
  });
  advanced({ lag: 20 });
  const { rows, oplog_headroom_s, cluster_time, lag_ms } = columnsOf(tracker.current);
  assert.deepEqual([rows, oplog_headroom_s, cluster_time, lag_ms], [7, 90, "2027-01-15T08:00:00.000Z", 20]);
});

Deno.test("StatusTracker names the first failed collection, unless a database cannot be reached", () => {
  const parts = setUp();
  const { tracker } = parts;
  const changed = (collection: string, state: CollectionState | undefined) =>
    tracker.listen({
      type: "collectionChanged",
      namespace: { database: "shop", collection },
      table: `"shop"."${collection}"`,
      state,
      since: START,
    });
  const shown = () => {
    const { failed_collections, last_error } = columnsOf(tracker.current);
    return [failed_collections, last_error];
  };
  changed("a", { name: "failed", reason: "it is a view" });
  changed("b", { name: "failed", reason: "no" });
  changed("c", { name: "following" });
  assert.deepEqual(shown(), [2, "shop.a failed: it is a view (and 1 more)"]);
  away("MongoDB")(parts);
  assert.equal(tracker.current.lastError, "away");
  changed("a", { name: "waiting" });
  changed("b", undefined);
  assert.equal(columnsOf(tracker.current).failed_collections, 0);
});
