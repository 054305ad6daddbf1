/** The loop between databases in memory. */
import assert from "node:assert/strict";
import { on } from "../../../../lib/pipeline/status/events.ts";
import { relayInMemory, SECOND } from "../../../support/relay_in_memory.ts";

Deno.test("replicate() takes the snapshot, becomes ready and follows", async () => {
  await using relay = relayInMemory({ collections: { a: 7, b: 2 } });
  await relay.pass(SECOND);
  assert.deepEqual(relay.reported, [
    "snapshot 0 of 9",
    "snapshot 5 of 9",
    "snapshot 7 of 9",
    "snapshot 7 of 9",
    "snapshot 9 of 9",
    "snapshot 9 of 9",
    "snapshot done 9",
    "ready",
  ]);
  relay.change("a", "insert", 3);
  await relay.pass(SECOND);
  const { phase, upserts, events } = relay.status.current;
  assert.deepEqual([phase, upserts, events], ["following", 12, 3]);
  await relay.pass(SECOND);
  assert.equal(relay.status.current.lag, 0);
});

for (const documents of [undefined, 4]) {
  const what = documents === undefined ? "dropped" : "dropped and made again";
  Deno.test(`replicate() ends a snapshot whose last collection is ${what} between two slices`, async () => {
    await using relay = relayInMemory({ collections: { a: 2, b: 20 }, snapshotRate: 4 });
    await relay.pass(3 * SECOND);
    assert.equal(relay.status.current.phase, "snapshot");
    relay.drop("b", documents);
    // The rate allows no slice before the event is applied.
    await relay.settle();
    await relay.pass(20 * SECOND);
    const { phase, snapshotDone, snapshotTotal } = relay.status.current;
    assert.deepEqual([phase, snapshotDone, snapshotTotal], ["following", null, null]);
    const done = relay.reported.filter((each) => each.startsWith("snapshot done"));
    assert.equal(done.length, 1, relay.reported.join("\n"));
    assert.ok(relay.reported.indexOf(done[0] ?? "") < relay.reported.indexOf("ready"));
  });
}

Deno.test("replicate() ends a snapshot of no collection, also if another one broke off before", async () => {
  await using relay = relayInMemory({ collections: { a: 20 }, snapshotRate: 4 });
  await relay.pass(SECOND);
  assert.equal(relay.status.current.phase, "snapshot");
  relay.collections.clear();
  await relay.loseHistory();
  await relay.pass(2 * SECOND);
  assert.deepEqual(relay.reported.slice(-3), ["snapshot 0 of 0", "snapshot done 0", "ready"]);
});

Deno.test("replicate() counts only the documents of a collection that it reads again", async () => {
  await using relay = relayInMemory({ collections: { a: 7, b: 2 } });
  await relay.pass(SECOND);
  relay.reported.length = 0;
  relay.drop("a", 6);
  await relay.pass(2 * SECOND);
  assert.deepEqual(relay.reported, [
    "snapshot 0 of 0",
    "snapshot 0 of 6",
    "snapshot 5 of 6",
    "snapshot 6 of 6",
    "snapshot 6 of 6",
    "snapshot done 6",
  ]);
  assert.equal(relay.status.current.phase, "following");
});

for (const operation of ["insert", "update"] as const) {
  Deno.test(`replicate() ends --snapshot only while ${operation}s go on`, async () => {
    await using relay = relayInMemory({ snapshot: "only" });
    for (let second = 0; second < 10 && !relay.running.ended; second++) {
      relay.change("a", operation);
      await relay.pass(SECOND);
    }
    assert.deepEqual(relay.running.ended, {});
    assert.ok(relay.reported.includes("ready"));
  });
}

Deno.test("replicate() ends --snapshot only although MongoDB does not answer any more", async () => {
  const listener = on({ stopped: () => relay.mongodb.become("is silent") });
  await using relay = relayInMemory({ snapshot: "only", listener });
  for (let second = 0; second < 10 && !relay.running.ended; second++) {
    relay.change("a");
    await relay.pass(SECOND);
  }
  assert.deepEqual(relay.reported.filter((each) => each === "stopped"), ["stopped"]);
  assert.deepEqual(relay.running.ended, {});
});

Deno.test("replicate() ends --snapshot only when the stream has passed what the last collection was read at", async () => {
  await using relay = relayInMemory({ snapshot: "only", collections: { a: 7 }, snapshotRate: 4 });
  await relay.pass(SECOND);
  assert.equal(relay.running.ended, undefined);
  await relay.pass(20 * SECOND);
  assert.deepEqual(relay.running.ended, {});
  assert.equal(relay.status.current.upserts, 7);
});

for (const step of [-3_600 * SECOND, 3_600 * SECOND]) {
  Deno.test(`replicate() refreshes and saves as before when the clock is set by ${step / SECOND} s`, async () => {
    await using relay = relayInMemory();
    await relay.pass(3 * SECOND);
    relay.clock.step = step;
    relay.cratedb.asked.length = 0;
    for (let second = 0; second < 10; second++) {
      relay.change("a");
      await relay.pass(SECOND);
    }
    for (const what of ["refresh", "save"]) {
      assert.ok(relay.cratedb.asked.filter((each) => each === what).length >= 9, what);
    }
  });
}

Deno.test("replicate() shows no old snapshot as ready after history was lost", async () => {
  await using relay = relayInMemory({ snapshotRate: 4, collections: { a: 20 } });
  await relay.pass(30 * SECOND);
  assert.equal(relay.status.current.phase, "following");
  await relay.loseHistory();
  assert.notEqual(relay.status.current.phase, "following");
  assert.equal(relay.ready.isReady, false);
  await relay.pass(30 * SECOND);
  assert.equal(relay.status.current.phase, "following");
});
