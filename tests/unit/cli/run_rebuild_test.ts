import assert from "node:assert/strict";
import { streamOf } from "../../../lib/cli/run_rebuild.ts";
import { rebuiltText } from "../../../lib/status/rebuild.ts";
import { rebuildTarget } from "../../../lib/config/config.ts";
import { Scope } from "../../../lib/source/documents/scope.ts";

const ORDERS = { database: "shop", collection: "orders" };
const stream = (database: string) => ({
  scope: new Scope({ databases: [database], collections: ["*"], exclude: [] }),
});

Deno.test("rebuildTarget() is a collection, whose name may have dots", () => {
  assert.deepEqual(rebuildTarget({ flags: { target: "shop.order.lines" } }), {
    database: "shop",
    collection: "order.lines",
  });
  for (const [flags, message] of [[{}, /none is given$/], [{ target: "orders" }, /: orders$/]] as const) {
    assert.throws(() => rebuildTarget({ flags }), { name: "UsageError", message });
  }
});

Deno.test("streamOf() is the stream that follows the collection", () => {
  const [shop, other] = [stream("shop"), stream("weather")];
  assert.equal(streamOf([other, shop], ORDERS), shop);
  assert.throws(() => streamOf([other], ORDERS), { message: "No stream follows shop.orders: weather.*" });
  assert.throws(() => streamOf([shop, stream("sh*")], ORDERS), { message: /^Several streams follow/ });
});

Deno.test("rebuiltText() names verify for rows of unknown partitions", () => {
  const rebuilt = { table: '"shop"."orders"', rows: 2, ms: 1_500, unsure: 0 };
  assert.equal(rebuiltText(rebuilt, ORDERS), 'Rebuilt "shop"."orders": 2 rows in 1.5 s');
  assert.match(
    rebuiltText({ ...rebuilt, unsure: 1 }, ORDERS),
    /\n1 rows may .*--collection orders --repair$/,
  );
});
