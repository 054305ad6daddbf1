import assert from "node:assert/strict";
import { LeftOut } from "../../../../lib/pipeline/collections/left_out.ts";
import { on } from "../../../../lib/pipeline/status/events.ts";
import type { Requeued } from "../../../../lib/pipeline/snapshot/snapshot_state.ts";
import { UserError } from "../../../../lib/util/errors.ts";
import { type LogFields, QUIET } from "../../../../lib/util/log.ts";

const of = (collection: string) => ({ database: "shop", collection });
const failure = new UserError("it is a view", { hint: "Drop it" });

function setUp() {
  const clock = { time: 1_000_000, monotonic: () => clock.time };
  const warned: (LogFields | undefined)[] = [];
  const reported: unknown[] = [];
  const leftOut = new LeftOut({
    clock,
    log: { ...QUIET, warn: (_, fields) => void warned.push(fields) },
    emit: on({ collectionsLeftOut: ({ collections }) => reported.push(collections) }),
  });
  return { clock, warned, reported, leftOut };
}

Deno.test("LeftOut says why a collection is left out, and that it is every minute, not with each batch", () => {
  const { clock, warned, leftOut } = setUp();
  leftOut.add(of("a"), failure);
  assert.deepEqual(warned.splice(0), [{ collection: "shop.a", because: "it is a view", hint: "Drop it" }]);
  for (let second = 0; second < 180; second++) {
    clock.time += 1_000;
    for (const each of leftOut.due(4)) leftOut.failedAgain(each, new Error("it has no `data`"));
  }
  assert.equal(warned.length, 3);
  assert.deepEqual(warned.at(-1), { count: 1, collections: "shop.a", because: "it has no `data`" });
});

Deno.test("LeftOut names a few of many in one warning, and tries a few at once", () => {
  const { clock, warned, leftOut } = setUp();
  for (let at = 0; at < 9; at++) leftOut.add(of(`c${at}`), failure);
  warned.splice(0);
  clock.time += 60_000;
  const tried: string[] = [];
  for (let batch = 0; batch < 3; batch++) {
    for (const each of leftOut.due(4)) {
      tried.push(each.collection);
      leftOut.failedAgain(each, failure);
    }
  }
  assert.deepEqual(tried, Array.from({ length: 9 }, (_, at) => `c${at}`));
  assert.deepEqual(warned, [{
    count: 9,
    collections: "shop.c0, shop.c1, shop.c2, shop.c3, shop.c4, …",
    because: "it is a view",
  }]);
});

Deno.test("LeftOut reports each change, and tries all at once when it is told to", () => {
  const { reported, leftOut } = setUp();
  leftOut.add({ ...of("a"), keepsGone: true }, failure);
  assert.deepEqual(leftOut.due(4), []);
  leftOut.tryNow();
  assert.deepEqual(leftOut.due(4), [{ ...of("a"), keepsGone: true }]);
  assert.deepEqual(leftOut.get(of("a")), { ...of("a"), keepsGone: true });
  leftOut.remove(of("a"));
  leftOut.remove(of("b"));
  assert.deepEqual(reported, [[{ collection: "shop.a", because: "it is a view" }], []]);
});

Deno.test("LeftOut.failIfAny() names what was not read", () => {
  const { leftOut } = setUp();
  leftOut.failIfAny();
  leftOut.add(of("a"), failure);
  assert.throws(() => leftOut.failIfAny(), /^UserError: 1 of the collections were not read: shop\.a$/);
});

Deno.test("LeftOut keeps nothing of a collection but its name, and whether rows stay", () => {
  const { leftOut } = setUp();
  leftOut.add({ ...of("a"), uuid: "f", leftOut: true, keepsGone: false } as Requeued, failure);
  assert.deepEqual(leftOut.get(of("a")), of("a"));
});
