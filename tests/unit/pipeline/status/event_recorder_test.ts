import assert from "node:assert/strict";
import { eventRecorder } from "../../../../lib/pipeline/status/event_recorder.ts";
import { emitter, type RelayEvent } from "../../../../lib/pipeline/status/events.ts";
import { StatusTracker } from "../../../../lib/pipeline/status/status_tracker.ts";
import type { RecordedEvent } from "../../../../lib/sink/metadata/event_log.ts";
import type { ControlRequest } from "../../../../lib/sink/metadata/control_requests.ts";
import { UserError } from "../../../../lib/util/errors.ts";
import { fakeClock, START } from "../../../support/fake_clock.ts";

const ORDERS = { database: "shop", collection: "orders" };
const STREAM = { schema: "doc", stream: "shop.* -> doc", owner: "host/1" };
const MINUTE = 60_000;
const REQUEST: ControlRequest = {
  id: "7",
  stream: null,
  verb: "pause",
  arguments: {},
  askedAt: START,
  askedBy: "ann",
  expiresAt: START + 60 * MINUTE,
  isExpired: false,
  state: "asked",
  progress: null,
  message: null,
  startedAt: null,
  endedAt: null,
};

function recording() {
  const clock = fakeClock();
  const events: RecordedEvent[] = [];
  const status = new StatusTracker(clock);
  const recorder = eventRecorder({
    stream: "shop.*",
    status,
    clock,
    emit: (event) => event.type === "recorded" && events.push(event.event),
  });
  return {
    clock,
    /** The events that follow from these, as texts. */
    record: (...given: readonly RelayEvent[]) => {
      events.length = 0;
      given.forEach(emitter(status.listen, recorder));
      return events.map(({ kind, severity, message }) => `${severity} ${kind}: ${message}`);
    },
    events,
  };
}

const advanced = (lag: number | null, clusterTime = START): RelayEvent => ({
  type: "advanced",
  lag,
  clusterTime,
});
const written = (deadLetters: number): RelayEvent => ({
  type: "tableWritten",
  namespace: ORDERS,
  upserts: 5,
  deletes: 0,
  overflowed: 0,
  deadLetters,
});

Deno.test("eventRecorder() tells a start from a takeover, and a stop from a failure", () => {
  const { record, events } = recording();
  assert.deepEqual(record({ type: "leaseTaken", ...STREAM }), ["info started: The relay has started"]);
  const [{ id: _, ...started } = {}] = events;
  assert.deepEqual(started, {
    at: new Date(START).toISOString(),
    stream: "shop.* -> doc",
    kind: "started",
    severity: "info",
    message: "The relay has started",
    details: { owner: "host/1" },
  });
  assert.deepEqual(record({ type: "ended" }), ["info stopped: The relay has stopped"]);
  assert.deepEqual(
    record({ type: "standingBy", ...STREAM }, { type: "leaseTaken", ...STREAM, owner: "host/2" }),
    ["warning takeover: This process has taken over from another one"],
  );
  assert.deepEqual(events[0]?.details, { owner: "host/2", before: "host/1" });
  const error = new UserError("The table is gone: at crate://me:secret@db/", { hint: "Create it." });
  assert.deepEqual(record({ type: "ended", error }), [
    "error failed: The relay has failed: The table is gone: at crate://me:***@db/",
  ]);
  assert.deepEqual(events[0]?.details, { hint: "Create it." });
});

Deno.test("eventRecorder() reports a failure before the lease under the stream's name", () => {
  const { record, events } = recording();
  assert.equal(record({ type: "ended", error: new Error("refused") }).length, 1);
  assert.equal(events[0]?.stream, "shop.*");
});

Deno.test("eventRecorder() reports the beginning and the end of a snapshot, not its progress", () => {
  const { record } = recording();
  const progress = (documents: number): RelayEvent => ({
    type: "snapshotProgress",
    documents,
    total: 9_000,
    lagSeconds: 0,
  });
  assert.deepEqual(
    record(progress(0), progress(4_000), { type: "snapshotDone", documents: 9_001, seconds: 90 }),
    [
      "info snapshot_started: A snapshot has begun: about 9000 documents",
      "info snapshot_done: The snapshot of 9001 documents is done after 90 s",
    ],
  );
  assert.deepEqual(record({ type: "historyLost" }, progress(4_000)), [
    "error history_lost: MongoDB has deleted the changes after the position: a new snapshot is needed",
    "info snapshot_started: A snapshot continues: 4000 of about 9000 documents",
  ]);
});

Deno.test("eventRecorder() reports a high lag once, until the tables have caught up", () => {
  const { record } = recording();
  assert.deepEqual(record(advanced(null), advanced(60_000), { type: "batchStarted", lag: 61_000 }), [
    "warning lag_high: The tables are 61 s behind MongoDB",
  ]);
  assert.deepEqual(record(advanced(90_000), { type: "batchStarted", lag: 5 }, advanced(2_001)), []);
  assert.deepEqual(record(advanced(2_000), advanced(3_000)), [
    "info lag_normal: The tables are no longer behind MongoDB",
  ]);
});

Deno.test("eventRecorder() reports dead letters and columns together, once a minute", () => {
  const { record, clock, events } = recording();
  assert.deepEqual(record(written(0), written(1), written(3), advanced(0), written(4), advanced(0)), [
    "warning dead_letters: Dead letters of shop.orders: 4",
  ]);
  assert.deepEqual(events[0]?.details, { collection: "shop.orders", count: 4 });
  clock.pass(MINUTE - 1);
  assert.deepEqual(record({ type: "columnsAdded", namespace: ORDERS, columns: 3 }, advanced(0)), []);
  clock.pass(1);
  assert.deepEqual(record(advanced(0)), [
    "warning dead_letters: Dead letters of shop.orders: 4",
    "info columns_added: New columns of shop.orders: 3",
  ]);
  assert.deepEqual(record({ type: "columnsWidened", namespace: ORDERS, columns: 1 }, { type: "ended" }), [
    "info columns_widened: Widened columns of shop.orders: 1",
    "info stopped: The relay has stopped",
  ]);
});

Deno.test("eventRecorder() reports a failed collection once, and when it is usable again", () => {
  const { record, events } = recording();
  const changed = (state: Extract<RelayEvent, { type: "collectionChanged" }>["state"]): RelayEvent => ({
    type: "collectionChanged",
    namespace: ORDERS,
    table: '"doc"."orders"',
    state,
    since: START,
  });
  const failed = changed({ name: "failed", reason: "no such column", hint: "Add it." });
  assert.deepEqual(record(changed({ name: "following" }), failed, failed), [
    "error collection_failed: shop.orders has failed: no such column",
  ]);
  assert.deepEqual(events[0]?.details, {
    collection: "shop.orders",
    table: '"doc"."orders"',
    hint: "Add it.",
  });
  assert.deepEqual(record(changed({ name: "waiting" }), changed({ name: "snapshot" })), [
    "info collection_recovered: shop.orders is usable again",
  ]);
  assert.deepEqual(record(failed, changed(undefined)).length, 1);
});

Deno.test("eventRecorder() warns of a short oplog once, unless the oplog still grows", () => {
  const { record } = recording();
  const seen = (left: number, isGrowing = false): RelayEvent => ({
    type: "oplogSeen",
    oldest: START - left,
    window: 100 * MINUTE,
    isGrowing,
    fullWindow: 100 * MINUTE,
  });
  assert.deepEqual(record(seen(MINUTE)), []);
  assert.deepEqual(record(advanced(0), seen(MINUTE, true), seen(10 * MINUTE)), []);
  assert.deepEqual(record(seen(9 * MINUTE), seen(8 * MINUTE)), [
    "warning oplog_low: MongoDB deletes the next changes in 9 min: after that, a new snapshot is needed",
  ]);
  assert.deepEqual(record(seen(20 * MINUTE), seen(-MINUTE)), [
    "warning oplog_low: MongoDB deletes the next changes in 0 ms: after that, a new snapshot is needed",
  ]);
});

Deno.test("eventRecorder() reports requests with who asked, not their progress", () => {
  const { record, events } = recording();
  const changed = (
    state: ControlRequest["state"],
    more: Partial<ControlRequest> = {},
  ): RelayEvent => ({ type: "requestChanged", request: { ...REQUEST, state, ...more } });
  assert.deepEqual(record(changed("asked"), changed("running"), changed("running"), changed("done")), [
    "info request_started: The request pause of ann has begun",
    "info request_done: The request pause of ann is done",
  ]);
  assert.deepEqual(events[1]?.details, { id: "7", verb: "pause", state: "done", asked_by: "ann" });
  assert.deepEqual(record(changed("refused", { askedBy: null, message: "stop is in the past" })), [
    "warning request_failed: The request pause was refused: stop is in the past",
  ]);
  // The answer may have documents, which only those who asked may see.
  const answer = 'shop.orders has 1 dead letter\nshop.orders 7 {"card": "4111"}';
  assert.deepEqual(record(changed("done", { verb: "letters", message: answer })), [
    "info request_done: The request letters of ann is done: shop.orders has 1 dead letter",
  ]);
});
