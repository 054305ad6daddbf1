import assert from "node:assert/strict";
import { FileTimes } from "../../support/file_times.ts";

const LINES = [
  "running 3 tests from ./a_test.ts",
  "one ... ok (1m2s)",
  "two ...'two' has been running for over (1m0s)",
  " FAILED (1m21s)",
  "three ... ignored (0ms)",
  "./b_test.ts => four ... FAILED (500ms)",
  "./b_test.ts => five ... ok (250ms)",
  "./c_test.ts => six ... ok (2m)",
  "ok | 5 passed | 1 failed (3m)",
];

Deno.test("FileTimes has the slowest files first, and no more than asked for", () => {
  const times = new FileTimes();
  for (const line of LINES) times.add(line);
  assert.deepEqual(times.slowest(10), [["./a_test.ts", 143], ["./c_test.ts", 120], ["./b_test.ts", 0.75]]);
  assert.deepEqual(times.slowest(1), [["./a_test.ts", 143]]);
});

Deno.test("FileTimes has nothing of a run without tests", () => {
  assert.deepEqual(new FileTimes().slowest(10), []);
});
