import assert from "node:assert/strict";
import { snapshotVerb } from "../../../../lib/pipeline/control/snapshot_verb.ts";
import { type BetweenBatches, CancelledError, RefusedError } from "../../../../lib/pipeline/control/verb.ts";
import type { VerbContext } from "../../../../lib/pipeline/control/verb.ts";
import { Scope } from "../../../../lib/source/documents/scope.ts";
import type { Requeued } from "../../../../lib/pipeline/collections/collection_state.ts";
import type { Namespace } from "../../../../lib/util/namespace.ts";
import { fakeClock } from "../../../support/fake_clock.ts";

const ORDERS = { database: "shop", collection: "orders" };

/** A relay that follows shop.orders, and one request to it. */
function relay(state = "following") {
  const done: string[] = [];
  const collection = {
    state: { name: state, reason: "no room" },
    documents: 7,
    retryAt: 0,
    wasCancelled: false,
  };
  const requeued: Requeued[] = [];
  const clock = fakeClock();
  const cancel = new AbortController();
  let outcome: unknown;
  let saves = 0;
  const undone: (() => Promise<void>)[] = [];
  let loop = {
    settings: { scope: new Scope({ databases: ["shop"], collections: ["orders", "users"], exclude: [] }) },
    causalReader: { exists: ({ collection }: Namespace) => Promise.resolve(collection === "orders") },
    reader: { checkQuery: () => Promise.resolve() },
    tables: {
      states: {
        get: () => collection,
        move: (_: Namespace, { what }: { what: string }) => {
          done.push(what);
          collection.state = { ...collection.state, name: "following" };
          collection.wasCancelled = true;
        },
      },
      retry: () => {
        if (collection.state.name !== "failed") return false;
        collection.retryAt = -Infinity;
        return done.push("retry") > 0;
      },
      resume: () => collection.state.name === "paused" ? ORDERS : undefined,
    },
    snapshot: {
      left: () => requeued.at(-1),
      requeue: (namespace: Requeued) => {
        done.push("requeue");
        requeued.push(namespace);
        collection.state = { ...collection.state, name: "waiting" };
      },
      requeueSkipped: (namespace: Namespace) => {
        done.push("requeue skipped");
        requeued.push(namespace);
        collection.state = { ...collection.state, name: "waiting" };
      },
      discard: () => void done.push("discard"),
      filtered: {
        add: ({ id, filter }: { id: string; filter: string }) => {
          done.push(`add ${filter}`);
          outcome = { kind: "running", documents: 3 };
          return id;
        },
        outcome: () => outcome,
        discard: (id: string) => void done.push(`discard ${id}`),
      },
    },
    checkpoint: {
      save: () => Promise.resolve(void saves++),
      flush: () => Promise.resolve(void done.push("flush")),
    },
  } as unknown as BetweenBatches;
  const told: string[] = [];
  const context = {
    request: { id: "1" },
    progress: (text: string) => void told.push(text),
    signal: cancel.signal,
    stream: {
      clock,
      between: async (task: (loop: BetweenBatches) => Promise<unknown>) => {
        cancel.signal.throwIfAborted();
        return await task(loop);
      },
      undo: (task: (loop: BetweenBatches) => Promise<void>) => void undone.push(() => task(loop)),
    },
  } as unknown as VerbContext;
  /** Resolves when the request waits. */
  const waits = async () => {
    while (clock.waits === 0) await new Promise((resolve) => setTimeout(resolve));
  };
  return {
    run: (given: object = {}) => snapshotVerb.read({ collection: "shop.orders", ...given })(context),
    ...{ collection, requeued, clock, cancel, done, told, waits },
    end: (next: unknown) => outcome = next,
    /** Runs what undoes a request, and returns how often the position was saved then. */
    undo: async () => {
      saves = 0;
      for (const task of undone.splice(0)) await task();
      return saves;
    },
    newTerm: () => {
      const discard = () => void done.push("discard in the new term");
      loop = {
        ...loop,
        snapshot: { ...loop.snapshot, discard, filtered: { ...loop.snapshot.filtered, discard } },
      } as unknown as typeof loop;
    },
  };
}

Deno.test("snapshot ends when the collection is followed again, and its rows are visible", async () => {
  const { run, waits, collection, clock, done, told } = relay();
  const running = run();
  await waits();
  collection.state = { ...collection.state, name: "following" };
  clock.pass(1_000);
  assert.equal(await running, "Read 7 documents of shop.orders, and removed rows without one.");
  assert.deepEqual(done, ["requeue", "flush"]);
  assert.equal(told[0], "7 documents");
});

Deno.test("snapshot joins one that is planned", async () => {
  const { run, waits, requeued, collection, clock, done } = relay("waiting");
  requeued.push(ORDERS);
  const running = run();
  await waits();
  collection.state = { ...collection.state, name: "following" };
  clock.pass(1_000);
  await running;
  assert.deepEqual(done, ["flush"]);
});

Deno.test("snapshot of a failed collection has its table retried, and fails with it", async () => {
  const { run, waits, collection, clock, done } = relay("failed");
  const running = run();
  await waits();
  collection.retryAt = 60_000;
  clock.pass(1_000);
  await assert.rejects(running, /^UserError: The collection has failed: no room$/);
  assert.deepEqual(done, ["retry"]);
});

Deno.test("snapshot resumes a paused collection", async () => {
  const { run, waits, done, cancel } = relay("paused");
  const running = run();
  await waits();
  cancel.abort(new CancelledError());
  await assert.rejects(running, CancelledError);
  assert.deepEqual(done, ["requeue skipped"], "its snapshot is needed, so it goes on");
});

for (
  const [given, undone] of [[{}, ["discard", "snapshot cancelled"]], [{ filter: {} }, ["discard 1"]]] as const
) {
  const what = `snapshot of ${JSON.stringify(given)}`;

  Deno.test(`${what} is undone if it is cancelled, not if the relay ends`, async () => {
    for (const reason of [new CancelledError(), new Error("the relay ends")]) {
      const { run, waits, cancel, done, undo } = relay();
      const running = run(given);
      await waits();
      const before = done.length;
      cancel.abort(reason);
      await assert.rejects(running, (error) => error === reason);
      const isUndone = reason instanceof CancelledError;
      assert.equal(await undo(), isUndone ? 1 : 0, "the next start does not go on with it");
      assert.deepEqual(done.slice(before), isUndone ? undone : []);
    }
  });

  Deno.test(`${what} that was cancelled is undone in the term after it, as after a pause`, async () => {
    const { run, waits, newTerm, cancel, done, undo } = relay();
    const running = run(given);
    await waits();
    cancel.abort(new CancelledError());
    await assert.rejects(running, CancelledError);
    newTerm();
    await undo();
    assert.ok(done.includes("discard in the new term"), `${done}`);
  });
}

Deno.test("snapshot that was cancelled goes on if it is needed for another reason", async () => {
  const { run, waits, requeued, cancel, done, undo } = relay();
  const running = run();
  await waits();
  requeued.push(ORDERS); // Its settings have changed.
  cancel.abort(new CancelledError());
  await assert.rejects(running, CancelledError);
  await undo();
  assert.deepEqual(done, ["requeue"]);
});

Deno.test("snapshot that has joined another request is not done when that one is cancelled", async () => {
  const { run, waits, collection, requeued, clock } = relay("waiting");
  requeued.push({ ...ORDERS, request: "0" });
  const running = run();
  await waits();
  Object.assign(collection, { state: { ...collection.state, name: "following" }, wasCancelled: true });
  clock.pass(1_000);
  await assert.rejects(
    running,
    /^UserError: The request that had begun this snapshot was cancelled/,
  );
});

Deno.test("snapshot goes on as one of all collections if history is lost", async () => {
  const { run, waits, collection, requeued, clock } = relay();
  const running = run();
  await waits();
  requeued[0] = ORDERS;
  clock.pass(1_000);
  await waits();
  collection.state = { ...collection.state, name: "following" };
  clock.pass(1_000);
  assert.match(await running, /^Read 7 documents/);
});

Deno.test("snapshot with a filter keeps the types of its values, and ends as its read does", async () => {
  const { run, waits, end, clock, done } = relay();
  const running = run({ filter: { at: { $date: "2026-01-01T00:00:00Z" } } });
  await waits();
  end({ kind: "done", documents: 1 });
  clock.pass(1_000);
  assert.equal(await running, "Read 1 document of shop.orders that match the filter.");
  assert.deepEqual(done, ['add {"at":{"$date":{"$numberLong":"1767225600000"}}}', "flush"]);
  const failing = relay();
  const failed = failing.run({ filter: {} });
  await failing.waits();
  failing.end({ kind: "running", documents: 3, isSlow: true });
  failing.clock.pass(1_000);
  await failing.waits();
  assert.equal(failing.told.at(-1), "3 documents; MongoDB takes long to apply the filter");
  failing.end({ kind: "failed", reason: "no such operator" });
  failing.clock.pass(1_000);
  await assert.rejects(failed, /The snapshot was not finished: no such operator/);
});

Deno.test("snapshot is refused for a collection that the stream does not follow, or that does not exist", async () => {
  const { run, done } = relay();
  await assert.rejects(run({ collection: "shop.carts" }), RefusedError);
  await assert.rejects(run({ collection: "shop.users" }), /MongoDB has no collection shop\.users\./);
  assert.deepEqual(done, []);
});
