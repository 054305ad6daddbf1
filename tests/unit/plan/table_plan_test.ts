import assert from "node:assert/strict";
import { planTable, type TableOptions } from "../../../lib/plan/table_plan.ts";
import type { Transport } from "../../../lib/sink/connection/transport.ts";
import { CRATEDB, POSTGRESQL } from "../../../lib/sink/sql/dialect.ts";
import { documentOf, type Raw, raw } from "../../support/raw_bson.ts";

const BY_COUNTRY = { unit: "value", path: ["country"] } as const;
const TABLE = { schema: "shop", name: "orders" };

/** CrateDB with one table, or none. */
const cratedb = (definition = ""): Transport => ({
  dialect: CRATEDB,
  query: (sql) => {
    assert.match(sql, /^SHOW CREATE TABLE "shop"."orders"$/, "a plan changes nothing");
    return Promise.resolve({ count: 1, rows: [[definition]] });
  },
  async [Symbol.asyncDispose]() {},
});

interface Given extends Partial<TableOptions["settings"]> {
  readonly transport?: Transport;
  readonly exists?: boolean;
}

async function planned(
  documents: readonly (readonly (readonly [string, Raw])[])[],
  { transport = cratedb(), exists = false, ...settings }: Given = {},
) {
  const all = { columns: "typed", shards: undefined, omit: [], ...settings } as const;
  return (await planTable(documents.map(documentOf), transport, { table: TABLE, exists, settings: all }))
    .plan;
}

const overflowOf = ({ paths }: Awaited<ReturnType<typeof planned>>) =>
  Object.fromEntries(
    paths.filter(({ overflow }) => overflow > 0).map(({ path, overflow }) => [path, overflow]),
  );

Deno.test("planTable() has the CREATE TABLE of a relay, with its columns", async () => {
  const document = [
    ["_id", raw.int32(1)],
    ["items", raw.array([raw.document([["price", raw.double(0.5)]])])],
    ['it"s', raw.date(0n)],
  ] as const;
  const { ddl, columns } = await planned([document], { shards: 2 });
  assert.equal(
    ddl,
    `CREATE TABLE IF NOT EXISTS "shop"."orders" (
   "oid" TEXT PRIMARY KEY,
   "data" OBJECT(DYNAMIC) AS (
      "_id" BIGINT,
      "items" ARRAY(OBJECT(DYNAMIC) AS (
         "price" DOUBLE PRECISION
      )),
      "it""s" TIMESTAMP WITH TIME ZONE
   ),
   "overflow" OBJECT(IGNORED)
) CLUSTERED BY (oid) INTO 2 SHARDS`,
  );
  assert.deepEqual(columns, { used: 7, limit: 1000 });
});

Deno.test("planTable() predicts the share of each path that goes to overflow", async () => {
  const prices = [raw.double(0.5), raw.double(1.5), raw.int32(2), raw.string("free")];
  const plan = await planned(prices.map((price) => [["price", price]]));
  assert.deepEqual(plan.paths, [{
    path: "price",
    types: { double: 0.5, int32: 0.25, string: 0.25 },
    column: "DOUBLE PRECISION",
    overflow: 0.25,
  }]);
  assert.equal(plan.overflowing, 0.25);
});

Deno.test("planTable() names a value below an object, and a whole array, at its path", async () => {
  const array = (...items: readonly Raw[]) => raw.array(items.map((n) => raw.document([["n", n]])));
  const plan = await planned([
    [["o", raw.document([["a", raw.int32(1)]])], ["list", array(raw.int32(1))]],
    [["o", raw.document([["a", raw.string("x")]])], ["list", array(raw.int32(2), raw.string("x"))]],
  ]);
  assert.deepEqual(overflowOf(plan), { "o.a": 0.5, list: 0.5 });
  assert.deepEqual(plan.paths.map(({ path }) => path), ["o", "o.a", "list", "list[]", "list[].n"]);
});

Deno.test("planTable() gives no columns to keys of maps, refused names and long text", async () => {
  const plan = await planned([[
    ["likes", raw.document([["507f1f77bcf86cd799439011", raw.int32(1)]])],
    ["a.b", raw.int32(1)],
    ["text", raw.string("x".repeat(40_000))],
    ["nothing", raw.null()],
  ]]);
  assert.deepEqual(plan.paths.map(({ path, column }) => [path, column]), [
    ["likes", "OBJECT(IGNORED)"],
    ["a.b", "none, for its name"],
    ["text", "none"],
    ["nothing", "none"],
  ]);
  assert.deepEqual(overflowOf(plan), { "a.b": 1, text: 1 });
  assert.deepEqual(plan.paths[2]?.types, { "long text": 1 });
});

Deno.test("planTable() of a table with too many fields counts those without a column", async () => {
  const fields = Array.from({ length: 1_200 }, (_, at) => [`f${at}x`, raw.int32(at)] as const);
  const { columns, paths } = await planned([fields]);
  assert.equal(columns.used, 1_000);
  assert.equal(paths.filter(({ overflow }) => overflow === 1).length, 1_200 - 997);
});

Deno.test("planTable() of a table that exists has the columns that it lacks", async () => {
  const definition = 'CREATE TABLE IF NOT EXISTS "shop"."orders" (\n   "oid" TEXT NOT NULL,\n' +
    '   "data" OBJECT(DYNAMIC) AS (\n      "a" TEXT\n   ),\n   "overflow" OBJECT(IGNORED)\n)';
  const given = { transport: cratedb(definition), exists: true };
  const plan = await planned([[["a", raw.int32(1)], ["b", raw.int32(1)]]], given);
  assert.equal(plan.ddl, `ALTER TABLE "shop"."orders" ADD COLUMN data['b'] BIGINT`);
  assert.deepEqual(overflowOf(plan), { a: 1 });
  assert.equal((await planned([[["a", raw.string("x")]]], given)).ddl, "");
});

Deno.test("planTable() has no columns for --columns ignored, nor for those that CrateDB infers", async () => {
  const documents = [[["a", raw.int32(1)], ["b", raw.string("x")]]] as const;
  const ignored = await planned(documents, { columns: "ignored" });
  assert.match(ignored.ddl, /"data" OBJECT\(IGNORED\),/);
  assert.deepEqual(ignored.paths.map(({ column }) => column), ["ignored", "ignored"]);
  const dynamic = await planned(documents, { columns: "dynamic" });
  assert.match(dynamic.ddl, /"data" OBJECT\(DYNAMIC\),/);
  assert.deepEqual([ignored.overflowing, dynamic.overflowing], [0, 0]);
  const mixed = await planned([...documents, ...documents, [["b", raw.int32(1)]]], { columns: "dynamic" });
  assert.deepEqual(overflowOf(mixed), { b: 1 / 3 });
});

Deno.test("planTable() plans JSONB for PostgreSQL", async () => {
  const transport = { ...cratedb(), dialect: POSTGRESQL };
  const plan = await planned([[["a", raw.double(-0)], ["b", raw.int32(1)]]], { transport });
  assert.match(plan.ddl, /"data" JSONB,\n {3}"overflow" JSON\n\)$/);
  assert.deepEqual(overflowOf(plan), { a: 1 });
});

Deno.test("planTable() leaves out what --omit removes, and counts documents that no row can store", async () => {
  const documents = [[["$secret", raw.int32(1)], ["a", raw.int32(1)]]] as const;
  assert.deepEqual((await planned(documents, { omit: ["$secret"] })).paths.map(({ path }) => path), ["a"]);
  const unstorable = ["n".repeat(60_000), raw.int32(1)] as const;
  assert.equal((await planned([[["a", raw.int32(1)]], [unstorable]])).unstorable, 0.5);
});

Deno.test("planTable() of no documents invents no columns", async () => {
  const { ddl, paths, overflowing } = await planned([]);
  assert.match(ddl, /"data" OBJECT\(DYNAMIC\),/);
  assert.deepEqual([paths, overflowing], [[], 0]);
});

Deno.test("planTable() counts the partitions of the sample, and documents without a value for theirs", async () => {
  const countries = [raw.string("AT"), raw.string("CH"), raw.string("AT"), raw.array([])];
  const documents = countries.map((country, n) => [["_id", raw.int32(n)], ["country", country]] as const);
  const { partitions } = await planned(documents, { partitionBy: BY_COUNTRY });
  assert.deepEqual(partitions, { count: 3, unfit: 0.25 });
  assert.equal((await planned(documents)).partitions, undefined);
});
