import assert from "node:assert/strict";
import { cpuPerChange, microsecondsIn, percentiles } from "../../../dev/bench/sample.ts";

Deno.test("microsecondsIn() reads user and system time after a name with spaces and brackets", () => {
  assert.equal(microsecondsIn("7 (a (b) c) S 1 7 7 0 -1 4194560 0 0 0 0 120 30 8 9 20 0"), 1_500_000);
});

Deno.test("microsecondsIn() returns undefined for a process that has ended", () => {
  assert.equal(microsecondsIn(""), undefined);
});

Deno.test("cpuPerChange() returns undefined for times that are unknown before or after", () => {
  const before = { program: 1_000, mongodb: undefined, cratedb: 5 };
  const after = { program: 5_000, mongodb: 7, cratedb: undefined };
  assert.deepEqual(cpuPerChange(before, after, 100), { program: 40, mongodb: undefined, cratedb: undefined });
});

Deno.test("percentiles() returns nearest ranks of unordered values", () => {
  const values = Array.from({ length: 100 }, (_, at) => 100 - at);
  assert.deepEqual(percentiles(values), { p50: 50, p90: 90, p99: 99, max: 100 });
  assert.deepEqual(percentiles([7]), { p50: 7, p90: 7, p99: 7, max: 7 });
  assert.equal(percentiles([]), undefined);
});
