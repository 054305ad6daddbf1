import assert from "node:assert/strict";
import { type Result, table } from "../../../dev/bench/report.ts";

const UNKNOWN = { program: undefined, mongodb: undefined, cratedb: undefined };
const inserts: Result = {
  line: "inserts",
  name: "relay",
  transport: "http",
  changes: 50_000,
  changesPerSecond: 11_617.4,
  cpu: { program: 37, mongodb: 13.66, cratedb: undefined },
  memory: 341 * 2 ** 20,
  reached: { drain: 0.204, readyMade: 0.387 },
};

Deno.test("table() has a line for each result, and leaves out what nothing has", () => {
  const drain: Result = { ...inserts, name: "drain alone", transport: undefined, cpu: UNKNOWN };
  const { memory: _, reached: __, ...bare } = drain;
  assert.deepEqual(table([inserts, bare]), [
    "line     what         over  changes  a second  µs program  µs MongoDB  of drain  of ready-made  peak MB",
    "inserts  relay        http   50,000    11,617        37.0        13.7      20 %           39 %      341",
    "inserts  drain alone         50,000    11,617",
  ]);
});

Deno.test("table() has the percentiles of freshness", () => {
  const delay = { p50: 23.6, p90: 40, p99: 1_000.2, max: 2_000 };
  const [head, row] = table([{ ...inserts, line: "fresh at 10/s", delay }]);
  assert.match(head ?? "", /p50 ms {2}p90 ms {2}p99 ms/);
  assert.match(row ?? "", / 24 +40 +1,000 /);
});
