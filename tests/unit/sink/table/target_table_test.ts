import assert from "node:assert/strict";
import { parseFulltext, parseTypes } from "../../../../lib/mapping/designed_types.ts";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import type { Transport } from "../../../../lib/sink/connection/transport.ts";
import { CRATEDB } from "../../../../lib/sink/sql/dialect.ts";
import { existingTable, openTable } from "../../../../lib/sink/table/target_table.ts";

const TABLE = { schema: "doc", name: "t" };
const UNKNOWN = new SinkError("RelationUnknown[Relation 'doc.t' unknown]", { code: "4041" });
const VIEW = new SinkError(
  'OperationOnInaccessibleRelationException[The relation "doc.t" doesn\'t support or allow SHOW CREATE operations]',
  { code: "4007" },
);
const definitionOf = (...lines: readonly string[]) =>
  `CREATE TABLE IF NOT EXISTS "doc"."t" (\n   ${lines.join(",\n   ")}\n)\nCLUSTERED BY ("oid") INTO 1 SHARDS`;
const [OID, DATA, OVERFLOW, KEY] = [
  '"oid" TEXT NOT NULL',
  '"data" OBJECT(DYNAMIC) AS (\n      "oid" BIGINT\n   )',
  '"overflow" OBJECT(IGNORED)',
  'PRIMARY KEY ("oid")',
];
const USABLE = definitionOf(OID, DATA, OVERFLOW, KEY);

/** A server with these answers to `SHOW CREATE TABLE`, the last one for ever. */
function serverWith(...answers: readonly (string | SinkError)[]) {
  const left = [...answers];
  const sent: string[] = [];
  const transport: Transport = {
    dialect: CRATEDB,
    query(sql) {
      sent.push(sql.replace(/".*/s, "").trim());
      if (!sql.startsWith("SHOW")) return Promise.resolve({ count: 1, rows: [] });
      const answer = left.length > 1 ? left.shift() : left[0];
      return answer instanceof SinkError
        ? Promise.reject(answer)
        : Promise.resolve({ count: 1, rows: [[answer]] });
    },
    async [Symbol.asyncDispose]() {},
  };
  return { transport, sent };
}

Deno.test("existingTable() knows a table by its definition alone", async () => {
  const { transport, sent } = serverWith(USABLE);
  const expected = { ...TABLE, hasOverflow: true, isNew: false, definition: USABLE };
  assert.deepEqual(await existingTable(transport, TABLE), expected);
  assert.deepEqual(sent, ["SHOW CREATE TABLE"]);
});

Deno.test("existingTable() finds a key with a name, and misses `overflow`", async () => {
  const { transport } = serverWith(definitionOf(OID, DATA, `CONSTRAINT the key ${KEY}`));
  assert.equal((await existingTable(transport, TABLE))?.hasOverflow, false);
});

const UNUSABLE = {
  "a view": [VIEW, /: it is a view\.$/],
  "a foreign table": [USABLE.replace("CREATE TABLE", "CREATE FOREIGN TABLE"), /: it is a foreign table\.$/],
  "another key": [definitionOf(OID, DATA, 'PRIMARY KEY ("oid", "n")'), /: `oid` is not its primary key\.$/],
  "no oid": [definitionOf('"oid" VARCHAR(3)', DATA, KEY), /: it has no `oid` column of type TEXT\.$/],
  "no data": [
    definitionOf(OID, '"data" ARRAY(OBJECT(DYNAMIC))', KEY),
    /: it has no `data` column of type OBJECT\.$/,
  ],
} as const;

for (const [what, [answer, message]] of Object.entries(UNUSABLE)) {
  Deno.test(`existingTable() refuses ${what}`, () =>
    assert.rejects(existingTable(serverWith(answer).transport, TABLE), {
      name: "UnusableTableError",
      message,
    }));
}

Deno.test("existingTable() has all that a rebuild would change in one error, and names the command", () =>
  assert.rejects(
    existingTable(serverWith(USABLE).transport, TABLE, {
      partitionBy: { unit: "month", path: ["at"] },
      types: parseTypes({ oid: "uuid" }),
      fulltext: parseFulltext({ search: { columns: ["title"] } }),
    }),
    {
      name: "UnusableTableError",
      message: /partitioned .*, it has no INDEX "search" .*, data\['oid'\] is BIGINT, not UUID\.$/,
      hint: /^Correct the settings, or .* run rebuild DATABASE\.COLLECTION/,
    },
  ));

Deno.test("openTable() creates a missing table, and reads its definition", async () => {
  const { transport, sent } = serverWith(UNKNOWN, USABLE);
  const { isNew, definition } = await openTable(transport, { table: TABLE, columns: "typed" });
  assert.deepEqual([isNew, definition], [true, USABLE]);
  assert.deepEqual(sent, ["SHOW CREATE TABLE", "CREATE TABLE IF NOT EXISTS", "SHOW CREATE TABLE"]);
});

Deno.test("openTable() adds the columns that a table lacks, and reads its definition again", async () => {
  const types = parseTypes({ at: "geo_point" });
  const design = { table: TABLE, columns: "typed", deletes: "soft", types } as const;
  const times = ["cluster_time", "written_at", "deleted_at"]
    .map((name) => `      "${name}" TIMESTAMP WITH TIME ZONE`).join(",\n");
  const cdc = `"cdc" OBJECT(STRICT) AS (\n      "op" TEXT,\n${times}\n   )`;
  const geo = '"geo" OBJECT(STRICT) AS (\n      "at" GEO_POINT\n   )';
  const extended = definitionOf(OID, DATA, OVERFLOW, geo, cdc, KEY);
  const { transport, sent } = serverWith(USABLE, extended);
  const opened = await openTable(transport, design);
  assert.deepEqual([opened.cdc, opened.shadows?.geo?.kind, opened.lacksShadows], ["clear", "object", true]);
  assert.deepEqual(sent, ["SHOW CREATE TABLE", "ALTER TABLE", "ALTER TABLE", "SHOW CREATE TABLE"]);
});

Deno.test("openTable() refuses a table to which another process has added another cdc", async () => {
  const other = definitionOf(OID, DATA, OVERFLOW, '"cdc" TEXT', KEY);
  const { transport } = serverWith(USABLE, other);
  await assert.rejects(openTable(transport, { table: TABLE, columns: "typed", deletes: "soft" }), {
    name: "UnusableTableError",
    message: /another column `cdc`/,
  });
});

const PARTITIONED = definitionOf(
  OID,
  '"part" TIMESTAMP WITH TIME ZONE NOT NULL',
  DATA,
  OVERFLOW,
  'PRIMARY KEY ("oid", "part")',
) + '\nPARTITIONED BY ("part")';
const BY_MONTH = { unit: "month", path: ["at"] } as const;

Deno.test("existingTable() has the type of the partitions that are asked for", async () => {
  const { transport } = serverWith(PARTITIONED);
  assert.equal((await existingTable(transport, TABLE, { partitionBy: BY_MONTH }))?.partType, "bigint");
});

for (
  const [definition, partitionBy, message] of [
    [USABLE, BY_MONTH, /: it is not partitioned by a TIMESTAMP `part`, /],
    [PARTITIONED, { unit: "value", path: ["at"] }, /: it is not partitioned by a TEXT `part`, /],
    [PARTITIONED, undefined, /: `oid` is not its primary key/],
  ] as const
) {
  Deno.test(`existingTable() refuses a table with other partitions than ${partitionBy?.unit ?? "none"}`, () =>
    assert.rejects(existingTable(serverWith(definition).transport, TABLE, { partitionBy }), {
      name: "UnusableTableError",
      message,
    }));
}
