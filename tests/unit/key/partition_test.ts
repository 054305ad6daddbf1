import assert from "node:assert/strict";
import {
  isDividedOtherwise,
  isStreamOf,
  parsePartition,
  partsOfStream,
  siblingsOf,
  streamOfPartition,
} from "../../../lib/key/partition.ts";

const WHOLE = "shop.* -> {database}.{collection}";
const part = (text: string) => streamOfPartition(WHOLE, parsePartition(text));

Deno.test("parsePartition() reads K/N", () => {
  assert.deepEqual(parsePartition("0/1"), { index: 0, count: 1 });
  assert.deepEqual(parsePartition("3/4"), { index: 3, count: 4 });
  for (const text of ["4/4", "0/0", "-1/2", "1", "1/2/3", "a/b", "1 / 2"]) {
    assert.throws(() => parsePartition(text), RangeError, text);
  }
});

Deno.test("the name of a stream tells its part", () => {
  assert.equal(part("1/4"), `${WHOLE} (partition 1/4)`);
  assert.deepEqual(partsOfStream(part("1/4")), { whole: WHOLE, partition: { index: 1, count: 4 } });
  assert.equal(streamOfPartition(WHOLE, undefined), WHOLE);
  assert.deepEqual(partsOfStream(WHOLE), { whole: WHOLE, partition: undefined });
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
  assert.ok(!isDividedOtherwise("other.* -> t (partition 0/3)", part("0/2")));
});
