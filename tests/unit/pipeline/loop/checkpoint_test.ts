import assert from "node:assert/strict";
import { Checkpoint } from "../../../../lib/pipeline/loop/checkpoint.ts";
import { on } from "../../../../lib/pipeline/status/events.ts";
import {
  fullSnapshot,
  type SnapshotState,
  snapshotStateText,
} from "../../../../lib/pipeline/snapshot/snapshot_state.ts";
import { bytesFromHex, bytesToHex } from "../../../../lib/bson/bson.ts";
import { BSON } from "mongodb";

const NOW = 1_800_000_000_000;
const REFRESH_INTERVAL = 1_000;
const SAVE_INTERVAL = 200;
const LEASE = 9_000;
const IDLE_SAVE = 1_000;

/** A refresh takes 10 ms. */
function checkpointOf({ token = null as string | null, snapshot = null as SnapshotState | null } = {}) {
  const done: unknown[] = [];
  const told: string[] = [];
  const clock = { time: NOW, now: () => clock.time, monotonic: () => clock.time };
  const checkpoint = new Checkpoint({
    tables: {
      states: { save: () => Promise.resolve(void done.push("states")) },
      refresh: () => {
        clock.time += 10;
        return Promise.resolve(void done.push("refresh"));
      },
    },
    position: {
      state: { token, snapshot: null, origin: null, barrier: null, paused: null },
      save: (change) => Promise.resolve(void done.push(change)),
    },
    settings: { refreshInterval: REFRESH_INTERVAL, saveInterval: SAVE_INTERVAL, lease: LEASE },
    clock,
    mongodbClock: clock,
    emit: on({
      stageDone: ({ stage }) => told.push(stage),
      positionSaved: () => told.push("saved"),
    }),
    snapshot: () => snapshot,
  });
  return { checkpoint, done, told, clock };
}

/** A token of a time that is so many seconds before {@linkcode NOW}. */
const tokenOf = (secondsAgo: number): Uint8Array =>
  BSON.serialize({ _data: `82${(NOW / 1_000 - secondsAgo).toString(16)}00000001` });

const TOKEN = tokenOf(0);
const SAVE = { token: bytesToHex(TOKEN), snapshot: null };

Deno.test("Checkpoint goes on from the saved token", () => {
  const { checkpoint } = checkpointOf({ token: "01ab" });
  assert.deepEqual(checkpoint.token, bytesFromHex("01ab"));
  assert.equal(checkpointOf().checkpoint.token, null);
});

Deno.test("Checkpoint emits how long it refreshes and saves, and that it has saved", async () => {
  const { checkpoint, told } = checkpointOf();
  await checkpoint.flush();
  assert.deepEqual(told, ["refresh"]);
  checkpoint.applied({ token: TOKEN, hasRows: true });
  await checkpoint.flush();
  assert.deepEqual(told, ["refresh", "refresh", "save", "saved"]);
});

Deno.test("Checkpoint has nothing to do while nothing is applied", async () => {
  const { checkpoint } = checkpointOf();
  assert.deepEqual([checkpoint.refreshDueAt(false), checkpoint.saveDueAt], [Infinity, Infinity]);
  checkpoint.applied({ token: TOKEN, hasRows: true });
  await checkpoint.flush();
  assert.deepEqual([checkpoint.refreshDueAt(false), checkpoint.saveDueAt], [Infinity, Infinity]);
});

Deno.test("Checkpoint makes the first rows visible at once, and the next after a pause", async () => {
  const { checkpoint, clock } = checkpointOf();
  for (const hasNext of [false, true]) {
    checkpoint.applied({ token: TOKEN, hasRows: true });
    assert.ok(checkpoint.refreshDueAt(hasNext) <= clock.monotonic());
    await checkpoint.refresh();
    checkpoint.applied({ token: TOKEN, hasRows: true });
    assert.equal(checkpoint.refreshDueAt(hasNext), clock.monotonic() + 25);
    clock.time += 30;
  }
});

Deno.test("Checkpoint refreshes at the interval while it catches up and has more to apply", async () => {
  const { checkpoint, clock } = checkpointOf();
  await checkpoint.refresh();
  checkpoint.applied({ token: tokenOf(60), hasRows: true });
  assert.equal(checkpoint.refreshDueAt(true), clock.monotonic() + REFRESH_INTERVAL);
  assert.equal(checkpoint.refreshDueAt(false), clock.monotonic() + 25);
});

Deno.test("Checkpoint knows no lag of an idle stream, whose token is old, also between chunks of a snapshot", () => {
  const { checkpoint } = checkpointOf();
  checkpoint.applied({ token: tokenOf(9), hasRows: true });
  assert.equal(checkpoint.lagSeconds, 9);
  checkpoint.applied({ token: tokenOf(9), hasRows: false, isUpToDate: true });
  checkpoint.applied({ hasRows: true });
  assert.equal(checkpoint.lagSeconds, 0);
});

Deno.test("Checkpoint saves after rows at the interval, after a mere token later", async () => {
  const { checkpoint, clock } = checkpointOf();
  await checkpoint.save();
  checkpoint.applied({ token: TOKEN, hasRows: false });
  assert.equal(checkpoint.saveDueAt, clock.monotonic() + IDLE_SAVE);
  checkpoint.applied({ token: TOKEN, hasRows: true });
  assert.equal(checkpoint.saveDueAt, clock.monotonic() + SAVE_INTERVAL);
  checkpoint.applied({ token: TOKEN, hasRows: false });
  assert.equal(checkpoint.saveDueAt, clock.monotonic() + SAVE_INTERVAL);
});

Deno.test("Checkpoint saves a token that it has seldom, and soon once the stream is up to date", async () => {
  const { checkpoint, clock } = checkpointOf();
  checkpoint.applied({ token: TOKEN, hasRows: true });
  await checkpoint.save();
  checkpoint.applied({ token: TOKEN, hasRows: false });
  assert.equal(checkpoint.saveDueAt, clock.monotonic() + LEASE / 3);
  checkpoint.applied({ token: TOKEN, hasRows: false, isUpToDate: true });
  assert.equal(checkpoint.saveDueAt, clock.monotonic() + SAVE_INTERVAL);
  await checkpoint.save();
  checkpoint.applied({ token: TOKEN, hasRows: false, isUpToDate: true });
  assert.equal(checkpoint.saveDueAt, clock.monotonic() + LEASE / 3);
  checkpoint.applied({ token: tokenOf(-1), hasRows: false, isUpToDate: true });
  assert.equal(checkpoint.saveDueAt, clock.monotonic() + IDLE_SAVE);
});

Deno.test("Checkpoint.runIfDue() refreshes and saves at their intervals", async () => {
  const { checkpoint, clock, done } = checkpointOf();
  const after = async (milliseconds: number) => {
    clock.time += milliseconds;
    done.length = 0;
    checkpoint.applied({ token: TOKEN, hasRows: true });
    await checkpoint.runIfDue();
    return [...done];
  };
  assert.deepEqual(await after(0), ["refresh", SAVE]);
  assert.deepEqual(await after(199), []);
  assert.deepEqual(await after(1), [SAVE]);
  assert.deepEqual(await after(800), ["refresh", SAVE]);
});

Deno.test("Checkpoint.flush() does both, due or not", async () => {
  const { checkpoint, done } = checkpointOf();
  checkpoint.applied({ token: TOKEN, hasRows: false });
  await checkpoint.flush();
  await checkpoint.flush();
  assert.deepEqual(done, ["refresh", SAVE, "states", "refresh", SAVE, "states"]);
});

Deno.test("Checkpoint saves nothing before the stream has brought a token", async () => {
  const { checkpoint, done } = checkpointOf();
  await checkpoint.flush();
  assert.deepEqual(done, ["refresh", "states"]);
});

Deno.test("Checkpoint saves what is left of the snapshot with the token", async () => {
  const snapshot = fullSnapshot({ removesStale: true });
  const { checkpoint, done } = checkpointOf({ snapshot });
  checkpoint.applied({ token: TOKEN, hasRows: true });
  await checkpoint.flush();
  assert.deepEqual(done.at(-2), { ...SAVE, snapshot: snapshotStateText(snapshot) });
});
