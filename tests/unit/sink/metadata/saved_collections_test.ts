import assert from "node:assert/strict";
import { CRATEDB } from "../../../../lib/sink/sql/dialect.ts";
import type { Transport } from "../../../../lib/sink/connection/transport.ts";
import { SavedCollections } from "../../../../lib/sink/metadata/saved_collections.ts";
import type { Namespace } from "../../../../lib/util/namespace.ts";

const ORDERS = { database: "shop", collection: "orders" };
const TABLE = { schema: "doc", name: "t" };

/** A sink whose `cdc_collection` has rows of these streams. */
const recordedBy = (...streams: string[]): Transport => ({
  dialect: CRATEDB,
  query: (sql) => {
    const rows = sql.includes("information_schema")
      ? [["doc", "cdc_collection", "stream"]]
      : streams.map((stream) => [stream, "shop", "users"]);
    return Promise.resolve({ count: rows.length, rows });
  },
  async [Symbol.asyncDispose]() {},
});

const followed = (stream: string, ...recorded: string[]) =>
  new SavedCollections(recordedBy(...recorded), { schema: "doc", stream });

Deno.test("SavedCollections knows its stream by a name with the lists in another order", async () => {
  const other = "shop.{users,orders} -> t";
  for (const stream of ["shop.{orders,users} -> t", "shop.{orders,users} -> t (worker 0/2)"]) {
    assert.equal(await followed(stream, other).sharer(ORDERS, TABLE), undefined);
    assert.equal(await followed(stream, other).isShared(ORDERS, TABLE), true);
  }
  const worker = followed("shop.{orders,users} -> t (worker 0/2)", other);
  assert.equal((await worker.othersIn(ORDERS, TABLE)).length, 1);
});

Deno.test("SavedCollections names another stream that has rows in the table", async () => {
  const other = "shop.{users,invoices} -> t";
  assert.equal(await followed("shop.{orders,users} -> t", other).sharer(ORDERS, TABLE), other);
});

Deno.test("SavedCollections reads the rows of its stream once, and knows what it has written since", async () => {
  const sent: string[] = [];
  const transport: Transport = {
    ...recordedBy(),
    query: (sql) => {
      sent.push(sql.split(" ", 1)[0] ?? "");
      return Promise.resolve({ count: 1, rows: [["shop", "users", "doc", "t", "following", null]] });
    },
  };
  const saved = new SavedCollections(transport, { schema: "doc", stream: "shop.* -> t" });
  const [USERS, LINES] = ["users", "lines"].map((collection) => ({ database: "shop", collection })) as [
    Namespace,
    Namespace,
  ];
  assert.deepEqual([await saved.has(USERS), await saved.has(ORDERS)], [true, false]);
  await saved.setTable(ORDERS, TABLE);
  assert.equal(await saved.has(ORDERS), true);
  assert.deepEqual((await saved.othersIn(LINES, TABLE)).map(({ collection }) => collection), [
    "users",
    "orders",
  ]);
  await saved.remove(USERS);
  assert.deepEqual((await saved.list()).map(({ collection }) => collection), ["orders"]);
  assert.deepEqual(sent, ["REFRESH", "SELECT", "INSERT", "DELETE"]);
});
