import assert from "node:assert/strict";
import { percentiles } from "../../../dev/bench/percentiles.ts";

Deno.test("percentiles() by nearest rank, whatever the order", () => {
  const values = Array.from({ length: 100 }, (_, at) => 100 - at);
  assert.deepEqual(percentiles(values), { p50: 50, p90: 90, p99: 99, max: 100 });
});

Deno.test("percentiles() of one value are that value", () => {
  assert.deepEqual(percentiles([7]), { p50: 7, p90: 7, p99: 7, max: 7 });
});

Deno.test("percentiles() of nothing are unknown", () => {
  assert.equal(percentiles([]), undefined);
});
