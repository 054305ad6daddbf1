import assert from "node:assert/strict";
import { Collection } from "../../../../lib/pipeline/collections/collection.ts";
import { failure, SkippedCollections } from "../../../../lib/pipeline/collections/skipped_collections.ts";
import { UnusableTableError } from "../../../../lib/sink/table/unusable_table.ts";
import { type LogFields, QUIET } from "../../../../lib/util/log.ts";

const FAILED = failure(new UnusableTableError("it is a view", { hint: "Drop it" }));

function setUp() {
  const clock = { time: 1_000_000, now: () => clock.time, monotonic: () => clock.time };
  const warned: (LogFields | undefined)[] = [];
  const skipped = new SkippedCollections({
    clock,
    log: { ...QUIET, warn: (_, fields) => void warned.push(fields) },
  });
  const collectionOf = (collection: string) =>
    new Collection({ database: "shop", collection }, {
      tableOf: () => ({ schema: "shop", name: collection }),
      open: () => Promise.reject(new Error("It opens a table")),
      onClosed: () => {},
      onChange: (changed) => skipped.update(changed),
      clock,
    });
  /** Retries what is due; in vain. */
  const retry = (atMost: number) =>
    skipped.due(atMost).map((collection) => {
      skipped.retryLater(collection);
      collection.move(failure(new UnusableTableError("it has no `data`")));
      return collection.name;
    });
  return { clock, warned, retry, skipped, collectionOf };
}

Deno.test("SkippedCollections warns of a failure at once and every minute, not with each batch", () => {
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

Deno.test("SkippedCollections names a few of many in one warning, and has a few retried at once", () => {
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

Deno.test("SkippedCollections.retryNow() makes all retries due", () => {
  const { skipped, collectionOf } = setUp();
  const collection = collectionOf("a");
  collection.keepsStale = true;
  collection.move(FAILED);
  assert.deepEqual(skipped.due(4), []);
  skipped.retryNow();
  assert.deepEqual(skipped.due(4), [collection]);
  assert.deepEqual(skipped.all, [{ database: "shop", collection: "a", keepsStale: true, skipped: true }]);
  collection.move({ what: "usable again" });
  assert.deepEqual(skipped.all, []);
});

Deno.test("SkippedCollections neither warns of a paused collection nor has it retried", () => {
  const { clock, warned, skipped, collectionOf } = setUp();
  collectionOf("a").move({ what: "paused" });
  clock.time += 120_000;
  assert.deepEqual([skipped.due(4), warned, skipped.all.length], [[], [], 1]);
  skipped.failIfAny();
});

Deno.test("SkippedCollections.failIfAny() names the collections that were not read, each with its reason", () => {
  const { skipped, collectionOf } = setUp();
  skipped.failIfAny();
  collectionOf("a").move(FAILED);
  collectionOf("b").move(FAILED);
  assert.throws(() => skipped.failIfAny(), {
    message: "Not all collections were read, because tables cannot be used: shop.a, shop.b",
    hint: "shop.a: it is a view. Drop it.\nshop.b: it is a view. Drop it.",
  });
});
