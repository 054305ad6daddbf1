import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { parsePartitionBy } from "../../../../lib/mapping/partition.ts";
import { parseTypes } from "../../../../lib/mapping/designed_types.ts";
import { columnTree } from "../../../../lib/sink/table/column_definition.ts";
import { redesigned } from "../../../../lib/sink/columns/redesign.ts";
import { hasCdc } from "../../../../lib/sink/table/cdc_column.ts";
import { definedColumns } from "../../../../lib/sink/table/show_create_table.ts";
import { settingsBeside, type TableDesign } from "../../../../lib/sink/table/table_design.ts";
import { UnusableTableError } from "../../../../lib/sink/table/unusable_table.ts";
import { jsonOfBytes } from "../../../../lib/util/json_writer.ts";

const TABLE = { schema: "doc", name: "t", hasOverflow: true };
const COPY = { schema: "doc", name: "t~1" };
const DEFINITION = `CREATE TABLE IF NOT EXISTS "doc"."t" (
   "oid" TEXT NOT NULL,
   "data" OBJECT(DYNAMIC) AS (
      "at" TIMESTAMP WITH TIME ZONE,
      "n" BIGINT,
      "long" TEXT INDEX OFF STORAGE WITH (
         columnstore = false
      ),
      "items" ARRAY(OBJECT(DYNAMIC) AS (
         "price" DOUBLE PRECISION
      ))
   ),
   "overflow" OBJECT(IGNORED),
   PRIMARY KEY ("oid")
)
CLUSTERED BY ("oid") INTO 4 SHARDS
WITH (
   column_policy = 'strict',
   "blocks.write" = true,
   "mapping.total_fields.limit" = 2000,
   number_of_replicas = '0-1'
)`;

function redesign(design: Partial<TableDesign>, { definition = DEFINITION, firstKept = -Infinity } = {}) {
  const change = redesigned(TABLE, definition, {
    design: { columns: "typed", ...design },
    firstKept,
    onDone: () => {},
  });
  const create = change.create(COPY);
  return { change, create, columns: columnTree(definedColumns(create)) };
}

Deno.test("redesigned() keeps columns, shards and settings that the design does not name", () => {
  const { create } = redesign({ partitionBy: parsePartitionBy("day=at") });
  assert.match(
    create,
    /^CREATE TABLE "doc"\."t~1" \(\n {3}"oid" TEXT,\n {3}"part" TIMESTAMP WITH TIME ZONE,/,
  );
  assert.match(create, /PRIMARY KEY \("oid", "part"\)\n\) CLUSTERED BY \(oid\) INTO 4 SHARDS PARTITIONED BY/);
  assert.match(create, /"mapping\.total_fields\.limit" = 2000/);
  assert.match(create, /"number_of_replicas" = '0-1'/);
  assert.ok(!create.includes("blocks"));
  assert.deepEqual(definedColumns(create).slice(2, 8), definedColumns(DEFINITION).slice(1, 7));
});

Deno.test("redesigned() takes types, shards, replicas and settings from the design", () => {
  const { create } = redesign({
    types: parseTypes({ n: "text", "items[].id": "uuid", at2: "geo_point" }),
    shards: 1,
    replicas: "1",
    with: { codec: "best_compression" },
  });
  const types = Object.fromEntries(definedColumns(create).map(({ path, type }) => [path.join("."), type]));
  assert.equal(types["data.n"], "TEXT");
  assert.equal(types["data.items.price"], "DOUBLE PRECISION");
  assert.equal(types["data.items.id"], "UUID");
  assert.equal(types["geo.at2"], "GEO_POINT");
  assert.match(create, /INTO 1 SHARDS/);
  assert.match(create, /"number_of_replicas" = '1'/);
  assert.match(create, /"codec" = 'best_compression'/);
});

Deno.test("redesigned() gives a table the column `cdc`, of which it had none", () => {
  const { create } = redesign({ deletes: "soft", types: parseTypes({ place: "geo_point" }) });
  assert.ok(hasCdc(definedColumns(create)), create);
});

const row = (data: string, overflow: string | null = null) => ({ oid: "1", data, overflow, cdc: null });

Deno.test("a row moves to data what fits now, and to overflow what no longer fits", () => {
  const { change, columns } = redesign({ types: parseTypes({ n: "text" }) });
  const texts = change.changed(row("{}", '{"n":"seven"}'), columns);
  assert.equal(jsonOfBytes(texts?.data ?? new Uint8Array()), '{"n":"seven"}');
  assert.equal(texts?.overflow, null);
  const numbers = change.changed(row('{"n":7,"at":5}'), columns);
  assert.equal(jsonOfBytes(numbers?.data ?? new Uint8Array()), '{"at":5}');
  assert.equal(jsonOfBytes(numbers?.overflow ?? new Uint8Array()), '{"n":7}');
});

Deno.test("a row gets its partition from the value or from its key, and those before the first kept are left out", () => {
  const day = Date.UTC(2026, 10, 30);
  const { change, columns } = redesign({ partitionBy: parsePartitionBy("day=at") }, { firstKept: day });
  assert.equal(change.changed(row(`{"at":${day + 5}}`), columns)?.part, String(day));
  assert.equal(change.changed(row(`{"at":${day - 5}}`), columns), undefined);
  assert.equal(change.changed(row("{}", '{"at":"669683c20000000000000000"}'), columns)?.part, "0");
  const byId = redesign({ partitionBy: parsePartitionBy("day=$id") });
  const id = BSON.ObjectId.createFromTime(day / 1_000 + 60).toHexString();
  const oid = { ...row(`{"_id":"${id}"}`), oid: id };
  assert.equal(byId.change.changed(oid, byId.columns)?.part, String(day));
  const sharded = { ...oid, oid: `{"a":1,"_id":{"$oid":"${id}"}}` };
  assert.equal(byId.change.changed(sharded, byId.columns)?.part, String(day));
});

Deno.test("a row keeps its mark, or is left out if the design has no column for it", () => {
  const table = { ...TABLE, cdc: "clear" } as const;
  const options = { firstKept: -Infinity, onDone: () => {} };
  const marked = { ...row("{}"), cdc: '{"op":"delete"}' };
  const soft = redesigned(table, DEFINITION, { design: { columns: "typed", deletes: "soft" }, ...options });
  const written = soft.changed(marked, columnTree(definedColumns(DEFINITION)));
  assert.equal(jsonOfBytes(written?.cdc ?? new Uint8Array()), marked.cdc);
  assert.equal(soft.rows, "TRUE");
  const hard = redesigned(table, DEFINITION, { design: { columns: "typed" }, ...options });
  assert.equal(hard.rows, "cdc['deleted_at'] IS NULL");
});

const REFUSED: readonly (readonly [string, string, Partial<TableDesign>, RegExp])[] = [
  ["columns of others", '   "mine" BIGINT,\n   "overflow"', {}, /has columns of its own: mine$/],
  ["a column `geo` of others", '   "geo" TEXT,\n   "overflow"', {}, /has columns of its own: geo$/],
  ["amounts as texts", '   "overflow"', { types: parseTypes({ total: "text" }) }, /cannot become TEXT$/],
  ["amounts with fewer digits", '   "overflow"', { types: parseTypes({ total: "numeric(9,2)" }) }, /cannot/],
  ["amounts as ignored", '   "overflow"', { columns: "ignored" }, /cannot become OBJECT\(IGNORED\)$/],
];
for (const [what, line, design, message] of REFUSED) {
  Deno.test(`redesigned() refuses to lose ${what}`, () => {
    const definition = DEFINITION.replace('   "overflow"', line)
      .replace('"n" BIGINT', '"n" BIGINT,\n      "total" NUMERIC(20, 4)');
    assert.throws(() => redesign(design, { definition }), (error) => {
      assert.ok(error instanceof UnusableTableError);
      assert.match(error.message, message);
      return true;
    });
  });
}

Deno.test("settingsBeside() names what a rebuild would change", () => {
  assert.deepEqual(settingsBeside(DEFINITION, { columns: "typed", shards: 4, replicas: "0-1" }), []);
  assert.deepEqual(settingsBeside(DEFINITION, { columns: "typed", shards: 1, with: { codec: "x" } }), [
    "shards: 4, not 1",
    "codec: not set, not x",
  ]);
});
