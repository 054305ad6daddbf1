import assert from "node:assert/strict";
import { Collection } from "../../../../lib/pipeline/collections/collection.ts";
import { failure, SkippedCollections } from "../../../../lib/pipeline/collections/skipped_collections.ts";
import { UnusableTableError } from "../../../../lib/sink/table/unusable_table.ts";
import { type LogFields, QUIET } from "../../../../lib/util/log.ts";

const FAILED = failure(new UnusableTableError("it is a view", { hint: "Drop it" }));

function setUp() {
  const clock = { time: 1_000_000, now: () => clock.time, monotonic: () => clock.time };
  const warned: (LogFields | undefined)[] = [];
  const probed: string[] = [];
  let error: Error | undefined = new UnusableTableError("it has no `data`");
  const skipped = new SkippedCollections({
    clock,
    log: { ...QUIET, warn: (_, fields) => void warned.push(fields) },
    exists: () => Promise.resolve(true),
    probe: ({ collection }) => {
      probed.push(collection);
      return error ? Promise.reject(error) : Promise.resolve();
    },
    leavesRows: () => false,
    drop: () => Promise.resolve(undefined),
  });
  const collectionOf = (collection: string) =>
    new Collection({ database: "shop", collection }, {
      table: { schema: "shop", name: collection },
      open: () => Promise.resolve({} as never),
      onClosed: () => {},
      onChange: (changed) => skipped.update(changed),
      clock,
    });
  return { clock, warned, probed, skipped, collectionOf, repair: () => error = undefined };
}

Deno.test("SkippedCollections warns of a failure at once and every minute, not with each batch", async () => {
  const { clock, warned, skipped, collectionOf } = setUp();
  collectionOf("a").move(FAILED);
  assert.deepEqual(warned.splice(0), [{ collection: "shop.a", reason: "it is a view", hint: "Drop it" }]);
  for (let second = 0; second < 180; second++) {
    clock.time += 1_000;
    await skipped.retryDue(4);
  }
  assert.equal(warned.length, 3);
  assert.deepEqual(warned.at(-1), { count: 1, collections: "shop.a", reason: "it has no `data`" });
});

Deno.test("SkippedCollections names a few of many in one warning, and retries a few at once", async () => {
  const { clock, warned, probed, skipped, collectionOf } = setUp();
  for (let at = 0; at < 9; at++) collectionOf(`c${at}`).move(FAILED);
  warned.splice(0);
  clock.time += 60_000;
  for (let batch = 0; batch < 3; batch++) await skipped.retryDue(4);
  assert.deepEqual(probed, Array.from({ length: 9 }, (_, at) => `c${at}`));
  assert.deepEqual(warned, [{
    count: 9,
    collections: "shop.c0, shop.c1, shop.c2, shop.c3, shop.c4, …",
    reason: "it is a view",
  }]);
});

Deno.test("SkippedCollections.retryNow() makes all retries due; a collection whose table can be used is read again", async () => {
  const { skipped, collectionOf, repair } = setUp();
  const collection = collectionOf("a");
  collection.keepsGone = true;
  collection.move(FAILED);
  repair();
  assert.deepEqual(await skipped.retryDue(4), []);
  skipped.retryNow();
  assert.deepEqual(skipped.all, [{ database: "shop", collection: "a", keepsGone: true, skipped: true }]);
  assert.deepEqual(await skipped.retryDue(4), [{ database: "shop", collection: "a", keepsGone: true }]);
  assert.deepEqual([collection.state, skipped.all], [{ name: "waiting" }, []]);
});

Deno.test("SkippedCollections neither retries nor warns of a paused collection", async () => {
  const { clock, warned, probed, skipped, collectionOf } = setUp();
  collectionOf("a").move({ what: "paused" });
  clock.time += 120_000;
  assert.deepEqual(await skipped.retryDue(4), []);
  assert.deepEqual([warned, probed], [[], []]);
  skipped.failIfAny();
});

Deno.test("SkippedCollections.failIfAny() names what was not read", () => {
  const { skipped, collectionOf } = setUp();
  skipped.failIfAny();
  collectionOf("a").move(FAILED);
  assert.throws(() => skipped.failIfAny(), {
    message: "1 of the collections were not read: shop.a",
    hint: "Their tables cannot be used. shop.a: it is a view\nDrop it",
  });
});
