import assert from "node:assert/strict";
import { type Result, table } from "../../../dev/bench/report.ts";

const inserts: Result = {
  line: "inserts",
  name: "relay",
  changes: 50_000,
  changesPerSecond: 11_617.4,
  cpu: { program: 37, mongodb: 13.66, cratedb: undefined },
  memory: 341 * 2 ** 20,
};

Deno.test("table() has a line for each result, and omits empty columns", () => {
  assert.deepEqual(table([inserts, { ...inserts, name: "other", memory: undefined }]), [
    "line     program  changes  a second  µs program  µs MongoDB  peak MB",
    "inserts  relay     50,000    11,617        37.0        13.7      341",
    "inserts  other     50,000    11,617        37.0        13.7",
  ]);
});

Deno.test("table() has the percentiles of freshness", () => {
  const delay = { p50: 23.6, p90: 40, p99: 1_000.2, max: 2_000 };
  const [head, row] = table([{ ...inserts, line: "fresh at 10/s", delay }]);
  assert.match(head ?? "", /p50 ms {2}p90 ms {2}p99 ms/);
  assert.match(row ?? "", / 24 +40 +1,000 /);
});
