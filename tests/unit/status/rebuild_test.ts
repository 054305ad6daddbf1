import assert from "node:assert/strict";
import { relayConfig } from "../../../lib/config/relay_settings.ts";
import type { Transport } from "../../../lib/sink/connection/transport.ts";
import { CRATEDB, type Dialect, POSTGRESQL } from "../../../lib/sink/sql/dialect.ts";
import { rebuildTable } from "../../../lib/status/rebuild.ts";
import { SYSTEM_CLOCK } from "../../../lib/util/clock.ts";
import { QUIET } from "../../../lib/util/log.ts";

const ORDERS = { database: "shop", collection: "orders" };

/** A server without tables. */
async function rebuildIn(dialect: Dialect, flags: Readonly<Record<string, string>> = {}): Promise<void> {
  const transport: Transport = {
    dialect,
    query: () => Promise.resolve({ count: 0, rows: [] }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const relay = relayConfig({ flags: { database: "shop", ...flags } });
  const context = { signal: new AbortController().signal, log: QUIET, clock: SYSTEM_CLOCK };
  const settings = { relay, collection: ORDERS };
  await rebuildTable({ patient: transport, raw: transport }, settings, context);
}

Deno.test("rebuild refuses PostgreSQL, the relay's own tables, and a table that is missing", async () => {
  await assert.rejects(rebuildIn(POSTGRESQL), {
    name: "UsageError",
    message: "rebuild needs CrateDB: the server is PostgreSQL, whose tables have no design.",
  });
  await assert.rejects(rebuildIn(CRATEDB, { collection: "orders", table: "doc.cdc_lock" }), {
    name: "UnusableTableError",
    message: /own tables/,
  });
  await assert.rejects(rebuildIn(CRATEDB), {
    name: "UsageError",
    message: 'Table "shop"."orders" does not exist: shop.orders',
  });
});
