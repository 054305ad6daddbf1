import assert from "node:assert/strict";
import { SnapshotRate } from "../../../../lib/pipeline/snapshot/snapshot_rate.ts";

const START = 1_000_000;

function rateOf(rate: number, readers = 4) {
  let now = START;
  return {
    rate: new SnapshotRate({ rate, readers, clock: { monotonic: () => now } }),
    at: (milliseconds: number) => now = START + milliseconds,
  };
}

Deno.test("SnapshotRate of 0 has no limit", () => {
  const { rate } = rateOf(0);
  assert.deepEqual([rate.take(), rate.take(), rate.nextAt], [Infinity, Infinity, 0]);
});

Deno.test("SnapshotRate lets each reader read a small chunk, then waits", () => {
  const { rate, at } = rateOf(1_600);
  assert.deepEqual([1, 2, 3, 4, 5].map(() => rate.take()), [100, 100, 100, 100, 0]);
  assert.equal(rate.nextAt, START + 63);
  at(62);
  assert.equal(rate.take(), 0);
  at(63);
  assert.deepEqual([rate.take(), rate.take()], [100, 0]);
});

Deno.test("SnapshotRate allows a burst of a quarter of a second at the start, and no more", () => {
  const { rate, at } = rateOf(1_600);
  at(60_000);
  rate.begin();
  assert.deepEqual([1, 2, 3, 4, 5].map(() => rate.take()), [100, 100, 100, 100, 0]);
});

Deno.test("SnapshotRate counts the documents that were read", () => {
  const { rate } = rateOf(1_600);
  for (let reader = 0; reader < 4; reader++) rate.take();
  rate.settle(100, 0);
  assert.equal(rate.nextAt, START);
  // One more than allowed, if keys need not be unique.
  rate.settle(100, 101);
  assert.equal(rate.nextAt, START + 1);
});

Deno.test("SnapshotRate lets documents through one by one if the rate is low", () => {
  const { rate, at } = rateOf(1);
  assert.deepEqual([rate.take(), rate.take(), rate.nextAt], [1, 0, START + 1_000]);
  at(1_000);
  assert.equal(rate.take(), 1);
});

Deno.test("SnapshotRate keeps to its rate in the long run", () => {
  const { rate, at } = rateOf(7);
  let read = 0;
  for (let milliseconds = 0; milliseconds <= 10_000; milliseconds += 5) {
    at(milliseconds);
    read += rate.take();
  }
  assert.ok(read >= 70 && read <= 72, `${read} read`);
});

Deno.test("SnapshotRate lets readers catch up who were late, for a few seconds at most", () => {
  const { rate, at } = rateOf(1_600);
  while (rate.take() > 0);
  at(2_000);
  assert.deepEqual([rate.take(), rate.take()], [800, 600]);
  at(60_000);
  let read = 0;
  for (let next = rate.take(); next > 0; next = rate.take()) read += next;
  assert.ok(read > 7_900 && read <= 8_000, `${read} read`);
});

Deno.test("SnapshotRate is reached by one of four readers whose answers take 300 ms, and in turns with the stream", () => {
  const { rate, at } = rateOf(500);
  const readIn = (from: number, to: number): number => {
    let read = 0;
    for (let milliseconds = from; milliseconds < to; milliseconds += 300) {
      at(milliseconds);
      read += rate.take();
    }
    return read;
  };
  const slow = readIn(0, 60_000);
  assert.ok(slow > 0.97 * 30_000 && slow <= 30_200, `${slow} read`);
  let turns = 0;
  // A slice of 1 s, then 2 s of the stream.
  for (let milliseconds = 60_000; milliseconds < 120_000; milliseconds += 3_000) {
    turns += readIn(milliseconds, milliseconds + 1_000);
  }
  assert.ok(turns > 0.95 * 30_000, `${turns} read`);
});

Deno.test("SnapshotRate survives a clock that is set back", () => {
  const { rate, at } = rateOf(1_600);
  for (let reader = 0; reader < 4; reader++) rate.take();
  at(-60_000);
  assert.equal(rate.take(), 0);
  at(-59_900);
  assert.equal(rate.take(), 100);
});

Deno.test("SnapshotRate.limit() replaces the rate, also none", () => {
  let time = 0;
  const rate = new SnapshotRate({ rate: 0, readers: 1, clock: { monotonic: () => time } });
  assert.equal(rate.take(), Infinity);
  rate.limit(400);
  assert.deepEqual([rate.take(), rate.take()], [100, 0]);
  rate.limit(40);
  time = 1_000;
  assert.deepEqual([rate.take(), rate.take()], [40, 0]);
  rate.limit(0);
  const taken = rate.take();
  assert.deepEqual([taken, rate.nextAt], [Infinity, 0]);
  rate.limit(40);
  rate.settle(taken, 5);
  assert.deepEqual([rate.take(), rate.take()], [10, 0]);
});
