import assert from "node:assert/strict";
import { join } from "node:path";
import { plot } from "../../../dev/bench/plot.ts";
import type { Report, Result } from "../../../dev/bench/report.ts";

const docs = join(import.meta.dirname ?? "", "..", "..", "..", "docs");
const result = (values: Partial<Result>): Result => ({
  line: "inserts",
  name: "relay",
  transport: "http",
  changes: 100,
  changesPerSecond: 10_000,
  cpu: { program: 37, mongodb: 13.6, cratedb: undefined },
  ...values,
});
const report = (...results: Result[]): Report => ({
  date: "2026-01-02T03:04:05.678Z",
  versions: { Deno: "2.9.0", CrateDB: "5.7.6" },
  machine: { cpus: 2, memory: 8 * 2 ** 30 },
  results,
});

Deno.test("plot() draws rates beside what is ready-made, and tells CPU time", () => {
  const svg = plot(report(
    result({ name: "ready-made, new keys", changesPerSecond: 20_000 }),
    result({ reached: { readyMade: 0.5 } }),
  ));
  assert.match(svg, /<rect class="ceiling" x="236" y="\d+" width="330\.0"/);
  assert.match(svg, /<rect class="bar" x="236" y="\d+" width="165\.0"/);
  assert.match(svg, />10,000\/s, 50 %; 37 \+ 14 \+ \? µs</);
});

Deno.test("plot() draws each bar of a line to the same scale, and none for a line of one result", () => {
  const svg = plot(report(
    result({ name: "ready-made, new keys", changesPerSecond: 20_000 }),
    result({ name: "drain alone", changesPerSecond: 40_000 }),
    result({ line: "verify", reached: {} }),
  ));
  assert.match(svg, /ready-made, new keys[^]*width="165\.0"[^]*drain alone[^]*width="330\.0"/);
  assert.doesNotMatch(svg, /<rect class="bar"/);
});

Deno.test("plot() draws percentiles over each other, the longest first", () => {
  const delay = { p50: 10, p90: 20, p99: 40, max: 80 };
  const svg = plot(report(result({ line: "fresh at 10/s", delay })));
  assert.match(
    svg,
    /class="p99"[^>]*width="330\.0"[^]*class="p90"[^>]*width="165\.0"[^]*class="p50"[^>]*width="82\.5"/,
  );
  assert.match(svg, />10, 20, 40 ms</);
});

Deno.test("plot() tells date, versions and machine", () => {
  assert.match(plot(report(result({}))), />2026-01-02; Deno 2\.9\.0, CrateDB 5\.7\.6; 2 CPUs, 8 GiB, /);
});

Deno.test("plot() escapes what programs are called", () => {
  assert.match(plot(report(result({ name: "a<b" }))), />a&lt;b, http</);
});

Deno.test("the picture of the docs is made from their JSON", async () => {
  const json = JSON.parse(await Deno.readTextFile(join(docs, "benchmarks.json")));
  assert.equal(await Deno.readTextFile(join(docs, "benchmarks.svg")), plot(json));
});
