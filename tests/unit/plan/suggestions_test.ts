import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { parseTypes } from "../../../lib/mapping/designed_types.ts";
import { type Known, rebuildsOf, suggestionsOf } from "../../../lib/plan/suggestions.ts";
import { CDC_COLUMN } from "../../../lib/sink/table/cdc_column.ts";

const ORDERS = { database: "shop", collection: "orders" };
const point = { type: "Point", coordinates: [9.5, 47] };
const SAMPLE = [
  { at: point, o: { area: point }, tags: ["a"], items: [{ name: "x" }] },
  { at: [9.5, 47], o: { area: { type: "Polygon", coordinates: [] } } },
].map((each) => BSON.serialize(each));

const KNOWN: Known = {
  indexes: [
    { name: "_id_", key: { _id: 1 } },
    { name: "at_2dsphere", key: { "at": "2dsphere", "o.area": "2dsphere" } },
    {
      name: "search",
      key: { _fts: "text", _ftsx: 1 },
      weights: { "title": 1, "tags": 1, "items.name": 1 },
      default_language: "german",
    },
    { name: "ttl", key: { createdAt: 1 }, expireAfterSeconds: 2_592_000 },
  ],
  schema: {
    properties: {
      total: { bsonType: "decimal" },
      status: { bsonType: "string" },
      items: { bsonType: "array", items: { properties: { price: { bsonType: ["decimal", "null"] } } } },
    },
  },
};

Deno.test("suggestionsOf() has settings for indexes and decimals, to paste below collections", () => {
  const [comment, ...lines] = suggestionsOf(ORDERS, KNOWN, SAMPLE, {});
  assert.match(comment ?? "", /^# /);
  assert.equal(
    lines.join("\n"),
    `shop.orders:
  types:
    at: geo_point
    o.area: geo_shape
    total: numeric(38,10)
    items[].price: numeric(38,10)
  fulltext:
    search:
      columns:
        - title
        - tags[]
        - items[].name
      analyzer: german
  partitionBy:
    day: createdAt
  keep: 30 days`,
  );
});

Deno.test("suggestionsOf() leaves out what the settings have", () => {
  const types = parseTypes({
    "at": "geo_point",
    "o.area": "geo_shape",
    "total": "numeric(5)",
    "items[].price": "numeric(5)",
  });
  const fulltext = [{ name: "s", columns: [], analyzer: "standard" }];
  const partitionBy = { unit: "month", path: ["_id"] } as const;
  assert.deepEqual(suggestionsOf(ORDERS, KNOWN, SAMPLE, { types, fulltext, partitionBy }), []);
  assert.deepEqual(suggestionsOf(ORDERS, { indexes: [], schema: {} }, SAMPLE, {}), []);
});

Deno.test("rebuildsOf() names the command for other settings, and for columns without the values of old rows", async () => {
  const table = { definition: 'CREATE TABLE "doc"."t" ()\nCLUSTERED BY ("oid") INTO 4 SHARDS', missing: [] };
  const design = { columns: "typed", shards: 1 } as const;
  const [line = ""] = rebuildsOf(ORDERS, table, design);
  assert.equal(line, "# The table has other settings (shards: 4, not 1). To apply them: rebuild shop.orders");
  const page = new URL("../../../docs/tables.md", import.meta.url);
  assert.ok((await Deno.readTextFile(page)).includes(`\n${line}\n`));
  const missing = ["ADD COLUMN geo['at'] GEO_POINT"];
  assert.deepEqual(rebuildsOf(ORDERS, { ...table, missing }, { columns: "typed" }), [
    "# Rows that exist have no values in the columns to add. To fill them: rebuild shop.orders",
  ]);
  // No event names the change that wrote an old row.
  const cdc = [`ADD COLUMN ${CDC_COLUMN}`];
  assert.deepEqual(rebuildsOf(ORDERS, { ...table, missing: cdc }, { columns: "typed" }), []);
});
