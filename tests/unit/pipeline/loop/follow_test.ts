import assert from "node:assert/strict";
import { BSON } from "../../../../lib/bson/library.ts";
import { bufferBatches } from "../../../../lib/pipeline/loop/batcher.ts";
import { parseSnapshotState } from "../../../../lib/pipeline/snapshot/snapshot_state.ts";
import { relayInMemory, SECOND } from "../../../support/relay_in_memory.ts";
import { withStream } from "../../../../lib/pipeline/loop/follow.ts";
import type { ChangeBatch } from "../../../../lib/source/stream/change_stream.ts";

const LIMITS = { batchSize: 10, batchBytes: 10 };
const BATCH = {
  changes: [],
  event: undefined,
  events: 0,
  bytes: 0,
  token: new Uint8Array(),
  operationTime: undefined,
};

/** Gives one batch, then waits for a server that is away. */
function streamOf(closed: () => void) {
  return async function* (left: AbortSignal): AsyncGenerator<ChangeBatch> {
    try {
      yield { ...BATCH, wallTime: undefined };
      await new Promise((_, reject) => left.addEventListener("abort", () => reject(left.reason)));
    } finally {
      closed();
    }
  };
}

Deno.test("withStream() closes a stream that waits for its server, when its user fails", async () => {
  let isClosed = false;
  const open = streamOf(() => isClosed = true);
  const used = withStream((left) => bufferBatches(open(left), LIMITS), async (batches) => {
    await batches.next();
    batches.next().catch(() => {});
    throw new Error("a full disk");
  });
  await assert.rejects(used, /a full disk/);
  assert.ok(isClosed);
});

Deno.test("follow() takes a new snapshot after history was lost, and removes stale rows with it", async () => {
  await using relay = relayInMemory({ collections: { a: 20 }, snapshotRate: 4 });
  await relay.pass(30 * SECOND);
  assert.equal(relay.status.current.phase, "following");
  await relay.loseHistory();
  assert.deepEqual(relay.opened, [null, null]);
  assert.equal(parseSnapshotState(relay.position.state.snapshot ?? "").removesStale, true);
  await relay.pass(30 * SECOND);
  const { phase, upserts } = relay.status.current;
  assert.deepEqual([phase, upserts], ["following", 40]);
});

Deno.test("follow() starts at a time only once: after history was lost, the new snapshot needs a stream from now", async () => {
  const startAt = new BSON.Timestamp({ t: 1_700_000_000, i: 1 });
  await using relay = relayInMemory({ snapshot: "never", startAt });
  await relay.pass(SECOND);
  await relay.loseHistory();
  await relay.pass(30 * SECOND);
  assert.deepEqual(relay.opened, [startAt, null]);
});

Deno.test("follow() fails after history was lost if no snapshot may replace it", async () => {
  await using relay = relayInMemory({ onHistoryLost: "fail" });
  await relay.pass(SECOND);
  await relay.loseHistory();
  assert.match(String(relay.running.ended?.error), /UserError: MongoDB no longer has the changes since/);
});

Deno.test("follow() resumes from the saved position, and reads no document again", async () => {
  await using first = relayInMemory({ collections: { a: 7 } });
  await first.pass(SECOND);
  first.change("a");
  await first.stop();
  assert.deepEqual(first.running.ended, {});
  await using relay = relayInMemory({ collections: { a: 7 }, saved: first.position.state });
  await relay.pass(SECOND);
  assert.notEqual(relay.opened[0], null);
  assert.deepEqual([relay.status.current.phase, relay.status.current.upserts], ["following", 0]);
});

for (const seconds of [0, 2, 30]) {
  const phase = { 0: "starting", 2: "snapshot", 30: "following" }[seconds];
  Deno.test(`follow() stops in the phase ${phase}, and the next relay completes the snapshot`, async () => {
    const options = { collections: { a: 20 }, snapshotRate: 4 };
    await using first = relayInMemory(options);
    await first.pass(seconds * SECOND);
    assert.equal(first.status.current.phase, phase);
    await first.stop();
    assert.deepEqual(first.running.ended, {});
    const { upserts } = first.status.current;
    await using relay = relayInMemory({ ...options, saved: first.position.state });
    await relay.pass(30 * SECOND);
    assert.deepEqual([relay.status.current.phase, relay.status.current.upserts], ["following", 20 - upserts]);
  });
}

Deno.test("follow() takes the whole snapshot again with --snapshot always", async () => {
  await using first = relayInMemory({ collections: { a: 7 } });
  await first.pass(SECOND);
  await first.stop();
  await using relay = relayInMemory({
    collections: { a: 7 },
    snapshot: "always",
    saved: first.position.state,
  });
  await relay.pass(SECOND);
  assert.deepEqual([relay.opened, relay.status.current.upserts], [[null], 7]);
});

for (const snapshot of ["always", "only"] as const) {
  Deno.test(`follow() goes on with --snapshot ${snapshot} if this process has begun the snapshot`, async () => {
    const options = { collections: { a: 20 }, snapshotRate: 4 };
    await using first = relayInMemory({ ...options, snapshot });
    await first.pass(2 * SECOND);
    await first.stop();
    const { upserts } = first.status.current;
    assert.ok(upserts > 0);
    await using relay = relayInMemory({ ...options, snapshot, saved: first.position.state, goesOn: true });
    await relay.pass(30 * SECOND);
    assert.equal(relay.status.current.upserts, 20 - upserts);
  });
}

Deno.test("follow() reads collections again whose settings have changed, beside the stream", async () => {
  const options = { collections: { a: 7, b: 5 } };
  await using first = relayInMemory(options);
  await first.pass(SECOND);
  await first.stop();
  await using relay = relayInMemory({ ...options, saved: first.position.state, outdated: ["b"] });
  await relay.pass(SECOND);
  assert.notEqual(relay.opened[0], null);
  assert.deepEqual([relay.status.current.phase, relay.status.current.upserts], ["following", 5]);
});

Deno.test("follow() counts only the collections that it reads again, also after a restart", async () => {
  const options = { collections: { a: 100, b: 20 } };
  await using first = relayInMemory(options);
  await first.pass(SECOND);
  await first.stop();
  const slow = { ...options, snapshotRate: 4 };
  await using second = relayInMemory({ ...slow, saved: first.position.state, outdated: ["b"] });
  await second.pass(2 * SECOND);
  await second.stop();
  await using relay = relayInMemory({ ...slow, saved: second.position.state });
  await relay.pass(SECOND);
  for (const { reported: [begin = ""] } of [second, relay]) assert.match(begin, /^snapshot \d+ of 20$/);
});
