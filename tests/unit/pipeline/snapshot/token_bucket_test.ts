import assert from "node:assert/strict";
import { TokenBucket } from "../../../../lib/pipeline/snapshot/snapshot_rate.ts";

const START = 1_000_000;

function bucketOf({ rate = 100, capacity = 50 } = {}) {
  let now = START;
  const bucket = new TokenBucket({ rate, capacity, clock: { monotonic: () => now } });
  return { bucket, at: (milliseconds: number) => now = START + milliseconds };
}

Deno.test("TokenBucket is full at the start, and gives no more than it has", () => {
  const { bucket } = bucketOf();
  assert.deepEqual([bucket.take(30), bucket.take(30), bucket.take(20), bucket.take(1)], [
    true,
    false,
    true,
    false,
  ]);
});

Deno.test("TokenBucket fills evenly, up to its capacity", () => {
  const { bucket, at } = bucketOf();
  bucket.take(50);
  assert.equal(bucket.availableAt(10), START + 100);
  at(99);
  assert.equal(bucket.take(10), false);
  at(100);
  assert.equal(bucket.take(10), true);
  at(60_000);
  assert.deepEqual([bucket.take(50), bucket.take(1)], [true, false]);
});

Deno.test("TokenBucket takes back what was not used, and makes good for what was used beyond", () => {
  const { bucket } = bucketOf();
  bucket.take(50);
  bucket.putBack(20);
  assert.equal(bucket.availableAt(20), START);
  bucket.putBack(-40);
  assert.equal(bucket.availableAt(10), START + 300);
});

Deno.test("TokenBucket gives no more than its rate in the long run", () => {
  const { bucket, at } = bucketOf({ rate: 7, capacity: 2 });
  let taken = 0;
  for (let milliseconds = 0; milliseconds <= 10_000; milliseconds += 5) {
    at(milliseconds);
    if (bucket.take(1)) taken++;
  }
  assert.ok(taken >= 70 && taken <= 72, `${taken} taken`);
});

Deno.test("TokenBucket survives a clock that is set back", () => {
  const { bucket, at } = bucketOf();
  bucket.take(50);
  at(-60_000);
  assert.equal(bucket.take(1), false);
  at(-59_900);
  assert.equal(bucket.take(10), true);
});
