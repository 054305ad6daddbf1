import assert from "node:assert/strict";
import { CRATEDB } from "../../../../lib/sink/sql/dialect.ts";
import type { Transport } from "../../../../lib/sink/connection/transport.ts";
import { checkColumns, selectFromEach } from "../../../../lib/sink/metadata/metadata_tables.ts";
import { UserError } from "../../../../lib/util/errors.ts";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";

const TABLE = { schema: "doc", name: "cdc_position" };
const tableOf = (...columns: readonly string[]) =>
  `CREATE TABLE "doc"."t" (\n${columns.map((name) => `   "${name}" TEXT`).join(",\n")}\n)`;
const transport: Transport = {
  dialect: CRATEDB,
  query: () => Promise.resolve({ count: 1, rows: [[tableOf("stream", "token", "phase")]] }),
  async [Symbol.asyncDispose]() {},
};

Deno.test("checkColumns() accepts a table with these columns, and more", async () => {
  await checkColumns(transport, TABLE, ["stream", "phase"]);
});

Deno.test("checkColumns() refuses a table that lacks a column, with a hint", async () => {
  await assert.rejects(checkColumns(transport, TABLE, ["stream", "lag_ms"]), (error) => {
    assert.ok(error instanceof UserError);
    assert.equal(
      error.message,
      'The table "doc"."cdc_position" has no column lag_ms: another version created it.',
    );
    assert.match(error.hint ?? "", /Drop this table/);
    return true;
  });
});

Deno.test("selectFromEach() ignores a table that was dropped, and waits for none", async () => {
  const dropped = new SinkError("Schema 'b' unknown", { code: "4045" });
  const transport: Transport = {
    dialect: CRATEDB,
    query(sql, _parameters, options) {
      assert.equal(options?.mayBeDropped, true);
      return sql.includes('"b"') ? Promise.reject(dropped) : Promise.resolve({ count: 0, rows: [[sql]] });
    },
    async [Symbol.asyncDispose]() {},
  };
  const tables = ["a", "b", "c"].map((schema) => ({ schema, name: "t" }));
  const rows = await selectFromEach(transport, tables, (table) => `SELECT ${table}`);
  assert.deepEqual(rows, [['SELECT "a"."t"'], ['SELECT "c"."t"']]);
});
