import assert from "node:assert/strict";
import { streamOfPartition } from "../../../lib/key/partition.ts";
import { observers } from "../../../lib/pipeline/observer.ts";
import type { RelaySettings } from "../../../lib/pipeline/settings.ts";
import { TableRegistry } from "../../../lib/pipeline/table_registry.ts";
import { POSTGRESQL } from "../../../lib/sink/connection/dialect.ts";
import type { Parameter, Result } from "../../../lib/sink/connection/query.ts";
import { SinkError } from "../../../lib/sink/connection/sink_error.ts";
import type { Transport } from "../../../lib/sink/connection/transport.ts";
import { retrying } from "../../../lib/sink/connection/wrappers.ts";
import { OwnKeys } from "../../../lib/source/own_keys.ts";
import { SYSTEM_CLOCK } from "../../../lib/util/clock.ts";
import { QUIET } from "../../../lib/util/log.ts";
import { OutageTracker } from "../../../lib/util/outage.ts";
import { Shutdown } from "../../../lib/util/shutdown.ts";

const ORDERS = { database: "shop", collection: "orders" };
const ALL_OWN = new OwnKeys({ read: () => Promise.reject(new Error("Nobody is asked")) }, undefined);

/** A PostgreSQL that knows which collections are followed, and has no tables until they are made. */
class FakeSink implements Transport {
  readonly dialect = POSTGRESQL;
  readonly followed = new Set<string>();
  readonly tables = new Set<string>();
  readonly sent: string[] = [];
  /** Streams that have rows in the table. */
  streams: readonly string[] = [];
  /** Whether the answer of the next INSERT is lost, after it has been carried out. */
  losesAnswer = false;

  query(sql: string, parameters: readonly Parameter[] = []): Promise<Result> {
    this.sent.push(sql);
    const rows = this.#rows(sql, parameters.map(String));
    if (sql.startsWith("INSERT") && this.losesAnswer) {
      this.losesAnswer = false;
      return Promise.reject(new SinkError("connection closed", { code: "ECONNRESET" }));
    }
    return Promise.resolve({ count: 0, rows });
  }

  #rows(sql: string, [first = "", second = "", third = ""]: readonly string[]): unknown[][] {
    if (sql.startsWith("INSERT")) this.followed.add(`${second}.${third}`);
    if (sql.startsWith("CREATE TABLE")) this.tables.add(/"([^"]+)" \(/.exec(sql)?.[1] ?? "");
    if (sql.startsWith("SELECT 1 FROM") && sql.includes("cdc_collection")) {
      return this.followed.has(`${second}.${third}`) ? [[1]] : [];
    }
    if (sql.includes("data_type FROM information_schema.columns") && this.tables.has(second)) {
      return [["oid", "text"], ["data", "jsonb"], ["overflow", "json"]];
    }
    if (sql.includes("constraint_type")) return [["oid"]];
    if (sql.startsWith("SELECT stream FROM")) return this.streams.map((stream) => [stream]);
    return sql === POSTGRESQL.schemas && first !== "" ? [[1]] : [];
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function registryOf(sink: FakeSink, given: Partial<RelaySettings> = {}) {
  const { signal } = new AbortController();
  const outages = new OutageTracker({ system: "PostgreSQL", observer: observers() });
  const patient = retrying(sink, { shutdown: new Shutdown(signal), outages, retryFor: Infinity });
  const settings = { columns: "typed", onDrop: "keep", lease: 10_000, ...given } as RelaySettings;
  const names = {
    tableOf: () => ({ schema: "shop", name: "orders" }),
    stream: streamOfPartition("shop.* -> shop.{collection}", given.partition),
    metadataSchema: "public",
  };
  const causalReader = { exists: () => Promise.resolve(true) };
  const shardKeyOf = () => Promise.resolve([]);
  const rest = { signal, log: QUIET, clock: SYSTEM_CLOCK, observer: observers() };
  const options = { names, settings, causalReader, ownKeys: ALL_OWN, shardKeyOf, ...rest };
  return new TableRegistry({ patient, raw: sink }, options);
}

Deno.test("TableRegistry.openAll() takes no new table for one that was dropped when an answer is lost", async () => {
  const sink = new FakeSink();
  sink.losesAnswer = true;
  assert.deepEqual(await registryOf(sink).openAll([ORDERS]), []);
  assert.ok(sink.followed.has("shop.orders"));
});

Deno.test("TableRegistry.openAll() names a collection whose table is gone, once", async () => {
  const sink = new FakeSink();
  sink.followed.add("shop.orders");
  const registry = registryOf(sink);
  assert.deepEqual(await registry.openAll([ORDERS]), [ORDERS]);
  assert.deepEqual(await registry.openAll([ORDERS]), []);
});

Deno.test("TableRegistry asks for no locks where there is nothing to widen", async () => {
  const sink = new FakeSink();
  await registryOf(sink).openAll([ORDERS]);
  assert.deepEqual(sink.sent.filter((sql) => /cdc_lock|cdc_position/.test(sql)), []);
});

Deno.test("TableRegistry refuses a table with a name of the relay's own tables", async () => {
  const sink = new FakeSink();
  const { signal } = new AbortController();
  const registry = new TableRegistry({ patient: sink, raw: sink }, {
    names: {
      tableOf: () => ({ schema: "shop", name: "cdc_lock" }),
      stream: "shop.cdc_lock -> shop.cdc_lock",
      metadataSchema: "public",
    },
    settings: { columns: "typed", onDrop: "keep" } as RelaySettings,
    causalReader: { exists: () => Promise.resolve(true) },
    ownKeys: ALL_OWN,
    shardKeyOf: () => Promise.resolve([]),
    signal,
    log: QUIET,
    clock: SYSTEM_CLOCK,
    observer: observers(),
  });
  await assert.rejects(registry.of(ORDERS), /"shop"\."cdc_lock" is a name of the relay's own tables/);
});

Deno.test("TableRegistry.drop() drops rows of all partitions by the first one, also where it has none itself", async () => {
  const sink = new FakeSink();
  sink.streams = ["shop.* -> shop.{collection} (partition 1/2)"];
  await registryOf(sink, { onDrop: "drop", partition: { index: 0, count: 2 } }).drop(ORDERS);
  assert.ok(sink.sent.some((sql) => sql.startsWith("DROP TABLE")));
});

Deno.test("TableRegistry.drop() spares the table of other streams", async () => {
  const sink = new FakeSink();
  sink.streams = ["other.* -> shop.{collection} (partition 1/2)"];
  await registryOf(sink, { onDrop: "drop", partition: { index: 0, count: 2 } }).drop(ORDERS);
  assert.ok(!sink.sent.some((sql) => sql.startsWith("DROP TABLE")));
});

Deno.test("TableRegistry.drop() of a later partition leaves the table to the first one", async () => {
  const sink = new FakeSink();
  const registry = registryOf(sink, { onDrop: "drop", partition: { index: 1, count: 2 } });
  await registry.of(ORDERS);
  const before = sink.sent.length;
  await registry.drop(ORDERS);
  const sent = sink.sent.slice(before);
  assert.deepEqual(sent.filter((sql) => /^(DROP|DELETE FROM "shop")/.test(sql)), []);
  assert.ok(sent.some((sql) => sql.startsWith('DELETE FROM "public"."cdc_collection"')));
});
