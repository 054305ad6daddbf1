import assert from "node:assert/strict";
import { streamOfPart, type StreamPart } from "../../../../lib/key/stream_name.ts";
import type { Namespace } from "../../../../lib/util/namespace.ts";
import { type Emit, on } from "../../../../lib/pipeline/status/events.ts";
import { Scope } from "../../../../lib/source/documents/scope.ts";
import type { CollectionSettings, RelaySettings } from "../../../../lib/pipeline/settings.ts";
import { Semaphore } from "../../../../lib/util/concurrency.ts";
import { garbageLimit } from "../../../../lib/util/garbage.ts";
import { Collections } from "../../../../lib/pipeline/collections/collections.ts";
import { POSTGRESQL } from "../../../../lib/sink/sql/dialect.ts";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import type { Parameter, Result, Transport } from "../../../../lib/sink/connection/transport.ts";
import { retrying } from "../../../../lib/sink/connection/wrappers.ts";
import { UnusableTableError } from "../../../../lib/sink/table/unusable_table.ts";
import { ALL_DOCUMENTS, type Share } from "../../../../lib/source/documents/share.ts";
import { type Clock, SYSTEM_CLOCK } from "../../../../lib/util/clock.ts";
import { QUIET } from "../../../../lib/util/log.ts";
import { OutageTracker } from "../../../../lib/util/outage.ts";
import { Shutdown } from "../../../../lib/util/shutdown.ts";

const ORDERS = { database: "shop", collection: "orders" };
const shareOf = ({ index, count }: StreamPart): Share => ({
  ...ALL_DOCUMENTS,
  relays: count,
  dropsRows: index === 0,
});

/** The question for a table that is to be opened. */
const OPENING = /"([^"]+)"'::regclass$/;
const DEFINITION = 'CREATE TABLE\n   "oid" TEXT\n   "data" JSONB\n   "overflow" JSON\n   PRIMARY KEY (oid)';

/** A PostgreSQL with a table of collections, and without other tables until they are created. */
class FakeSink implements Transport {
  readonly dialect = POSTGRESQL;
  /** Collections with rows in tables. */
  readonly followed = new Set<string>();
  /** Their tables, if they are not those with their names. */
  readonly recordedTables = new Map<string, readonly string[]>();
  /** Saved states, with their reasons. */
  readonly states = new Map<string, readonly [state: string, reason: string]>();
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
    const failure = this.fail(sql) ?? this.#missing(sql);
    if (failure) return Promise.reject(failure);
    if (sql.includes("UNNEST")) this.#save(parameters);
    const rows = this.#rows(sql, parameters.map(String));
    if (sql.startsWith("INSERT") && this.losesAnswer) {
      this.losesAnswer = false;
      return Promise.reject(new SinkError("connection closed", { code: "ECONNRESET" }));
    }
    return Promise.resolve({ count: 0, rows });
  }

  /** The error of a question for a table that does not exist. */
  #missing(sql: string): SinkError | undefined {
    const [, name] = OPENING.exec(sql) ?? [];
    if (name === undefined || this.tables.has(name) || this.views.has(name)) return undefined;
    return new SinkError(`relation "${name}" does not exist`, { code: "42P01" });
  }

  #save([, ...columns]: readonly Parameter[]): void {
    const [databases = [], names = [], states = [], reasons = []] = columns as (readonly string[])[];
    databases.forEach((database, at) =>
      this.states.set(`${database}.${names[at]}`, [states[at] ?? "", reasons[at] ?? ""])
    );
  }

  #rows(sql: string, [first = "", second = "", third = "", ...table]: readonly string[]): unknown[][] {
    if (sql.startsWith("INSERT") && sql.includes("VALUES")) {
      this.followed.add(`${second}.${third}`);
      this.recordedTables.set(`${second}.${third}`, table);
    }
    if (sql.startsWith("DELETE") && sql.includes("cdc_collection")) {
      this.followed.delete(`${second}.${third}`);
      this.states.delete(`${second}.${third}`);
    }
    if (sql.startsWith("SELECT DISTINCT stream")) return this.streams.map((stream) => [stream]);
    if (sql.includes("table_name, state, reason")) {
      return [...new Set([...this.followed, ...this.states.keys()])].map((name) => {
        const [state = "waiting", reason = ""] = this.states.get(name) ?? [];
        const [database, collection = ""] = name.split(/\.(.*)/);
        const recorded = this.recordedTables.get(name) ?? ["shop", collection];
        const table = this.followed.has(name) ? recorded : [null, null];
        return [database, collection, ...table, state, reason === "" ? null : reason];
      });
    }
    if (sql.startsWith("CREATE TABLE")) this.tables.add(/"([^"]+)" \(/.exec(sql)?.[1] ?? "");
    const [, name] = OPENING.exec(sql) ?? [];
    if (name !== undefined) return [[this.views.has(name) ? "CREATE VIEW" : DEFINITION]];
    if (sql.startsWith('SELECT stream, "database"')) {
      return this.recorded.filter(([table]) => table === second).map(([, ...row]) => row);
    }
    if (sql.startsWith("SELECT stream FROM")) return this.streams.map((stream) => [stream]);
    return sql === POSTGRESQL.schemas && first !== "" ? [[1]] : [];
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

const MEMORY = { inFlight: new Semaphore(2 ** 20), garbage: garbageLimit(2 ** 30) };

interface Given extends Partial<RelaySettings>, Partial<CollectionSettings> {
  readonly part?: StreamPart;
  readonly tableOf?: (namespace: Namespace) => string;
  readonly exists?: (namespace: Namespace) => boolean;
  readonly clock?: Clock;
  readonly emit?: Emit;
}

function registryOf(
  sink: FakeSink,
  { tableOf = () => "orders", exists = () => true, clock = SYSTEM_CLOCK, emit = () => {}, part, ...given }:
    Given = {},
) {
  const { signal } = new AbortController();
  const outages = new OutageTracker({ system: "PostgreSQL", emit: () => {} });
  const patient = retrying(sink, { shutdown: new Shutdown(signal), outages, retryFor: Infinity });
  const scope = new Scope({ databases: ["shop"], collections: ["*"], exclude: [] });
  const ofEach = { columns: "typed", onDrop: "keep", omit: [], ...given };
  const settings = { for: () => ofEach, lease: 10_000, scope, ...given } as unknown as RelaySettings;
  const names = {
    tableOf: (namespace: Namespace) => ({ schema: "shop", name: tableOf(namespace) }),
    stream: streamOfPart("shop.* -> shop.{collection}", part),
    metadataSchema: "public",
  };
  const causalReader = {
    exists: (namespace: Namespace) => Promise.resolve(exists(namespace)),
    time: undefined,
  };
  const shardKeyOf = () => Promise.resolve([]);
  const rest = { signal, log: QUIET, clock, emit };
  const options = {
    names,
    settings,
    memory: MEMORY,
    limits: { statementRows: 100, statementBytes: 100_000, inFlight: 1 },
    causalReader,
    share: part ? shareOf(part) : ALL_DOCUMENTS,
    shardKeyOf,
    ...rest,
  };
  return new Collections({ patient, raw: sink }, options);
}

Deno.test("Collections.openAll() takes no new table for one that was dropped when an answer is lost", async () => {
  const sink = new FakeSink();
  sink.losesAnswer = true;
  assert.deepEqual(await registryOf(sink).openAll([ORDERS]), []);
  assert.ok(sink.followed.has("shop.orders"));
});

Deno.test("Collections.openAll() names a collection whose table is gone, once", async () => {
  const sink = new FakeSink();
  sink.followed.add("shop.orders");
  const registry = registryOf(sink);
  assert.deepEqual(await registry.openAll([ORDERS]), [ORDERS]);
  assert.deepEqual(await registry.openAll([ORDERS]), []);
});

Deno.test("Collections.openAll() names a collection whose table is gone again until its table is recorded", async () => {
  const sink = new FakeSink();
  sink.followed.add("shop.orders");
  const names = async () => (await registryOf(sink).openAll([ORDERS])).map(({ collection }) => collection);
  // The relay is killed each time, before the snapshot is planned.
  assert.deepEqual([await names(), await names()], [["orders"], ["orders"]]);
  await registryOf(sink).recordTables([ORDERS]);
  assert.deepEqual(await names(), []);
});

Deno.test("Collections.openAll() names a collection with another table until that is recorded", async () => {
  const sink = new FakeSink();
  sink.followed.add("shop.orders");
  sink.tables.add("other");
  const names = () => registryOf(sink, { tableOf: () => "other" }).openAll([ORDERS]);
  assert.deepEqual([await names(), await names()], [
    [{ ...ORDERS, keepsStale: true }],
    [{ ...ORDERS, keepsStale: true }],
  ]);
  await registryOf(sink, { tableOf: () => "other" }).recordTables([ORDERS]);
  assert.deepEqual(await names(), []);
});

Deno.test("Collections.drop() leaves a table that a dropped collection was given, but never had", async () => {
  const sink = new FakeSink();
  sink.followed.add("shop.orders");
  sink.tables.add("other");
  await registryOf(sink, { tableOf: () => "other", onDrop: "truncate", exists: () => false }).drop(ORDERS);
  assert.deepEqual(sink.sent.filter((sql) => /^(?:\S+ cdc-relay \S+ \S+ )?DELETE FROM "shop"/.test(sql)), []);
});

Deno.test("Collections asks for no locks where there is nothing to widen", async () => {
  const sink = new FakeSink();
  await registryOf(sink).openAll([ORDERS]);
  assert.deepEqual(sink.sent.filter((sql) => /cdc_lock|cdc_position/.test(sql)), []);
});

Deno.test("Collections refuses a table with a name of the relay's own tables", async () => {
  const sink = new FakeSink();
  const { signal } = new AbortController();
  const registry = new Collections({ patient: sink, raw: sink }, {
    names: {
      tableOf: () => ({ schema: "shop", name: "cdc_lock" }),
      stream: "shop.cdc_lock -> shop.cdc_lock",
      metadataSchema: "public",
    },
    settings: { for: () => ({ columns: "typed", onDrop: "keep" }) } as unknown as RelaySettings,
    memory: MEMORY,
    limits: { statementRows: 100, statementBytes: 100_000, inFlight: 1 },
    causalReader: { exists: () => Promise.resolve(true), time: undefined },
    share: ALL_DOCUMENTS,
    shardKeyOf: () => Promise.resolve([]),
    signal,
    log: QUIET,
    clock: SYSTEM_CLOCK,
    emit: () => {},
  });
  await assert.rejects(registry.of(ORDERS), /"shop"\."cdc_lock" is a name of the relay's own tables/);
});

Deno.test("Collections.drop() of the first relay drops the rows of all, even if it has none itself", async () => {
  const sink = new FakeSink();
  sink.streams = ["shop.* -> shop.{collection} (worker 1/2)"];
  await registryOf(sink, { onDrop: "drop", part: { index: 0, count: 2 } }).drop(ORDERS);
  assert.ok(sink.sent.some((sql) => sql.startsWith("DROP TABLE")));
});

Deno.test("Collections.drop() spares the table of other streams", async () => {
  const sink = new FakeSink();
  sink.streams = ["other.* -> shop.{collection} (worker 1/2)"];
  await registryOf(sink, { onDrop: "drop", part: { index: 0, count: 2 } }).drop(ORDERS);
  assert.ok(!sink.sent.some((sql) => sql.startsWith("DROP TABLE")));
});

Deno.test("Collections.drop() of another relay leaves the table to the first one", async () => {
  const sink = new FakeSink();
  const registry = registryOf(sink, { onDrop: "drop", part: { index: 1, count: 2 } });
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
  const reported: (readonly [string, string | undefined])[] = [];
  const refusal = new SinkError("no", { code });
  sink.fail = (sql) => /^(CREATE|INSERT INTO) .*"shop"."lines"/.test(sql) ? refusal : undefined;
  const emit = on({
    collectionChanged: ({ namespace, state }) => reported.push([namespace.collection, state?.name]),
  });
  return { sink, clock, reported, refusal, registry: registryOf(sink, { tableOf, clock, emit }) };
}

/** The collections whose changes are applied. */
async function appliedOf(registry: Collections): Promise<string[]> {
  const applied: string[] = [];
  await registry.forEachCollection(
    ALL.map((namespace) => ({ namespace })),
    ({ namespace }) => Promise.resolve(void applied.push(namespace.collection)),
  );
  return applied;
}

Deno.test("Collections: a new collection whose table is refused fails, and changes of the others are applied", async () => {
  const { sink, registry, reported } = refusing();
  assert.deepEqual(await registry.openAll(ALL), []);
  assert.deepEqual(registry.skipped, [{ ...LINES, keepsStale: true, skipped: true }]);
  assert.deepEqual([...sink.followed], ["shop.orders"]);
  assert.deepEqual(reported, [["lines", "failed"]]);
  assert.deepEqual(await appliedOf(registry), ["orders"]);
  await registry.refresh();
  await registry.maintain();
  assert.deepEqual(sink.states.get("shop.lines"), ["failed", "no"]);
});

Deno.test("Collections.maintain() retries a failed collection each minute, and has it read once its table can be used", async () => {
  const { sink, clock, registry, reported } = refusing();
  await registry.openAll(ALL);
  await registry.states.save();
  for (let second = 0; second < 59; second++) {
    clock.time += 1_000;
    const before = sink.sent.length;
    assert.deepEqual(await registry.maintain(), []);
    assert.equal(sink.sent.length, before);
  }
  clock.time += 1_000;
  assert.deepEqual(await registry.maintain(), []);
  assert.equal(
    sink.sent.filter((sql) => sql.startsWith('CREATE TABLE IF NOT EXISTS "shop"."lines"')).length,
    2,
  );

  sink.fail = () => undefined;
  clock.time += 60_000;
  assert.deepEqual(await registry.maintain(), [{ ...LINES, keepsStale: true }]);
  assert.deepEqual(await appliedOf(registry), ["lines", "orders"]);
  assert.ok(sink.followed.has("shop.lines"));
  assert.deepEqual(reported, [["lines", "failed"], ["lines", "waiting"]]);
});

Deno.test("Collections.maintain() does not wait for a table that it retries", async () => {
  const { sink, clock, registry } = refusing();
  await registry.openAll(ALL);
  clock.time += 60_000;
  sink.fail = (sql) => OPENING.test(sql) ? new SinkError("gone", { code: "ECONNRESET" }) : undefined;
  assert.deepEqual(await registry.maintain(), []);
  assert.ok(registry.isSkipped(LINES));
});

for (const kind of ["login", "foreign server", "unspecific"] as const) {
  Deno.test(`Collections: a collection stays failed if its retry ends with the error ${kind}`, async () => {
    const { sink, clock, registry } = refusing();
    sink.followed.add("shop.lines");
    sink.tables.add("lines");
    await registry.openAll(ALL);
    await registry.attempt(LINES, () => Promise.reject(new UnusableTableError("a column below overflow")));
    for (const fail of [new SinkError("HTTP status 500", { kind }), undefined]) {
      sink.fail = (sql) => OPENING.test(sql) ? fail : undefined;
      clock.time += 60_000;
      assert.deepEqual(await registry.maintain(), fail ? [] : [LINES]);
    }
  });
}

for (const kind of ["login", "foreign server"] as const) {
  Deno.test(`Collections opens a new table whose first answer is an error of the kind ${kind}`, async () => {
    const sink = new FakeSink();
    let failures = 1;
    sink.fail = (sql) =>
      OPENING.test(sql) && failures-- > 0 ? new SinkError("HTTP status 500", { kind }) : undefined;
    await registryOf(sink, { tableOf }).openAll([LINES]);
    assert.ok(sink.tables.has("lines"));
  });
}

for (const code of ["42501", "3F000", "XX000"]) {
  Deno.test(`Collections throws error ${code} at a start at which no table can be used, and of an only table`, async () => {
    const { sink, registry, refusal } = refusing(code);
    const isRefusal = (error: unknown) => error instanceof SinkError && error.kind === refusal.kind;
    await assert.rejects(registry.openAll([LINES]), isRefusal);
    const scope = new Scope({ databases: ["shop"], collections: ["lines"], exclude: [] });
    const single = registryOf(sink, { tableOf, scope });
    await assert.rejects(single.attempt(LINES, () => single.of(LINES)), isRefusal);
  });
}

Deno.test("Collections: the first collection of a database fails if its table is refused while the relay runs", async () => {
  const { registry } = refusing();
  assert.deepEqual(await registry.openAll([]), []);
  assert.equal(await registry.attempt(LINES, () => registry.of(LINES)), false);
  assert.deepEqual(await appliedOf(registry), ["orders"]);
});

Deno.test("Collections: a collection fails when its table cannot be used any more, and its stale rows are to be removed", async () => {
  const { sink, registry } = refusing();
  sink.fail = () => undefined;
  await registry.openAll(ALL);
  const counts = registry.counts;
  assert.equal(
    await registry.attempt(LINES, () => Promise.reject(new UnusableTableError("a column below overflow"))),
    false,
  );
  assert.deepEqual(registry.skipped, [{ ...LINES, skipped: true }]);
  assert.deepEqual(registry.counts, counts);
  assert.deepEqual(await appliedOf(registry), ["orders"]);
});

Deno.test("Collections: stale rows are to be removed if a collection fails again after it had rows", async () => {
  const { sink, clock, registry } = refusing();
  await registry.openAll(ALL);
  sink.fail = () => undefined;
  clock.time += 60_000;
  const [again] = await registry.maintain();
  assert.deepEqual(again, { ...LINES, keepsStale: true });
  await registry.attempt(again, () => Promise.reject(new UnusableTableError("a column below overflow")));
  assert.deepEqual(registry.skipped, [{ ...LINES, skipped: true }]);
});

Deno.test("Collections.attempt() throws what is not the fault of a table", async () => {
  const { registry } = refusing();
  await registry.openAll(ALL);
  const failure = new SinkError("wrong", { code: "4000" });
  await assert.rejects(registry.attempt(ORDERS, () => Promise.reject(failure)), failure);
});

Deno.test("Collections says that a name is that of a view", async () => {
  const sink = new FakeSink();
  sink.views.add("lines");
  await assert.rejects(
    registryOf(sink, { tableOf }).of(LINES),
    { name: "UnusableTableError", message: 'Table "shop"."lines" cannot be used: it is a view.' },
  );
});

const [A_B, AB] = [{ database: "shop", collection: "a.b" }, { database: "shop", collection: "a_b" }];

Deno.test("Collections: of two new collections for one table, the later one fails", async () => {
  const registry = registryOf(new FakeSink(), { tableOf });
  await registry.openAll([A_B, AB]);
  assert.deepEqual(registry.skipped, [{ ...AB, keepsStale: true, skipped: true }]);
});

for (
  const [what, exists, failed] of [["exists", true, ["a.b"]], ["was dropped", false, []]] as const
) {
  Deno.test(`Collections leaves a table to the collection that has rows in it, if that ${what}`, async () => {
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
    assert.deepEqual(registry.skipped.map(({ collection }) => collection), failed);
  });
}

Deno.test("Collections.drop() of a failed collection without rows touches no table, and has others retried at once", async () => {
  const { sink, registry } = refusing();
  const THIRD = { database: "shop", collection: "third" };
  sink.fail = (sql) =>
    /^CREATE TABLE .*"(lines|third)"/.test(sql) ? new SinkError("no", { code: "42501" }) : undefined;
  await registry.openAll([...ALL, THIRD]);
  sink.fail = () => undefined;
  const before = sink.sent.length;
  assert.equal(await registry.drop(LINES), undefined);
  assert.deepEqual(sink.sent.slice(before).filter((sql) => !sql.includes("cdc_collection")), []);
  assert.deepEqual(await registry.maintain(), [{ ...THIRD, keepsStale: true }]);
});

Deno.test("Collections removes the rows of a dropped collection once its table can be used", async () => {
  const { sink, clock } = refusing();
  const existing = new Set(["lines", "orders"]);
  for (const name of existing) {
    sink.followed.add(`shop.${name}`);
    sink.tables.add(name);
  }
  const exists = ({ collection }: Namespace) => existing.has(collection);
  const registry = registryOf(sink, { tableOf, exists, clock, onDrop: "truncate" });
  sink.fail = () => undefined;
  sink.views.add("lines");
  await registry.openAll(ALL);
  existing.delete("lines");
  assert.equal(await registry.drop(LINES), undefined);
  assert.deepEqual(registry.skipped, [{ ...LINES, skipped: true }]);
  const truncates = () => sink.sent.filter((sql) => sql === 'DELETE FROM "shop"."lines"').length;
  assert.equal(truncates(), 0);

  sink.views.clear();
  clock.time += 60_000;
  assert.deepEqual(await registry.maintain(), []);
  assert.equal(truncates(), 1);
  assert.deepEqual(registry.skipped, []);
});

const FAILURE = new UnusableTableError("it is a view", { hint: "Name another table" });

Deno.test("Collections: an opened collection follows, and one with a planned snapshot waits for it", async () => {
  const { registry, reported, sink } = refusing();
  sink.fail = () => undefined;
  await registry.openAll(ALL);
  registry.states.start([LINES]);
  assert.deepEqual(reported, [["lines", "waiting"], ["orders", "following"]]);
  await appliedOf(registry);
  registry.states.move(LINES, { what: "snapshot begun" });
  registry.states.move(LINES, { what: "snapshot done" });
  assert.deepEqual(reported.slice(2), [["lines", "snapshot"], ["lines", "following"]]);
});

Deno.test("Collections: a collection that is created while the relay runs follows at once", async () => {
  const { registry, reported, sink } = refusing();
  sink.fail = () => undefined;
  await registry.openAll([]);
  registry.states.start([]);
  await registry.of(LINES);
  assert.deepEqual(reported, [["lines", "following"]]);
});

Deno.test("Collections.maintain() saves changed states, once a second at most", async () => {
  const { clock, registry, sink } = refusing();
  await registry.openAll(ALL);
  registry.states.start([]);
  const saves = () => sink.sent.filter((sql) => sql.includes("UNNEST")).length;
  await registry.maintain();
  assert.deepEqual([...sink.states], [["shop.lines", ["failed", "no"]], ["shop.orders", ["following", ""]]]);
  registry.states.move(ORDERS, { what: "snapshot planned" });
  clock.time += 999;
  await registry.maintain();
  assert.equal(saves(), 1);
  clock.time += 1;
  await registry.maintain();
  assert.equal(sink.states.get("shop.orders")?.[0], "waiting");
  await registry.maintain();
  assert.equal(saves(), 2);
});

Deno.test("Collections.maintain() saves the numbers of rows within ten seconds", async () => {
  const { clock, registry, sink } = refusing();
  await registry.openAll(ALL);
  registry.states.start([]);
  await registry.maintain();
  const saves = () => sink.sent.filter((sql) => sql.includes("UNNEST")).length;
  registry.states.count(ORDERS, { documents: 5 });
  clock.time += 9_999;
  await registry.maintain();
  assert.equal(saves(), 1);
  clock.time += 1;
  await registry.maintain();
  assert.equal(saves(), 2);
});

Deno.test("Collections.retry() has a failed collection retried the next time", async () => {
  const { registry, sink } = refusing();
  await registry.openAll(ALL);
  sink.fail = () => undefined;
  assert.deepEqual(await registry.maintain(), []);
  assert.deepEqual([registry.retry(LINES), registry.retry(ORDERS)], [true, false]);
  assert.deepEqual(await registry.maintain(), [{ ...LINES, keepsStale: true }]);
});

Deno.test("Collections.pause() skips changes of a collection, also after a restart, until resume()", async () => {
  const sink = new FakeSink();
  const first = registryOf(sink, { tableOf });
  await first.openAll(ALL);
  first.states.start([]);
  await first.pause(LINES, "maintenance");
  assert.deepEqual(await appliedOf(first), ["orders"]);
  assert.deepEqual(first.skipped, [{ ...LINES, skipped: true }]);
  assert.deepEqual(sink.states.get("shop.lines"), ["paused", "maintenance"]);
  assert.deepEqual(await first.maintain(), []);

  const second = registryOf(sink, { tableOf });
  await second.openAll(ALL);
  second.states.start(second.skipped);
  assert.deepEqual(second.skipped, [{ ...LINES, skipped: true }]);
  assert.deepEqual(await appliedOf(second), ["orders"]);
  assert.deepEqual(second.resume(LINES), LINES);
  assert.equal(second.resume(LINES), undefined);
  assert.deepEqual((await appliedOf(second)).sort(), ["lines", "orders"]);
  await second.states.save();
  assert.equal(sink.states.get("shop.lines")?.[0], "waiting");
});

Deno.test("Collections: a failed collection is known as such after a crash, and is retried at the next start", async () => {
  const { sink, registry } = refusing();
  await registry.openAll(ALL);
  await registry.states.save();
  assert.equal(sink.states.get("shop.lines")?.[0], "failed");
  sink.fail = () => undefined;
  const next = registryOf(sink, { tableOf });
  await next.openAll(ALL);
  assert.deepEqual(next.skipped, []);
  next.states.start([LINES]);
  await next.states.save();
  assert.deepEqual(sink.states.get("shop.lines"), ["waiting", ""]);
});

Deno.test("Collections: a collection that MongoDB no longer has waits if its rows stay, and follows once it exists", async () => {
  const { sink, registry, reported } = refusing();
  sink.fail = () => undefined;
  await registry.openAll(ALL);
  registry.states.start([]);
  await registry.drop(LINES);
  await registry.states.save();
  assert.deepEqual(sink.states.get("shop.lines"), ["waiting", ""]);
  await registry.of(LINES);
  assert.deepEqual(reported.slice(2), [["lines", "waiting"], ["lines", "following"]]);
});

Deno.test("Collections.drop() removes the saved state with the rows", async () => {
  const { sink, reported } = refusing();
  sink.fail = () => undefined;
  const emit = on({ collectionChanged: ({ state }) => reported.push(["lines", state?.name]) });
  const registry = registryOf(sink, { tableOf, onDrop: "drop", emit });
  await registry.openAll([LINES]);
  registry.states.start([]);
  await registry.drop(LINES);
  await registry.states.save();
  assert.deepEqual([sink.states.size, sink.followed.size], [0, 0]);
  assert.equal(reported.at(-1)?.[1], undefined);
});

Deno.test("Collections: what an earlier run has saved of collections that MongoDB no longer has waits, or is removed", async () => {
  const sink = new FakeSink();
  sink.followed.add("shop.lines");
  sink.states.set("shop.lines", ["following", ""]).set("shop.view", ["failed", "it is a view"]);
  const registry = registryOf(sink, { tableOf });
  await registry.openAll([ORDERS]);
  registry.states.start([]);
  await registry.states.save();
  assert.deepEqual([...sink.states], [["shop.lines", ["waiting", ""]], ["shop.orders", ["following", ""]]]);
});

Deno.test("Collections: the hint of an error is part of the failure", async () => {
  const states: unknown[] = [];
  const registry = registryOf(new FakeSink(), {
    tableOf,
    emit: on({ collectionChanged: ({ state }) => states.push(state) }),
  });
  await registry.openAll(ALL);
  await registry.attempt(LINES, () => Promise.reject(FAILURE));
  const denied = new SinkError("Missing 'DML' privilege", { kind: "privilege" });
  await registry.attempt(ORDERS, () => Promise.reject(denied));
  const [first, second] = states as { readonly hint?: string }[];
  assert.deepEqual(first, { name: "failed", reason: "it is a view", hint: "Name another table" });
  assert.match(String(second?.hint), /GRANT/);
});
