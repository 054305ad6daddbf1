import assert from "node:assert/strict";
import { parseFulltext, parseTypes, withIndexed } from "../../../../lib/mapping/designed_types.ts";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import { CRATEDB, POSTGRESQL } from "../../../../lib/sink/sql/dialect.ts";
import {
  asDesigned,
  checkDesign,
  misfitsOf,
  missingColumns,
} from "../../../../lib/sink/table/designed_columns.ts";

const TABLE = { schema: "doc", name: "t" };

/** As CrateDB prints it. */
const DEFINITION = `CREATE TABLE IF NOT EXISTS "doc"."t" (
   "oid" TEXT NOT NULL,
   "data" OBJECT(DYNAMIC) AS (
      "title" TEXT,
      "total" NUMERIC(20, 4),
      "note" TEXT INDEX OFF STORAGE WITH (
         columnstore = false
      ),
      "items" ARRAY(OBJECT(DYNAMIC) AS (
         "id" UUID
      ))
   ),
   "overflow" OBJECT(IGNORED),
   "geo" OBJECT(STRICT) AS (
      "at" GEO_POINT,
      "area" GEO_SHAPE INDEX USING GEOHASH
   ),
   PRIMARY KEY ("oid"),
   INDEX "search" USING FULLTEXT ("data"['title'], "data"['note']) WITH (
      analyzer = 'english'
   )
)
CLUSTERED BY ("oid") INTO 4 SHARDS`;

const FULLTEXT = { search: { columns: ["title", "note"], analyzer: "english" } };
const LONG = { text: { index: "off" } };

const designOf = (types: object, fulltext: object = {}) => {
  const indexes = parseFulltext(fulltext);
  return { types: withIndexed(parseTypes(types), indexes), fulltext: indexes };
};
const missing = (types: object) => missingColumns(TABLE, DEFINITION, designOf(types));

Deno.test("nothing is missing or misfits in a table as designed", () => {
  const types = {
    "total": "numeric(20,4)",
    "note": LONG,
    "items[].id": "uuid",
    "at": "geo_point",
    "area": "geo_shape",
  };
  assert.deepEqual(missing(types), []);
  assert.deepEqual(misfitsOf(DEFINITION, designOf(types, FULLTEXT)), []);
});

Deno.test("missingColumns() adds columns below data and beside it, also below strict objects", () => {
  const types = {
    "o.x": "uuid",
    "items[].price": "numeric(10)",
    "o.at": "geo_point",
    "more": "geo_shape",
    "v": "float_vector(3)",
  };
  assert.deepEqual(misfitsOf(DEFINITION, designOf(types)), []);
  assert.deepEqual(missing(types), [
    `ADD COLUMN data['o'] OBJECT(DYNAMIC) AS (\n      "x" UUID\n   )`,
    `ADD COLUMN data['items']['price'] NUMERIC(10, 0)`,
    `ADD COLUMN geo['o'] OBJECT(STRICT) AS (\n      "at" GEO_POINT\n   )`,
    `ADD COLUMN geo['more'] GEO_SHAPE`,
    `ADD COLUMN vector OBJECT(STRICT) AS (\n      "v" FLOAT_VECTOR(3)\n   )`,
  ]);
});

const FAULTS: readonly (readonly [types: object, fulltext: object, fault: string])[] = [
  [{ title: "uuid" }, {}, "data['title'] is TEXT, not UUID"],
  [{ total: "numeric(20,2)" }, {}, "data['total'] is NUMERIC(20, 4), not NUMERIC(20, 2)"],
  [{ "items.id": "uuid" }, {}, "data['items'] is ARRAY(OBJECT), not OBJECT"],
  [{ at: "geo_shape" }, {}, "geo['at'] is GEO_POINT, not GEO_SHAPE"],
  [
    {},
    { search: { columns: ["title"], analyzer: "english" } },
    "it has no INDEX \"search\" USING FULLTEXT (data['title']) WITH (analyzer = 'english')",
  ],
];

for (const [types, fulltext, fault] of FAULTS) {
  Deno.test(`misfitsOf() has: ${fault}`, () => {
    assert.deepEqual(misfitsOf(DEFINITION, designOf(types, fulltext)), [fault]);
  });
}

Deno.test("asDesigned() explains what the server refuses of a design", async () => {
  const message = 'Invalid property "codeck"';
  const work = () => Promise.reject(new SinkError(message, { kind: "unspecific", code: "XX000" }));
  await assert.rejects(asDesigned(TABLE, { columns: "typed", with: {} }, work), {
    name: "UnusableTableError",
    message: /: Invalid property "codeck"$/,
    hint: /^Correct types, fulltext or with/,
  });
  await assert.rejects(asDesigned(TABLE, { columns: "typed" }, work), { name: "SinkError" });
});

const serverOf = (version: string, dialect = CRATEDB) => ({
  dialect,
  query: () => Promise.resolve({ count: 1, rows: [[version]] }),
  async [Symbol.asyncDispose]() {},
});

Deno.test("checkDesign() finds types in objects and arrays, and takes an unknown version for a new one", async () => {
  const design = { columns: "typed", types: parseTypes({ "items[].prices[]": "numeric(5)" }) } as const;
  await assert.rejects(checkDesign(serverOf("CrateDB 5.8.1 (built …)"), TABLE, design), {
    name: "UnusableTableError",
    message: /lacks NUMERIC columns$/,
    hint: "CrateDB 5.9 has it. Upgrade, or remove it from types.",
  });
  for (const version of ["CrateDB 5.10.0 (built …)", "CrateDB 6.0.0", "", "5.1"]) {
    await checkDesign(serverOf(version), TABLE, design);
  }
});

Deno.test("checkDesign() refuses partitions of a server that is not CrateDB", () =>
  assert.rejects(
    checkDesign(serverOf("PostgreSQL 16", POSTGRESQL), TABLE, {
      columns: "typed",
      partitionBy: { unit: "month", path: ["at"] },
    }),
    { name: "UnusableTableError", message: /need CrateDB: the server is PostgreSQL/ },
  ));
