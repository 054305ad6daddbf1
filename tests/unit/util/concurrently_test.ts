import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { concurrently } from "../../../lib/util/concurrently.ts";

Deno.test("concurrently() gives the results in the order of the items", async () => {
  const gates = Array.from({ length: 4 }, () => Promise.withResolvers<void>());
  const done = concurrently([0, 1, 2, 3], 4, async (item) => {
    await gates[item]?.promise;
    return `r${item}`;
  });
  for (const gate of gates.toReversed()) {
    gate.resolve();
    await setImmediate();
  }
  assert.deepEqual(await done, ["r0", "r1", "r2", "r3"]);
});

for (const [items, limit, expected] of [[10, 3, 3], [2, 5, 2], [5, 1, 1], [0, 3, 0]] as const) {
  Deno.test(`concurrently() runs ${expected} of ${items} at once with a limit of ${limit}`, async () => {
    let [running, most] = [0, 0];
    const all = Array.from({ length: items }, (_, index) => index);
    const results = await concurrently(all, limit, async (item) => {
      most = Math.max(most, ++running);
      await setImmediate();
      running--;
      return item;
    });
    assert.deepEqual(results, all);
    assert.equal(most, expected);
  });
}

Deno.test("concurrently() takes items as it gets to them", async () => {
  let taken = 0;
  const items = function* () {
    for (let item = 0; item < 5; item++, taken++) yield item;
  };
  const ahead: number[] = [];
  await concurrently(items(), 2, async (item) => {
    ahead.push(taken - item);
    await setImmediate();
  });
  assert.ok(ahead.every((count) => count <= 2), `${ahead}`);
});

Deno.test("concurrently() begins nothing after an error, and throws it once nothing runs any more", async () => {
  const begun: number[] = [];
  const ended: number[] = [];
  const slow = Promise.withResolvers<void>();
  const done = concurrently([0, 1, 2, 3, 4], 2, async (item) => {
    begun.push(item);
    if (item === 1) throw new Error("broken");
    await slow.promise;
    ended.push(item);
  });
  let thrown = false;
  const rejected = assert.rejects(done, /broken/).then(() => thrown = true);
  for (let turn = 0; turn < 5; turn++) await setImmediate();
  assert.equal(thrown, false);
  slow.resolve();
  await rejected;
  assert.deepEqual({ begun, ended }, { begun: [0, 1], ended: [0] });
});

Deno.test("concurrently() throws the first of several errors", async () => {
  await assert.rejects(
    concurrently([3, 1, 2], 3, async (turns) => {
      for (let turn = 0; turn < turns; turn++) await setImmediate();
      throw new Error(`after ${turns}`);
    }),
    /after 1/,
  );
});
