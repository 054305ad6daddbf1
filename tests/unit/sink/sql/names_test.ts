import assert from "node:assert/strict";
import { CRATEDB, POSTGRESQL } from "../../../../lib/sink/sql/dialect.ts";
import { quoteTable, tableFor, tableName } from "../../../../lib/sink/sql/names.ts";

const TEMPLATE = { schema: "{database}", name: "{collection}" };

/** Template, database, collection; schema and table. */
const FILLED: readonly (readonly [string, string, string, string, string])[] = [
  ["{database}.{collection}", "shop", "orders", "shop", "orders"],
  ["{database}.{collection}", "Shop", "Orders", "Shop", "Orders"],
  ["{collection}", "shop", "orders", "doc", "orders"],
  ["mongodb.{database}_{collection}", "shop", "orders", "mongodb", "shop_orders"],
  ["{collection}.{database}", "shop", "orders", "orders", "shop"],
  ["weather.readings", "shop", "orders", "weather", "readings"],
  ["{db}.{collection}{collection}", "shop", "a", "{db}", "aa"],
  ["{database}.{collection}", "shop", "order.lines", "shop", "order_lines"],
  ["{database}.{collection}", "a<b>c", 'a,b|c/d\\e f"g<h>i*j?k#l', "a_b_c", "a_b_c_d_e_f_g_h_i_j_k_l"],
  ["{database}.{collection}", "shop", "a\tb\nc", "shop", "a_b_c"],
  ["{database}.{collection}", "shop", "it's-é_x:y$1", "shop", "it's-é_x:y$1"],
  ["{database}.{collection}", "{collection}", "{database}", "{collection}", "{database}"],
  ["{database}.{collection}", "{database}", "{collection}", "{database}", "{collection}"],
  ["{database}.{collection}", "$&", "$1", "$&", "$1"],
  ...["sys", "information_schema", "pg_catalog", "blob"].map((name) =>
    ["{database}.{collection}", name, name, `${name}_`, name] as const
  ),
  ["{database}.{collection}", "-a", "orders", "_a", "orders"],
  ["{database}.{collection}", "+a", "orders", "_a", "orders"],
  ["{collection}", "shop", "-a", "doc", "_a"],
];

for (const [template, database, collection, schema, name] of FILLED) {
  Deno.test(`tableFor() ${template} of ${JSON.stringify([database, collection])}`, () => {
    const table = tableFor(tableName(template, "doc"), { database, collection });
    assert.deepEqual(table, { schema, name });
    assert.ok(Object.isFrozen(table));
  });
}

Deno.test("tableFor() keeps schema and table together within what CrateDB takes, and apart from others", () => {
  const [one, other] = ["x", "y"].map((end) =>
    tableFor(TEMPLATE, { database: "a".repeat(60), collection: "n".repeat(240) + end }, CRATEDB)
  );
  assert.equal(`${one?.schema}.${one?.name}`.length, CRATEDB.maxPathBytes);
  assert.notEqual(one?.name, other?.name);
});

Deno.test("tableFor() leaves PostgreSQL's schemas alone", () => {
  assert.equal(tableFor(TEMPLATE, { database: "pg_a", collection: "b" }, POSTGRESQL).schema, "_pg_a");
  assert.equal(tableFor(TEMPLATE, { database: "pg_a", collection: "b" }, CRATEDB).schema, "pg_a");
});

Deno.test("tableFor() leaves nothing that SQL could be made of", () => {
  const table = tableFor(TEMPLATE, { database: 'a"; DROP TABLE "b', collection: 'x"."y' });
  assert.equal(quoteTable(table), '"a_;_DROP_TABLE__b"."x___y"');
});
