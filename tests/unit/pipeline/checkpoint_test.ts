import assert from "node:assert/strict";
import { Checkpoint } from "../../../lib/pipeline/checkpoint.ts";
import { fullSnapshot, type SnapshotState, snapshotStateText } from "../../../lib/pipeline/snapshot_state.ts";

function checkpointOf({ token = null as string | null, snapshot = null as SnapshotState | null } = {}) {
  const done: unknown[] = [];
  let now = 1_000_000;
  const checkpoint = new Checkpoint({
    tables: { refresh: () => Promise.resolve(void done.push("refresh")) },
    position: {
      state: { token, snapshot: null, origin: null },
      save: (change) => Promise.resolve(void done.push(change)),
    },
    settings: { refreshInterval: 1_000, saveInterval: 200 },
    clock: { now: () => now },
    snapshot: () => snapshot,
  });
  const after = async (milliseconds: number, saveInterval?: number) => {
    now += milliseconds;
    done.length = 0;
    await checkpoint.runIfDue(saveInterval);
    return [...done];
  };
  return { checkpoint, done, after };
}

const TOKEN = new Uint8Array([1, 0xab]);
const SAVE = { token: "01ab", snapshot: null };

Deno.test("Checkpoint goes on from the saved token", () => {
  assert.deepEqual([...checkpointOf({ token: "01ab" }).checkpoint.token ?? []], [...TOKEN]);
  assert.equal(checkpointOf().checkpoint.token, null);
});

Deno.test("Checkpoint.runIfDue() refreshes and saves at their intervals", async () => {
  const { checkpoint, after } = checkpointOf();
  checkpoint.token = TOKEN;
  assert.deepEqual(await after(0), ["refresh", SAVE]);
  assert.deepEqual(await after(199), []);
  assert.deepEqual(await after(1), [SAVE]);
  assert.deepEqual(await after(800), ["refresh", SAVE]);
  assert.deepEqual(await after(300, 3_000), []);
});

Deno.test("Checkpoint.flush() does both, due or not", async () => {
  const { checkpoint, done } = checkpointOf();
  checkpoint.token = TOKEN;
  await checkpoint.flush();
  await checkpoint.flush();
  assert.deepEqual(done, ["refresh", SAVE, "refresh", SAVE]);
});

Deno.test("Checkpoint saves nothing before the stream has brought a token", async () => {
  const { checkpoint, done } = checkpointOf();
  await checkpoint.flush();
  assert.deepEqual(done, ["refresh"]);
});

Deno.test("Checkpoint saves what is left of the snapshot with the token", async () => {
  const snapshot = fullSnapshot({ removesGone: true });
  const { checkpoint, done } = checkpointOf({ snapshot });
  checkpoint.token = TOKEN;
  await checkpoint.flush();
  assert.deepEqual(done.at(-1), { token: "01ab", snapshot: snapshotStateText(snapshot) });
});
