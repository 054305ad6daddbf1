import assert from "node:assert/strict";
import { failure } from "../../../../lib/pipeline/collections/collection.ts";
import { CollectionStates } from "../../../../lib/pipeline/collections/collection_states.ts";
import type { SavedCollection } from "../../../../lib/sink/metadata/saved_collections.ts";
import { UnusableTableError } from "../../../../lib/sink/table/unusable_table.ts";
import { type LogFields, QUIET } from "../../../../lib/util/log.ts";

const FAILED = failure(new UnusableTableError("it is a view", { hint: "Drop it" }));

function setUp(list: readonly SavedCollection[] = []) {
  const clock = { time: 1_000_000, now: () => clock.time, monotonic: () => clock.time };
  const warned: (LogFields | undefined)[] = [];
  const states = new CollectionStates({
    clock,
    log: { ...QUIET, warn: (_, fields) => void warned.push(fields) },
    opener: {
      tableOf: ({ collection: name }) => ({ schema: "shop", name }),
      open: () => Promise.reject(new Error("It opens a table")),
      release: () => {},
    },
    saved: { list: () => Promise.resolve([...list]), remove: async () => {}, save: async () => {} },
    emit: () => {},
  });
  const collectionOf = (collection: string) => states.get({ database: "shop", collection });
  /** Retries what is due; in vain. */
  const retry = (atMost: number) =>
    states.due(atMost).map((collection) => {
      states.retryLater(collection);
      collection.move(failure(new UnusableTableError("it has no `data`")));
      return collection.name;
    });
  return { clock, warned, retry, states, collectionOf };
}

Deno.test("CollectionStates warns of a failure at once and every minute, not with each batch", () => {
  const { clock, warned, retry, collectionOf } = setUp();
  collectionOf("a").move(FAILED);
  assert.deepEqual(warned.splice(0), [{ collection: "shop.a", reason: "it is a view", hint: "Drop it" }]);
  for (let second = 0; second < 180; second++) {
    clock.time += 1_000;
    retry(4);
  }
  assert.equal(warned.length, 3);
  assert.deepEqual(warned.at(-1), { count: 1, collections: "shop.a", reason: "it has no `data`" });
});

Deno.test("CollectionStates names a few of many in one warning, and has a few retried at once", () => {
  const { clock, warned, retry, collectionOf } = setUp();
  for (let at = 0; at < 9; at++) collectionOf(`c${at}`).move(FAILED);
  warned.splice(0);
  clock.time += 60_000;
  const retried = [...retry(4), ...retry(4), ...retry(4)];
  assert.deepEqual(retried, Array.from({ length: 9 }, (_, at) => `shop.c${at}`));
  assert.deepEqual(warned, [{
    count: 9,
    collections: "shop.c0, shop.c1, shop.c2, shop.c3, shop.c4, …",
    reason: "it is a view",
  }]);
});

Deno.test("CollectionStates.retryNow() makes all retries due", () => {
  const { states, collectionOf } = setUp();
  const collection = collectionOf("a");
  collection.move(FAILED);
  assert.deepEqual(states.due(4), []);
  states.retryNow();
  assert.deepEqual(states.due(4), [collection]);
  collection.move({ what: "usable again" });
  assert.deepEqual(states.due(4), []);
});

Deno.test("CollectionStates neither warns of a paused collection nor has it retried", () => {
  const { clock, warned, states, collectionOf } = setUp();
  collectionOf("a").move({ what: "paused" });
  clock.time += 120_000;
  assert.deepEqual([states.due(4), warned], [[], []]);
  states.failIfAny();
});

Deno.test("CollectionStates.failIfAny() names the collections that were not read, each with its reason", () => {
  const { states, collectionOf } = setUp();
  states.failIfAny();
  collectionOf("a").move(FAILED);
  collectionOf("b").move(FAILED);
  assert.throws(() => states.failIfAny(), {
    message: "Not all collections were read, because tables cannot be used: shop.a, shop.b",
    hint: "shop.a: it is a view. Drop it.\nshop.b: it is a view. Drop it.",
  });
});

for (const state of ["waiting", "snapshot", "following"]) {
  Deno.test(`CollectionStates knows after a restart what the snapshot of a ${state} collection has read`, async () => {
    const a = { database: "shop", collection: "a" };
    const { states } = setUp([{ ...a, table: undefined, state, reason: undefined, documents: 5 }]);
    await states.load([a]);
    states.start([]);
    states.move(a, { what: "snapshot begun" });
    states.count(a, { documents: 2 });
    assert.equal(states.get(a).documents, 7);
    states.beginCount(a);
    assert.equal(states.get(a).documents, 0);
  });
}
