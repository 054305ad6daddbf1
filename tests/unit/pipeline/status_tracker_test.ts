import assert from "node:assert/strict";
import type { Advance } from "../../../lib/pipeline/observer.ts";
import type { StreamPhase } from "../../../lib/pipeline/relay_status.ts";
import { columnsOf, StatusTracker } from "../../../lib/pipeline/status_tracker.ts";

const NOW = 1_800_000_000_000;
const NO_COUNTS = { upserts: 0, deletes: 0, overflowed: 0, deadLetters: 0 };

function setUp() {
  const clock = { time: NOW, now: () => clock.time };
  const tracker = new StatusTracker(clock);
  const advanced = (advance: Partial<Advance> = {}) =>
    tracker.advanced({ clusterTime: NOW, lag: 0, ...NO_COUNTS, ...advance });
  return { clock, tracker, advanced };
}

type Tell = (parts: ReturnType<typeof setUp>) => void;
const ready: Tell = ({ tracker }) => tracker.ready();
const snapshot: Tell = ({ tracker }) => tracker.snapshotProgress({ documents: 3, total: 9, lagSeconds: 0 });
const behind = (lag: number): Tell => ({ advanced }) => advanced({ lag });
const away = (system: "CrateDB" | "MongoDB"): Tell => ({ tracker }) =>
  tracker.outage({ system, error: new Error("away"), lasted: 0 });
const back = (system: "CrateDB" | "MongoDB"): Tell => ({ tracker }) =>
  tracker.recovered({ system, lasted: 1 });

const PHASES: readonly (readonly [expected: StreamPhase, ...told: Tell[]])[] = [
  ["starting"],
  ["starting", behind(0)],
  ["snapshot", snapshot],
  ["starting", snapshot, ({ tracker }) => tracker.snapshotDone()],
  ["following", ready, behind(0)],
  ["following", ready, behind(2_000)],
  ["catching up", ready, behind(2_001)],
  ["catching up", ready, behind(0), ({ tracker }) => tracker.batchStarted({ lag: 60_000 })],
  ["snapshot", ready, snapshot],
  ["waiting for CrateDB", ready, snapshot, away("MongoDB"), away("CrateDB")],
  ["waiting for MongoDB", ready, away("MongoDB"), away("CrateDB"), back("CrateDB")],
  ["following", ready, away("MongoDB"), back("MongoDB")],
  ["stopped", ready, away("MongoDB"), ({ tracker }) => tracker.ended()],
  ["failed", ready, ({ tracker }) => tracker.ended(new Error("broken"))],
];

Deno.test("StatusTracker names the phase: an outage before a snapshot, a snapshot before the stream", () => {
  for (const [at, [expected, ...told]] of PHASES.entries()) {
    const parts = setUp();
    for (const tell of told) tell(parts);
    assert.equal(parts.tracker.current.phase, expected, `row ${at}`);
  }
});

Deno.test("StatusTracker knows no lag before the first batch", () => {
  const { clusterTime, lag } = setUp().tracker.current;
  assert.deepEqual([clusterTime, lag], [null, null]);
});

Deno.test("StatusTracker has the lag grow with the time while a batch is applied, and not after it", () => {
  const { tracker, clock, advanced } = setUp();
  tracker.batchStarted({ lag: 30 });
  clock.time += 500;
  assert.equal(tracker.current.lag, 530);
  advanced({ lag: 540, clusterTime: NOW - 40 });
  clock.time += 60_000;
  assert.deepEqual([tracker.current.lag, tracker.current.clusterTime], [540, NOW - 40]);
  advanced({ lag: 0 });
  assert.equal(tracker.current.lag, 0);
});

Deno.test("StatusTracker has the lag grow from when MongoDB went away until a batch comes", () => {
  const { tracker, clock, advanced } = setUp();
  advanced();
  clock.time += 5_000;
  const outage = { system: "MongoDB", error: new Error("away") } as const;
  tracker.outage({ ...outage, lasted: 1_000 });
  clock.time += 60_000;
  tracker.outage({ ...outage, lasted: 61_000 });
  assert.equal(tracker.current.lag, 61_000);
  tracker.recovered({ system: "MongoDB", lasted: 61_000 });
  assert.equal(tracker.current.lag, 61_000);
  advanced();
  assert.equal(tracker.current.lag, 0);
});

Deno.test("StatusTracker counts events and rows, and tells of a snapshot while it is taken", () => {
  const { tracker, advanced } = setUp();
  snapshot({ tracker, advanced } as ReturnType<typeof setUp>);
  tracker.batchApplied({ events: 3 });
  tracker.batchApplied({ events: 4 });
  advanced({ upserts: 5, deletes: 2, overflowed: 1, deadLetters: 1 });
  const { events, upserts, deletes, overflowed, deadLetters, snapshotDone, snapshotTotal } = tracker.current;
  assert.deepEqual([events, upserts, deletes, overflowed, deadLetters], [7, 5, 2, 1, 1]);
  assert.deepEqual([snapshotDone, snapshotTotal], [3, 9]);
  tracker.snapshotDone();
  assert.deepEqual([tracker.current.snapshotDone, tracker.current.snapshotTotal], [null, null]);
});

Deno.test("StatusTracker tells how long the oplog still reaches back to the position", () => {
  const { tracker, advanced } = setUp();
  tracker.oplogSeen({ oldest: NOW - 3_600_000, window: 3_660_000 });
  assert.equal(tracker.current.oplogHeadroom, null);
  advanced({ clusterTime: NOW - 60_000 });
  assert.equal(tracker.current.oplogHeadroom, 3_540_000);
});

Deno.test("StatusTracker keeps an outage's error while it lasts, and the one that ended the relay, without passwords", () => {
  const { tracker } = setUp();
  tracker.outage({ system: "CrateDB", error: new Error("no crate://admin:hush@host/"), lasted: 0 });
  assert.equal(tracker.current.lastError, "no crate://admin:***@host/");
  tracker.recovered({ system: "CrateDB", lasted: 1 });
  assert.equal(tracker.current.lastError, null);
  tracker.ended(new Error("no mongodb://root:hush@host/"));
  assert.equal(tracker.current.lastError, "no mongodb://root:***@host/");
});

Deno.test("columnsOf() adds rows up, and has the headroom in seconds", () => {
  const { tracker, advanced } = setUp();
  tracker.oplogSeen({ oldest: NOW - 90_400, window: 90_400 });
  advanced({ upserts: 5, deletes: 2, lag: 20 });
  const { rows, oplog_headroom_s, cluster_time, lag_ms } = columnsOf(tracker.current);
  assert.deepEqual([rows, oplog_headroom_s, cluster_time, lag_ms], [7, 90, "2027-01-15T08:00:00.000Z", 20]);
});

Deno.test("StatusTracker names the first collection that is left out, unless a database is away", () => {
  const { tracker } = setUp();
  assert.equal(columnsOf(tracker.current).left_out, 0);
  tracker.collectionsLeftOut([
    { collection: "shop.a", because: "it is a view" },
    { collection: "shop.b", because: "no" },
  ]);
  const { left_out, last_error } = columnsOf(tracker.current);
  assert.deepEqual([left_out, last_error], [2, "shop.a is left out: it is a view (and 1 more)"]);
  away("MongoDB")({ tracker } as ReturnType<typeof setUp>);
  assert.equal(tracker.current.lastError, "away");
});
