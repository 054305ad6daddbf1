import assert from "node:assert/strict";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import type { Transport } from "../../../../lib/sink/connection/transport.ts";
import { CRATEDB } from "../../../../lib/sink/sql/dialect.ts";
import { createLiveView, dropLiveView } from "../../../../lib/sink/table/cdc_column.ts";

const TABLE = { schema: "shop", name: "orders" };
const OURS = `SELECT *\nFROM "shop"."orders"\nWHERE "cdc"['deleted_at'] IS NULL\n`;
const CREATE =
  `CREATE VIEW "shop"."orders_live" AS SELECT * FROM "shop"."orders" WHERE cdc['deleted_at'] IS NULL`;
const DROP = 'DROP VIEW IF EXISTS "shop"."orders_live"';

/** A server where the name of the view is taken by a view of this definition, or by a table; undefined for none. */
function serverOf(taken: string | undefined) {
  const sent: string[] = [];
  let definition = taken;
  const transport: Transport = {
    dialect: CRATEDB,
    query(sql) {
      if (sql.includes("information_schema.views")) {
        const rows = definition === undefined || definition === "a table" ? [] : [[definition]];
        return Promise.resolve({ count: rows.length, rows });
      }
      sent.push(sql);
      if (sql === CREATE && definition) return Promise.reject(new SinkError("taken", { kind: "exists" }));
      definition = sql === CREATE ? OURS : undefined;
      return Promise.resolve({ count: 1, rows: [] });
    },
    async [Symbol.asyncDispose]() {},
  };
  return { transport, sent };
}

const CASES: readonly (readonly [string, string | undefined, boolean, readonly string[]])[] = [
  ["a free name", undefined, true, [CREATE]],
  ["the view of an earlier run", OURS, true, []],
  ["a table", "a table", false, [CREATE]],
  ["another view", 'SELECT "oid"\nFROM "shop"."orders"\n', false, [CREATE]],
];

for (const [what, taken, exists, statements] of CASES) {
  Deno.test(`createLiveView() for ${what}`, async () => {
    const { transport, sent } = serverOf(taken);
    assert.equal(await createLiveView(transport, TABLE), exists);
    assert.deepEqual(sent, statements);
  });
}

Deno.test("dropLiveView() drops the view, and nothing else of its name", async () => {
  const drops = async (taken?: string) => {
    const { transport, sent } = serverOf(taken);
    await dropLiveView(transport, TABLE);
    return sent;
  };
  assert.deepEqual(await Promise.all([OURS, "a table", "SELECT 1", undefined].map(drops)), [
    [DROP],
    [],
    [],
    [],
  ]);
});
