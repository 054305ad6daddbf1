import assert from "node:assert/strict";
import type { CollectionPlan, StreamPlan } from "../../../lib/plan/plan.ts";
import { checkText, planSql, planText } from "../../../lib/plan/report.ts";
import type { Finding } from "../../../lib/pipeline/status/finding.ts";

const FINDINGS: readonly Finding[] = [
  { probe: "MongoDB", level: "ok", text: "MongoDB 7.0.5 answers", hint: "not shown" },
  {
    probe: "oplog",
    level: "warning",
    text: "The oplog reaches back 3 h",
    hint: "For a day:\n  db.adminCommand(…)",
  },
];

const ORDERS: CollectionPlan = {
  collection: "shop.orders",
  table: '"shop"."orders"',
  exists: false,
  documents: 1_400_000,
  sampled: 1_000,
  averageBytes: 210,
  largestBytes: 2_000,
  suggestions: ["For the index place: a column GEO_SHAPE"],
  measured: null,
  definition: "(oid TEXT PRIMARY KEY)",
  ddl: 'CREATE TABLE IF NOT EXISTS "shop"."orders" (oid TEXT PRIMARY KEY)',
  columns: { used: 5, limit: 1000 },
  paths: [
    { path: "_id", types: { objectId: 1 }, column: "TEXT", overflow: 0 },
    { path: "bell\u0007", types: { null: 1 }, column: "none, for its name", overflow: 0 },
    { path: "price", types: { double: 0.971, string: 0.029 }, column: "DOUBLE PRECISION", overflow: 0.029 },
  ],
  overflowing: 0.029,
  unstorable: 0,
  partitions: undefined,
};
const PLAN: StreamPlan = {
  findings: [],
  collections: [ORDERS],
  shards: 10,
  rowsPerSecond: 20_000,
  snapshotSeconds: 70,
  oplogSeconds: 86_400,
};

Deno.test("checkText() has a line for each finding, what to do for each that is not ok, and the counts", () => {
  assert.equal(
    checkText(FINDINGS),
    [
      "ok       MongoDB             MongoDB 7.0.5 answers",
      "warning  oplog               The oplog reaches back 3 h",
      "           For a day:",
      "             db.adminCommand(…)",
      "",
      "1 ok, 1 warning, 0 wrong",
    ].join("\n"),
  );
});

Deno.test("planText() has the types in per cent, the column, and the overflow of all documents", () => {
  const text = planText(PLAN, 120);
  assert.match(text, /^shop\.orders -> "shop"\."orders"\n/);
  assert.match(text, /price +double 97\.1 %, string 2\.9 % +DOUBLE PRECISION +about 40,600 \(2\.9 %\)\n/);
  assert.match(text, /_id +objectId +TEXT\n/);
  assert.match(text, /bell%07 +null/);
  assert.match(text, /Rows with an overflow: about 40,600 \(2\.9 %\)\n {2}For the index place/);
  assert.match(text, /about 70 s at 20,000 rows per second, a default: .*; the oplog reaches back 24 h$/);
});

Deno.test("planText() escapes names that would steer a terminal", () => {
  const name = "\x1b[31mred";
  const red = {
    ...ORDERS,
    collection: `shop.${name}`,
    table: `"shop"."${name}"`,
    ddl: `CREATE TABLE "${name}"`,
  };
  const text = planText({ ...PLAN, collections: [red] }, 120);
  assert.ok(!text.includes("\x1b"));
  assert.match(text, /CREATE TABLE "\\u001b\[31mred"/);
});

Deno.test("planText() has the partitions, and how many documents have no value for theirs", () => {
  const textOf = (unfit: number) =>
    planText({ ...PLAN, collections: [{ ...ORDERS, partitions: { count: 12, unfit } }] }, 120);
  assert.match(
    textOf(0.5),
    /Partitions of the sample: 12\n {2}Documents without a value for their partition: about 700,000 \(50 %\)\n/,
  );
  assert.doesNotMatch(textOf(0), /without a value/);
});

Deno.test("planText() reports a measured rate, and an empty collection without columns", () => {
  const measured = { rows: 10_000, rowsPerSecond: 31_000, bytesPerRow: 88, refused: 1 };
  const empty = { ...ORDERS, collection: "shop.new", sampled: 0, paths: [], exists: true };
  const text = planText({ ...PLAN, collections: [{ ...ORDERS, measured }, empty], oplogSeconds: null }, 120);
  assert.match(text, /Measured: 31,000 rows per second, 88 bytes per row, 1 of 10000 refused/);
  assert.match(text, /shop\.new -> .*, which exists\n {2}No document to sample/);
  assert.match(text, /as measured; the oplog reaches back an unknown time$/);
});

Deno.test("planSql() is a script: all but its statements are comments", () => {
  const lacking = { ...ORDERS, collection: "shop.users", exists: true, ddl: "" };
  const sql = planSql({ ...PLAN, findings: FINDINGS.slice(1), collections: [ORDERS, lacking] });
  const statements = sql.split("\n").filter((line) => !line.startsWith("-- ") && line !== "");
  assert.deepEqual(statements, [`${ORDERS.ddl};`]);
  assert.match(sql, /^-- shop\.orders\n-- price {2}double 97\.1 %.*\n-- For the index place/m);
});
