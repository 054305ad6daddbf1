import assert from "node:assert/strict";
import { CRATEDB } from "../../../../lib/sink/sql/dialect.ts";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import type { Transport } from "../../../../lib/sink/connection/transport.ts";
import { addColumns, selectFromEach } from "../../../../lib/sink/metadata/metadata_tables.ts";

const TABLE = { schema: "doc", name: "cdc_position" };
const WANTED = [{ name: "phase", type: "TEXT" }, { name: "lag_ms", type: "BIGINT" }];

/** A table to which another relay adds columns right before this one's statements. */
function tableOf({ columns, added }: { columns: string[]; added: string[][] }) {
  const altered: string[] = [];
  const transport: Transport = {
    dialect: CRATEDB,
    query: (sql) => {
      if (!sql.startsWith("ALTER")) return Promise.resolve({ count: 0, rows: columns.map((name) => [name]) });
      columns.push(...added.shift() ?? []);
      const wanted = [...sql.matchAll(/ADD COLUMN "(\w+)"/g)].map(([, name = ""]) => name);
      const twice = wanted.find((name) => columns.includes(name));
      if (twice) {
        const message = `The table doc.cdc_position already has a column named ${twice}`;
        return Promise.reject(new SinkError(message, { code: "4000" }));
      }
      altered.push(sql);
      columns.push(...wanted);
      return Promise.resolve({ count: 0, rows: [] });
    },
    async [Symbol.asyncDispose]() {},
  };
  return { transport, columns, altered };
}

Deno.test("addColumns() adds what is missing with one statement", async () => {
  const { transport, altered } = tableOf({ columns: ["stream"], added: [] });
  await addColumns(transport, TABLE, WANTED);
  assert.deepEqual(altered, [
    'ALTER TABLE "doc"."cdc_position" ADD COLUMN "phase" TEXT, ADD COLUMN "lag_ms" BIGINT',
  ]);
  await addColumns(transport, TABLE, WANTED);
  assert.equal(altered.length, 1);
});

Deno.test("addColumns() adds the rest if another relay adds some at the same moment", async () => {
  const { transport, columns } = tableOf({ columns: ["stream"], added: [["phase"]] });
  await addColumns(transport, TABLE, WANTED);
  assert.deepEqual(columns, ["stream", "phase", "lag_ms"]);
});

Deno.test("addColumns() is done if another relay adds them all at the same moment", async () => {
  const { transport, columns, altered } = tableOf({ columns: ["stream"], added: [["phase", "lag_ms"]] });
  await addColumns(transport, TABLE, WANTED);
  assert.deepEqual(columns, ["stream", "phase", "lag_ms"]);
  assert.deepEqual(altered, []);
});

Deno.test("selectFromEach() ignores a table that was dropped, and waits for none", async () => {
  const dropped = new SinkError("Schema 'b' unknown", { code: "4045" });
  const transport: Transport = {
    dialect: CRATEDB,
    query(sql, _parameters, options) {
      assert.equal(options?.mayBeMissing, true);
      return sql.includes('"b"') ? Promise.reject(dropped) : Promise.resolve({ count: 0, rows: [[sql]] });
    },
    async [Symbol.asyncDispose]() {},
  };
  const tables = ["a", "b", "c"].map((schema) => ({ schema, name: "t", columns: ["stream"] }));
  const rows = await selectFromEach(transport, tables, (table) => `SELECT ${table}`);
  assert.deepEqual(rows, [['SELECT "a"."t"'], ['SELECT "c"."t"']]);
});
