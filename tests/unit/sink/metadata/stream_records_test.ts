import assert from "node:assert/strict";
import { join } from "node:path";
import { CRATEDB } from "../../../../lib/sink/sql/dialect.ts";
import type { Parameter, Result, Transport } from "../../../../lib/sink/connection/transport.ts";
import { METADATA_TABLES } from "../../../../lib/sink/metadata/metadata_tables.ts";
import { STATUS_VIEW } from "../../../../lib/sink/metadata/status_view.ts";
import { recordsOf } from "../../../../lib/sink/metadata/stream_records.ts";

type Followed = readonly [
  stream: string,
  database: string,
  collection: string,
  schema: string,
  table: string,
];

/** A server whose schema `doc` has all of the relay's own tables, and `shop` has a lock. */
const serverWith = (followed: readonly Followed[]): Transport => ({
  dialect: CRATEDB,
  query: (sql: string, parameters: readonly Parameter[] = []): Promise<Result> => {
    const names = parameters[0] as readonly string[];
    const rows = /JOIN information_schema.columns/.test(sql)
      ? names.filter((name) => name !== "cdc_lock").map((name) => ["doc", name])
      : /FROM pg_catalog.pg_tables/.test(sql)
      ? [[1]]
      : /FROM "doc"."cdc_collection"/.test(sql)
      ? followed.map((each) => ["doc", ...each])
      : [];
    return Promise.resolve({ count: 0, rows });
  },
  [Symbol.asyncDispose]: () => Promise.resolve(),
});

const STREAM = { schema: "doc", stream: "shop.* -> t" };
const OWN: Followed = [STREAM.stream, "shop", "orders", "shop", "orders"];
const recordsWith = (...followed: readonly Followed[]) => recordsOf(serverWith(followed), [STREAM]);

Deno.test("recordsOf() covers each of the relay's own tables, the position last", async () => {
  const names = (await recordsWith(OWN)).map(({ name }) => name);
  assert.deepEqual([...names].sort(), [...METADATA_TABLES].sort());
  assert.deepEqual(names.slice(-2), ["cdc_collection", "cdc_position"]);
});

Deno.test("each table of the relay's own in the code is among METADATA_TABLES", async () => {
  const folder = join(import.meta.dirname ?? "", "../../../../lib/sink/metadata");
  const named = new Set<string>();
  for await (const { name } of Deno.readDir(folder)) {
    const code = await Deno.readTextFile(join(folder, name));
    for (const [, table = ""] of code.matchAll(/"(cdc_[a-z_]+)"/g)) named.add(table);
  }
  assert.deepEqual([...named].sort(), [...METADATA_TABLES, STATUS_VIEW].sort());
});

Deno.test("recordsOf() leaves the letters and the lock of what another stream writes too", async () => {
  const other: Followed = ["shop.orders -> shop.orders", "shop", "orders", "shop", "orders"];
  const names = (await recordsWith(OWN, other)).map(({ name }) => name);
  assert.ok(!names.includes("cdc_dead_letter") && !names.includes("cdc_lock"), names.join(" "));
});

Deno.test("recordsOf() includes the dead letters of collections, and unused locks", async () => {
  const records = await recordsWith(OWN, ["weather.* -> t", "weather", "readings", "weather", "readings"]);
  const of = (name: string) => records.find((each) => each.name === name);
  assert.deepEqual(of("cdc_dead_letter")?.parameters, [["shop.orders -> shop.orders"]]);
  const lock = of("cdc_lock");
  assert.deepEqual([lock?.table, lock?.parameters], [{ schema: "shop", name: "cdc_lock" }, [["orders"]]]);
  assert.match(lock?.where ?? "", /work_table IS NULL AND \(lease_until IS NULL OR lease_until/);
});
