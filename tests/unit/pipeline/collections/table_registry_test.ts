import assert from "node:assert/strict";
import { streamOfWorker } from "../../../../lib/key/worker.ts";
import type { Namespace } from "../../../../lib/util/namespace.ts";
import { type Emit, on } from "../../../../lib/pipeline/status/events.ts";
import { Scope } from "../../../../lib/source/documents/scope.ts";
import { memoryBudget } from "../../../../lib/pipeline/memory_budget.ts";
import type { RelaySettings } from "../../../../lib/pipeline/settings.ts";
import { TableRegistry } from "../../../../lib/pipeline/collections/table_registry.ts";
import { POSTGRESQL } from "../../../../lib/sink/sql/dialect.ts";
import type { Parameter, Result, Transport } from "../../../../lib/sink/connection/transport.ts";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import { retrying } from "../../../../lib/sink/connection/wrappers.ts";
import { UnusableTableError } from "../../../../lib/sink/table/unusable_table.ts";
import { OwnKeys } from "../../../../lib/source/documents/own_keys.ts";
import { type Clock, SYSTEM_CLOCK } from "../../../../lib/util/clock.ts";
import { QUIET } from "../../../../lib/util/log.ts";
import { OutageTracker } from "../../../../lib/util/outage.ts";
import { Shutdown } from "../../../../lib/util/shutdown.ts";

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
  /** Collections that have rows in a table, besides those that are asked for. */
  recorded: readonly (readonly [table: string, stream: string, database: string, collection: string])[] = [];
  readonly views = new Set<string>();
  /** The error of a statement; undefined if it is carried out. */
  fail: (sql: string) => Error | undefined = () => undefined;
  /** Whether the answer of the next INSERT is lost, after it has been carried out. */
  losesAnswer = false;

  query(sql: string, parameters: readonly Parameter[] = []): Promise<Result> {
    this.sent.push(sql);
    const failure = this.fail(sql);
    if (failure) return Promise.reject(failure);
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
    if (sql.startsWith("SELECT table_type")) {
      if (this.views.has(second)) return [["VIEW"]];
      return this.tables.has(second) ? [["BASE TABLE"]] : [];
    }
    if (sql.startsWith('SELECT stream, "database"')) {
      return this.recorded.filter(([table]) => table === second).map(([, ...row]) => row);
    }
    if (sql.includes("constraint_type")) return [["oid"]];
    if (sql.startsWith("SELECT stream FROM")) return this.streams.map((stream) => [stream]);
    return sql === POSTGRESQL.schemas && first !== "" ? [[1]] : [];
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

const MEMORY = memoryBudget({ inFlightBytes: 2 ** 20, heapBytes: 2 ** 30 });

interface Given extends Partial<RelaySettings> {
  readonly tableOf?: (namespace: Namespace) => string;
  readonly exists?: (namespace: Namespace) => boolean;
  readonly clock?: Clock;
  readonly emit?: Emit;
}

function registryOf(
  sink: FakeSink,
  { tableOf = () => "orders", exists = () => true, clock = SYSTEM_CLOCK, emit = () => {}, ...given }: Given =
    {},
) {
  const { signal } = new AbortController();
  const outages = new OutageTracker({ system: "PostgreSQL", emit: () => {} });
  const patient = retrying(sink, { shutdown: new Shutdown(signal), outages, retryFor: Infinity });
  const scope = new Scope({ databases: ["shop"], collections: ["*"], exclude: [] });
  const settings = { columns: "typed", onDrop: "keep", lease: 10_000, scope, ...given } as RelaySettings;
  const names = {
    tableOf: (namespace: Namespace) => ({ schema: "shop", name: tableOf(namespace) }),
    stream: streamOfWorker("shop.* -> shop.{collection}", given.worker),
    metadataSchema: "public",
  };
  const causalReader = { exists: (namespace: Namespace) => Promise.resolve(exists(namespace)) };
  const shardKeyOf = () => Promise.resolve([]);
  const rest = { signal, log: QUIET, clock, emit };
  const options = { names, settings, memory: MEMORY, causalReader, ownKeys: ALL_OWN, shardKeyOf, ...rest };
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
    memory: MEMORY,
    causalReader: { exists: () => Promise.resolve(true) },
    ownKeys: ALL_OWN,
    shardKeyOf: () => Promise.resolve([]),
    signal,
    log: QUIET,
    clock: SYSTEM_CLOCK,
    emit: () => {},
  });
  await assert.rejects(registry.of(ORDERS), /"shop"\."cdc_lock" is a name of the relay's own tables/);
});

Deno.test("TableRegistry.drop() drops rows of all workers by the first one, also where it has none itself", async () => {
  const sink = new FakeSink();
  sink.streams = ["shop.* -> shop.{collection} (worker 1/2)"];
  await registryOf(sink, { onDrop: "drop", worker: { index: 0, count: 2 } }).drop(ORDERS);
  assert.ok(sink.sent.some((sql) => sql.startsWith("DROP TABLE")));
});

Deno.test("TableRegistry.drop() spares the table of other streams", async () => {
  const sink = new FakeSink();
  sink.streams = ["other.* -> shop.{collection} (worker 1/2)"];
  await registryOf(sink, { onDrop: "drop", worker: { index: 0, count: 2 } }).drop(ORDERS);
  assert.ok(!sink.sent.some((sql) => sql.startsWith("DROP TABLE")));
});

Deno.test("TableRegistry.drop() of a later worker leaves the table to the first one", async () => {
  const sink = new FakeSink();
  const registry = registryOf(sink, { onDrop: "drop", worker: { index: 1, count: 2 } });
  await registry.of(ORDERS);
  const before = sink.sent.length;
  await registry.drop(ORDERS);
  const sent = sink.sent.slice(before);
  assert.deepEqual(sent.filter((sql) => /^(DROP|DELETE FROM "shop")/.test(sql)), []);
  assert.ok(sent.some((sql) => sql.startsWith('DELETE FROM "public"."cdc_collection"')));
});

const LINES = { database: "shop", collection: "lines" };
const ALL = [LINES, ORDERS];
const tableOf = ({ collection }: Namespace) => collection.replace(".", "_");

/** Refuses the table of `lines` as long as it says so. */
function refusing(code = "42501") {
  const sink = new FakeSink();
  const clock = {
    time: 1_000_000,
    now: () => clock.time,
    monotonic: () => clock.time,
    wait: () => Promise.reject(new Error("It waits")),
  };
  const reported: unknown[] = [];
  const refusal = new SinkError("no", { code });
  sink.fail = (sql) => /^(CREATE|INSERT INTO) .*"shop"."lines"/.test(sql) ? refusal : undefined;
  const emit = on({ collectionsLeftOut: ({ collections }) => reported.push(collections) });
  return { sink, clock, reported, refusal, registry: registryOf(sink, { tableOf, clock, emit }) };
}

/** The collections whose changes are applied. */
async function appliedOf(registry: TableRegistry): Promise<string[]> {
  const applied: string[] = [];
  await registry.forEachCollection(
    ALL.map((namespace) => ({ namespace })),
    ({ namespace }) => Promise.resolve(void applied.push(namespace.collection)),
  );
  return applied;
}

Deno.test("TableRegistry leaves a new collection out whose table is refused, and applies changes of the others", async () => {
  const { sink, registry, reported } = refusing();
  assert.deepEqual(await registry.openAll(ALL), []);
  assert.deepEqual(registry.leftOut.all, [{ ...LINES, keepsGone: true, leftOut: true }]);
  assert.deepEqual([...sink.followed], ["shop.orders"]);
  assert.deepEqual(reported, [[{ collection: "shop.lines", because: "no" }]]);
  assert.deepEqual(await appliedOf(registry), ["orders"]);
  await registry.refresh();
  await registry.retryPutOff();
});

Deno.test("TableRegistry tries a table again each minute, and has its collection read once it can be used", async () => {
  const { sink, clock, registry, reported } = refusing();
  await registry.openAll(ALL);
  for (let second = 0; second < 59; second++) {
    clock.time += 1_000;
    const before = sink.sent.length;
    assert.deepEqual(await registry.retryLeftOut(), []);
    assert.equal(sink.sent.length, before);
  }
  clock.time += 1_000;
  assert.deepEqual(await registry.retryLeftOut(), []);
  assert.equal(
    sink.sent.filter((sql) => sql.startsWith('CREATE TABLE IF NOT EXISTS "shop"."lines"')).length,
    2,
  );

  sink.fail = () => undefined;
  clock.time += 60_000;
  assert.deepEqual(await registry.retryLeftOut(), [{ ...LINES, keepsGone: true }]);
  assert.deepEqual(await appliedOf(registry), ["lines", "orders"]);
  assert.ok(sink.followed.has("shop.lines"));
  assert.deepEqual(reported.at(-1), []);
});

Deno.test("TableRegistry does not wait as it tries a table again", async () => {
  const { sink, clock, registry } = refusing();
  await registry.openAll(ALL);
  clock.time += 60_000;
  sink.fail = (sql) =>
    sql.startsWith("SELECT table_type") ? new SinkError("gone", { code: "ECONNRESET" }) : undefined;
  assert.deepEqual(await registry.retryLeftOut(), []);
  assert.ok(registry.leftOut.has(LINES));
});

for (const kind of ["login", "foreign server", "unspecific"] as const) {
  Deno.test(`TableRegistry keeps a collection left out if its table is tried again and the error is ${kind}`, async () => {
    const { sink, clock, registry } = refusing();
    sink.followed.add("shop.lines");
    sink.tables.add("lines");
    await registry.openAll(ALL);
    await registry.attempt(LINES, () => Promise.reject(new UnusableTableError("a column below overflow")));
    for (const fail of [new SinkError("HTTP status 500", { kind }), undefined]) {
      sink.fail = (sql) => sql.startsWith("SELECT table_type") ? fail : undefined;
      clock.time += 60_000;
      assert.deepEqual(await registry.retryLeftOut(), fail ? [] : [LINES]);
    }
  });
}

for (const kind of ["login", "foreign server"] as const) {
  Deno.test(`TableRegistry opens a new table whose first answer is an error of the kind ${kind}`, async () => {
    const sink = new FakeSink();
    let failures = 1;
    sink.fail = (sql) =>
      sql.startsWith("SELECT table_type") && failures-- > 0
        ? new SinkError("HTTP status 500", { kind })
        : undefined;
    await registryOf(sink, { tableOf }).openAll([LINES]);
    assert.ok(sink.tables.has("lines"));
  });
}

for (const code of ["42501", "3F000", "XX000"]) {
  Deno.test(`TableRegistry throws error ${code} at a start at which no table can be used, and of an only table`, async () => {
    const { sink, registry, refusal } = refusing(code);
    const isRefusal = (error: unknown) => error instanceof SinkError && error.kind === refusal.kind;
    await assert.rejects(registry.openAll([LINES]), isRefusal);
    const scope = new Scope({ databases: ["shop"], collections: ["lines"], exclude: [] });
    const single = registryOf(sink, { tableOf, scope });
    await assert.rejects(single.attempt(LINES, () => single.of(LINES)), isRefusal);
  });
}

Deno.test("TableRegistry leaves the first collection of a database out if its table is refused while the relay runs", async () => {
  const { registry } = refusing();
  assert.deepEqual(await registry.openAll([]), []);
  assert.equal(await registry.attempt(LINES, () => registry.of(LINES)), false);
  assert.deepEqual(await appliedOf(registry), ["orders"]);
});

Deno.test("TableRegistry leaves out a collection whose table cannot be used any more, and has its stale rows removed", async () => {
  const { sink, registry } = refusing();
  sink.fail = () => undefined;
  await registry.openAll(ALL);
  const counts = registry.counts;
  assert.equal(
    await registry.attempt(LINES, () => Promise.reject(new UnusableTableError("a column below overflow"))),
    false,
  );
  assert.deepEqual(registry.leftOut.all, [{ ...LINES, leftOut: true }]);
  assert.deepEqual(registry.counts, counts);
  assert.deepEqual(await appliedOf(registry), ["orders"]);
});

Deno.test("TableRegistry has stale rows removed of a collection that was left out before it had rows", async () => {
  const { sink, clock, registry } = refusing();
  await registry.openAll(ALL);
  sink.fail = () => undefined;
  clock.time += 60_000;
  const [again] = await registry.retryLeftOut();
  assert.deepEqual(again, { ...LINES, keepsGone: true });
  await registry.attempt(again, () => Promise.reject(new UnusableTableError("a column below overflow")));
  assert.deepEqual(registry.leftOut.all, [{ ...LINES, leftOut: true }]);
});

Deno.test("TableRegistry.attempt() throws what is not the fault of a table", async () => {
  const { registry } = refusing();
  await registry.openAll(ALL);
  const failure = new SinkError("wrong", { code: "4000" });
  await assert.rejects(registry.attempt(ORDERS, () => Promise.reject(failure)), failure);
});

Deno.test("TableRegistry says that a name is that of a view", async () => {
  const sink = new FakeSink();
  sink.views.add("lines");
  await assert.rejects(
    registryOf(sink, { tableOf }).of(LINES),
    { name: "UnusableTableError", message: 'Table "shop"."lines" cannot be used: it is a view.' },
  );
});

const [A_B, AB] = [{ database: "shop", collection: "a.b" }, { database: "shop", collection: "a_b" }];

Deno.test("TableRegistry leaves out the later one of two new collections for one table", async () => {
  const registry = registryOf(new FakeSink(), { tableOf });
  await registry.openAll([A_B, AB]);
  assert.deepEqual(registry.leftOut.all, [{ ...AB, keepsGone: true, leftOut: true }]);
});

for (
  const [what, exists, leftOut] of [["exists", true, ["a.b"]], ["was dropped", false, []]] as const
) {
  Deno.test(`TableRegistry leaves a table to the collection that has rows in it, if that ${what}`, async () => {
    const sink = new FakeSink();
    sink.followed.add("shop.a_b");
    sink.tables.add("a_b");
    sink.recorded = [
      ["a_b", "shop.* -> shop.{collection}", "shop", "a_b"],
      ["a_b", "other stream", "shop", "a+b"],
    ];
    const registry = registryOf(sink, {
      tableOf,
      exists: ({ collection }) => exists || collection !== "a_b",
    });
    await registry.openAll(exists ? [ORDERS, A_B, AB] : [ORDERS, A_B]);
    assert.deepEqual(registry.leftOut.all.map(({ collection }) => collection), leftOut);
  });
}

Deno.test("TableRegistry.drop() of a new collection that was left out touches no table, and has others tried at once", async () => {
  const { sink, registry } = refusing();
  const THIRD = { database: "shop", collection: "third" };
  sink.fail = (sql) =>
    /^CREATE TABLE .*"(lines|third)"/.test(sql) ? new SinkError("no", { code: "42501" }) : undefined;
  await registry.openAll([...ALL, THIRD]);
  sink.fail = () => undefined;
  const before = sink.sent.length;
  assert.equal(await registry.drop(LINES), undefined);
  assert.equal(sink.sent.length, before);
  assert.deepEqual(await registry.retryLeftOut(), [{ ...THIRD, keepsGone: true }]);
});

Deno.test("TableRegistry removes the rows of a dropped collection once its table can be used", async () => {
  const { sink, clock, refusal } = refusing();
  const existing = new Set(["lines", "orders"]);
  for (const name of existing) {
    sink.followed.add(`shop.${name}`);
    sink.tables.add(name);
  }
  const exists = ({ collection }: Namespace) => existing.has(collection);
  const registry = registryOf(sink, { tableOf, exists, clock, onDrop: "truncate" });
  sink.fail = (sql) =>
    sql === 'CREATE TABLE IF NOT EXISTS "shop"."lines" (oid TEXT PRIMARY KEY, data JSONB, overflow JSON)'
      ? refusal
      : undefined;
  await registry.openAll(ALL);
  existing.delete("lines");
  assert.equal(await registry.drop(LINES), undefined);
  assert.deepEqual(registry.leftOut.all, [{ ...LINES, leftOut: true }]);
  const truncates = () => sink.sent.filter((sql) => sql === 'DELETE FROM "shop"."lines"').length;
  assert.equal(truncates(), 0);

  sink.fail = () => undefined;
  clock.time += 60_000;
  assert.deepEqual(await registry.retryLeftOut(), []);
  assert.equal(truncates(), 1);
  assert.deepEqual(registry.leftOut.all, []);
});
