import assert from "node:assert/strict";
import { SnapshotRate } from "../../../../lib/pipeline/snapshot/snapshot_rate.ts";

const START = 1_000_000;

function rateOf(rate: number, lanes = 4) {
  let now = START;
  return {
    rate: new SnapshotRate({ rate, lanes, clock: { monotonic: () => now } }),
    at: (milliseconds: number) => now = START + milliseconds,
  };
}

Deno.test("SnapshotRate of 0 has no limit", () => {
  const { rate } = rateOf(0);
  assert.deepEqual([rate.take(), rate.take(), rate.nextAt], [Infinity, Infinity, 0]);
});

Deno.test("SnapshotRate lets each lane read a small chunk, then waits", () => {
  const { rate, at } = rateOf(1_600);
  assert.deepEqual([1, 2, 3, 4, 5].map(() => rate.take()), [100, 100, 100, 100, 0]);
  assert.equal(rate.nextAt, START + 63);
  at(63);
  assert.deepEqual([rate.take(), rate.take()], [100, 0]);
});

Deno.test("SnapshotRate goes by what was read", () => {
  const { rate } = rateOf(1_600);
  for (let lane = 0; lane < 4; lane++) rate.take();
  rate.settle(100, 0);
  assert.equal(rate.nextAt, START);
  // One more where keys need not be unique.
  rate.settle(100, 101);
  assert.equal(rate.nextAt, START + 1);
});

Deno.test("SnapshotRate lets documents through one by one where there may be few", () => {
  const { rate, at } = rateOf(1);
  assert.deepEqual([rate.take(), rate.take(), rate.nextAt], [1, 0, START + 1_000]);
  at(1_000);
  assert.equal(rate.take(), 1);
});
