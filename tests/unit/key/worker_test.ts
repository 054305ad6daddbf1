import assert from "node:assert/strict";
import {
  isDividedOtherwise,
  isStreamOf,
  parseWorker,
  partsOfStream,
  siblingsOf,
  streamOfWorker,
} from "../../../lib/key/worker.ts";

const WHOLE = "shop.* -> {database}.{collection}";
const part = (text: string) => streamOfWorker(WHOLE, parseWorker(text));

Deno.test("parseWorker() reads K/N", () => {
  assert.deepEqual(parseWorker("0/1"), { index: 0, count: 1 });
  assert.deepEqual(parseWorker("3/4"), { index: 3, count: 4 });
  for (const text of ["4/4", "0/0", "-1/2", "1", "1/2/3", "a/b", "1 / 2"]) {
    assert.throws(() => parseWorker(text), RangeError, text);
  }
});

Deno.test("the name of a stream tells its part", () => {
  assert.equal(part("1/4"), `${WHOLE} (worker 1/4)`);
  assert.deepEqual(partsOfStream(part("1/4")), { whole: WHOLE, worker: { index: 1, count: 4 } });
  assert.equal(streamOfWorker(WHOLE, undefined), WHOLE);
  assert.deepEqual(partsOfStream(WHOLE), { whole: WHOLE, worker: undefined });
});

Deno.test("siblingsOf() are all parts of a stream", () => {
  assert.deepEqual(siblingsOf(part("1/3")), [part("0/3"), part("1/3"), part("2/3")]);
  assert.deepEqual(siblingsOf(WHOLE), [WHOLE]);
});

Deno.test("isStreamOf() is true of a stream and of its parts", () => {
  assert.ok(isStreamOf(WHOLE, WHOLE));
  assert.ok(isStreamOf(part("1/3"), WHOLE));
  assert.ok(isStreamOf(part("1/3"), part("1/3")));
  assert.ok(!isStreamOf(part("0/3"), part("1/3")));
  assert.ok(!isStreamOf(WHOLE, part("1/3")));
  assert.ok(!isStreamOf("shop.orders -> shop.orders", WHOLE));
});

Deno.test("isDividedOtherwise() tells another number of parts of the same stream", () => {
  assert.ok(isDividedOtherwise(part("0/2"), part("0/3")));
  assert.ok(isDividedOtherwise(WHOLE, part("0/1")));
  assert.ok(!isDividedOtherwise(part("0/2"), part("1/2")));
  assert.ok(!isDividedOtherwise("other.* -> t (worker 0/3)", part("0/2")));
});
