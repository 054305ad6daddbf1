import assert from "node:assert/strict";
import {
  type DefinedColumn,
  definedColumns,
  redefined,
} from "../../../../lib/sink/table/show_create_table.ts";

const BEFORE = `CREATE TABLE IF NOT EXISTS "weather"."t~1" (
   "oid" TEXT NOT NULL,
   "n" INTEGER DEFAULT 7,
   "data" OBJECT(DYNAMIC) AS (
      "t" BIGINT,
      "a ""q"" 'b" BIGINT,
      """" TEXT,
      "l" ARRAY(OBJECT(DYNAMIC) AS (
         "x" BIGINT,
         "y" ARRAY(BIGINT)
      )),
      "m" ARRAY(ARRAY(BIGINT)),
      "st" OBJECT(STRICT) AS (
         "p" BIGINT
      ),
      "big" TEXT INDEX OFF STORAGE WITH (
         columnstore = false
      ),
      "ft" TEXT INDEX USING FULLTEXT WITH (
         analyzer = 'english'
      ),
      "o" OBJECT(DYNAMIC),
      "last" VARCHAR(5)
   ),
   "overflow" OBJECT(IGNORED),
   "g" DOUBLE PRECISION GENERATED ALWAYS AS "data"['t'] * CAST(2 AS bigint),
   "txt" TEXT DEFAULT 'a, "b" BIGINT,',
   PRIMARY KEY ("oid"),
   CONSTRAINT small CHECK("data"['c'] < 100)
)
CLUSTERED BY ("oid") INTO 3 SHARDS
WITH (
   column_policy = 'strict',
   number_of_replicas = '0'
)`;

const COLUMNS: readonly (readonly [DefinedColumn["path"], string])[] = [
  [["oid"], "TEXT NOT NULL"],
  [["n"], "INTEGER DEFAULT 7"],
  [["data"], "OBJECT(DYNAMIC) AS ("],
  [["data", "t"], "BIGINT"],
  [["data", `a "q" 'b`], "BIGINT"],
  [["data", '"'], "TEXT"],
  [["data", "l"], "ARRAY(OBJECT(DYNAMIC) AS ("],
  [["data", "l", "x"], "BIGINT"],
  [["data", "l", "y"], "ARRAY(BIGINT)"],
  [["data", "m"], "ARRAY(ARRAY(BIGINT))"],
  [["data", "st"], "OBJECT(STRICT) AS ("],
  [["data", "st", "p"], "BIGINT"],
  [["data", "big"], "TEXT INDEX OFF STORAGE WITH ("],
  [["data", "ft"], "TEXT INDEX USING FULLTEXT WITH ("],
  [["data", "o"], "OBJECT(DYNAMIC)"],
  [["data", "last"], "VARCHAR(5)"],
  [["overflow"], "OBJECT(IGNORED)"],
  [["g"], `DOUBLE PRECISION GENERATED ALWAYS AS "data"['t'] * CAST(2 AS bigint)`],
  [["txt"], `TEXT DEFAULT 'a, "b" BIGINT,'`],
];

Deno.test("definedColumns() reads every column with its path, and nothing that is none", () => {
  assert.deepEqual(definedColumns(BEFORE), COLUMNS.map(([path, type]) => ({ path, type })));
});

Deno.test("definedColumns() of a definition without columns", () => {
  assert.deepEqual(definedColumns(""), []);
});

const NEW = { schema: 'we"ather', name: "t~2" };
const renamed = BEFORE.replace('IF NOT EXISTS "weather"."t~1"', '"we""ather"."t~2"');

Deno.test("redefined() changes nothing but the name when every column keeps its type", () => {
  assert.equal(redefined(BEFORE, NEW, ({ type }) => type), renamed);
});

/** Columns that get another type, and the one line of the definition that becomes another. */
const RETYPED:
  readonly (readonly [path: DefinedColumn["path"], type: string, before: string, after: string])[] = [
    [["data", "t"], "DOUBLE PRECISION", '\n      "t" BIGINT,', '\n      "t" DOUBLE PRECISION,'],
    [["data", `a "q" 'b`], "TEXT", `"a ""q"" 'b" BIGINT,`, `"a ""q"" 'b" TEXT,`],
    [["data", "l", "x"], "DOUBLE PRECISION", '"x" BIGINT,', '"x" DOUBLE PRECISION,'],
    [["data", "l", "y"], "ARRAY(REAL)", '"y" ARRAY(BIGINT)\n', '"y" ARRAY(REAL)\n'],
    [["data", "last"], "TEXT", '"last" VARCHAR(5)\n', '"last" TEXT\n'],
    [["txt"], "TEXT", `"txt" TEXT DEFAULT 'a, "b" BIGINT,',`, '"txt" TEXT,'],
  ];

for (const [path, type, before, after] of RETYPED) {
  Deno.test(`redefined() changes the type of ${path.join(".")} alone`, () => {
    const retype = (column: DefinedColumn) =>
      JSON.stringify(column.path) === JSON.stringify(path) ? type : column.type;
    assert.equal(renamed.split(before).length, 2, "the line is there once");
    assert.equal(redefined(BEFORE, NEW, retype), renamed.replace(before, after));
  });
}
