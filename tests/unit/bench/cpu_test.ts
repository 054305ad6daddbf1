import assert from "node:assert/strict";
import { cpuPerChange, ticksIn } from "../../../dev/bench/cpu.ts";

Deno.test("ticksIn() reads user and system time behind a name with spaces and brackets", () => {
  assert.equal(ticksIn("7 (a (b) c) S 1 7 7 0 -1 4194560 0 0 0 0 120 30 8 9 20 0"), 1_500_000);
});

Deno.test("ticksIn() of a process that is gone is unknown", () => {
  assert.equal(ticksIn(""), undefined);
});

Deno.test("cpuPerChange() leaves unknown what is unknown before or after", () => {
  const before = { program: 1_000, mongodb: undefined, cratedb: 5 };
  const after = { program: 5_000, mongodb: 7, cratedb: undefined };
  assert.deepEqual(cpuPerChange(before, after, 100), { program: 40, mongodb: undefined, cratedb: undefined });
});
