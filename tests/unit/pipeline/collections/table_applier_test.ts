import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { fieldsByName } from "../../../../lib/bson/bson.ts";
import { deadLetterLimit } from "../../../../lib/pipeline/collections/dead_letters.ts";
import { parseTypes } from "../../../../lib/mapping/designed_types.ts";
import { QUIET } from "../../../../lib/util/log.ts";
import { on, type TableWrite } from "../../../../lib/pipeline/status/events.ts";
import { TableApplier, type TableApplierDeps } from "../../../../lib/pipeline/collections/table_applier.ts";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import { UnusableTableError } from "../../../../lib/sink/table/unusable_table.ts";
import type { Column } from "../../../../lib/mapping/column_tree.ts";
import type { Row } from "../../../../lib/sink/table/row.ts";
import { jsonBytes, jsonOfBytes } from "../../../../lib/util/json_writer.ts";

const NAMESPACE = { database: "shop", collection: "orders" };

interface Setting {
  readonly changes?: number;
  readonly onDrop?: TableApplierDeps["settings"]["onDrop"];
  /** Why the table cannot be dropped. */
  readonly kept?: Awaited<ReturnType<TableApplierDeps["writer"]["drop"]>>;
  /** Keys of rows that the table refuses. */
  readonly refuses?: (oid: string, row: Row) => boolean;
  readonly shadows?: TableApplierDeps["table"]["shadows"];
  readonly limit?: number;
  readonly deletes?: TableApplierDeps["settings"]["deletes"];
  readonly cdc?: "set" | "clear";
  readonly partitioning?: TableApplierDeps["partitioning"];
}

/** One BIGINT column, and columns that change as often as it says. */
function applierOf(
  { changes = 0, onDrop = "keep", kept, refuses = () => false, limit = 1_000, deletes = "hard", ...rest }:
    Setting = {},
) {
  const columns: Column = { kind: "object", children: new Map([["n", { kind: "bigint" }]]) };
  const written: (readonly Row[])[] = [];
  const dead = new Map<string, string>();
  const done: string[] = [];
  const stages: string[] = [];
  const told: TableWrite[] = [];
  let left = changes;
  let version = 0;
  const deps: TableApplierDeps = {
    namespace: NAMESPACE,
    table: { schema: "doc", name: "t", hasOverflow: true, cdc: rest.cdc, shadows: rest.shadows },
    columns: {
      columns,
      get version() {
        return version;
      },
      load: () => Promise.resolve(void (left-- > 0 && version++)),
      learn: async () => {},
      makeRoom: async () => {},
      widen: async () => {},
      retryPutOff: async () => {},
      recover: () => Promise.resolve(false),
    },
    writer: {
      upsert: (rows) => {
        written.push(rows);
        const refused = rows.filter((row) => refuses(row.oid, row));
        return Promise.resolve(
          refused.map(({ oid }) => ({ oid, error: "no room for 4711", reason: "no room", kind: "refused" })),
        );
      },
      delete: (rows) => {
        const { marked = [], deleted = [] } = Object.groupBy(rows, ({ cdc }) => cdc ? "marked" : "deleted");
        const names = deleted.map(({ oid, part }) => [oid, ...part === undefined ? [] : [part]].join(" in "));
        if (names.length > 0) done.push(`delete ${names}`);
        for (const { oid, cdc } of marked) done.push(`mark ${oid} ${cdc && jsonOfBytes(cdc)}`);
        return Promise.resolve();
      },
      deleteMoved: (rows) =>
        Promise.resolve(void (rows.length > 0 && done.push(`moved ${rows.map(({ oid }) => oid)}`))),
      deletePartsBefore: (time) => Promise.resolve(done.push(`drop before ${time}`) > 0),
      markAll: (cdc) => Promise.resolve(void done.push(`mark all ${jsonOfBytes(cdc)}`)),
      truncate: () => Promise.resolve(void done.push("truncate")),
      drop: () => Promise.resolve((done.push("drop"), kept)),
      async *keys() {},
      refresh: async () => {},
    },
    deadLetters: {
      async *keys() {},
      among: () => Promise.resolve(new Set<string>()),
      async *read() {},
      add: (letters) => Promise.resolve(letters.forEach(({ oid, error }) => dead.set(oid, error))),
      resolve: async () => {},
      clear: async () => {},
    },
    partitioning: rest.partitioning,
    deadLetterLimit: deadLetterLimit(limit),
    ownKeys: (oids) => Promise.resolve(oids),
    settings: { onDrop, omit: [], deletes },
    causalReader: { time: new BSON.Timestamp({ t: 7, i: 1 }) },
    clock: { now: () => 9_000 },
    shardKey: [],
    garbage: { makeRoom: () => {} },
    log: QUIET,
    emit: on({
      stageDone: ({ stage }) => stages.push(stage),
      tableWritten: ({ type: _, ...write }) => told.push(write),
    }),
  };
  return { applier: new TableApplier(deps), deps, written, dead, done, stages, told };
}

function change(document: { n: unknown }) {
  const bytes = BSON.serialize(document);
  const id = fieldsByName(bytes).get("n");
  assert.ok(id);
  return { id, document: bytes };
}

Deno.test("TableApplier writes once more what the columns have changed under, and counts it once", async () => {
  const { applier, written, told } = applierOf({ changes: 2 });
  await applier.apply([change({ n: "text" })]);
  assert.equal(written.length, 3);
  assert.deepEqual(told, [{ namespace: NAMESPACE, upserts: 1, deletes: 0, overflowed: 1, deadLetters: 0 }]);
});

Deno.test("TableApplier counts no overflow of a document that becomes a dead letter", async () => {
  const { applier, told } = applierOf({ refuses: (oid) => oid === '"text"' || oid === "text" });
  await applier.apply([change({ n: "text" }), change({ n: "other" })]);
  assert.deepEqual(told, [{ namespace: NAMESPACE, upserts: 1, deletes: 0, overflowed: 1, deadLetters: 1 }]);
});

Deno.test("TableApplier counts rows without a shadow: those that do not fit, and those that CrateDB refuses", async () => {
  const { geo } = parseTypes({ n: "geo_point" });
  const { applier, written, dead, told } = applierOf({
    shadows: { ...geo && { geo } },
    refuses: (_, { shadows }) =>
      shadows?.geo !== undefined && shadows.geo !== null && jsonOfBytes(shadows.geo) === '{"n":[3,4]}',
  });
  await applier.apply([change({ n: [1, 2] }), change({ n: [3, 4] }), change({ n: "nowhere" })]);
  assert.deepEqual(
    written.map((rows) => rows.map(({ shadows }) => shadows?.geo && jsonOfBytes(shadows.geo))),
    [
      ['{"n":[1,2]}', '{"n":[3,4]}', null],
      [undefined],
    ],
  );
  assert.deepEqual([dead.size, told[0]?.upserts, told[0]?.unshadowed], [0, 3, 2]);
});

Deno.test("TableApplier tells its stages, and what became of the rows once they are confirmed", async () => {
  const { applier, stages, told } = applierOf({ changes: 1 });
  await applier.apply([change({ n: 1 }), { ...change({ n: 2 }), document: null }]);
  const counts = { upserts: 1, deletes: 1, overflowed: 0, deadLetters: 0 };
  assert.deepEqual(told, [{ namespace: NAMESPACE, ...counts }]);
  assert.deepEqual(stages, ["split", "write", "split", "write"]);
  await applier.apply([change({ n: 3 })]);
  assert.deepEqual(told[1], { namespace: NAMESPACE, ...counts, deletes: 0 });
});

Deno.test("TableApplier writes the last change of a key only", async () => {
  const { applier, written } = applierOf();
  const first = change({ n: 1 });
  await applier.apply([first, { ...first, document: BSON.serialize({ n: 2 }) }]);
  assert.deepEqual(written, [[{ oid: "1", data: jsonBytes('{"n":2}'), overflow: null }]]);
});

Deno.test("TableApplier makes a dead letter of what is no BSON, and goes on", async () => {
  const { applier, written, dead, told } = applierOf();
  const bad = change({ n: 7 });
  await applier.apply([{ ...bad, document: bad.document.subarray(0, 6) }, change({ n: 8 })]);
  assert.deepEqual([...dead.keys()], ["7"]);
  assert.deepEqual(written.flat().map(({ oid }) => oid), ["8"]);
  assert.deepEqual(told, [{ namespace: NAMESPACE, upserts: 1, deletes: 0, overflowed: 0, deadLetters: 1 }]);
});

Deno.test("TableApplier takes an error of its own for no fault of the document", async () => {
  const { deps, dead } = applierOf();
  const columns = { ...deps.columns };
  const applier = new TableApplier({ ...deps, columns });
  Object.defineProperty(columns, "columns", {
    get: () => {
      throw new TypeError("x is undefined");
    },
  });
  await assert.rejects(applier.apply([change({ n: 1 })]), /x is undefined/);
  assert.equal(dead.size, 0);
});

Deno.test("TableApplier tries dead letters again, and reports one that cannot be read", async () => {
  const { deps, written } = applierOf();
  const warned: unknown[] = [];
  const letters = ["1", "2", "3"];
  const applier = new TableApplier({
    ...deps,
    deadLetters: {
      ...deps.deadLetters,
      among: (oids) => Promise.resolve(new Set(oids.filter((oid) => letters.includes(oid)))),
      async *read(oids) {
        assert.deepEqual(oids, ["1", "2", "3"]);
        yield await Promise.resolve([
          { oid: "1", document: BSON.serialize({ n: 1 }) },
          { oid: "2", unreadable: "String value length (20000001) exceeds the maximum" },
          { oid: "3", unreadable: "of another relay" },
        ]);
      },
      resolve: (oids) => Promise.resolve(oids.forEach((oid) => letters.splice(letters.indexOf(oid), 1))),
    },
    ownKeys: (oids) => Promise.resolve(oids.filter((oid) => oid !== "3")),
    log: {
      ...QUIET,
      warn: (message, fields) => void warned.push([message, fields]),
      info: (message, fields) => void warned.push([message, fields]),
    },
  });
  assert.equal(await applier.retryDeadLetters(["1", "2", "3", "4"]), 1);
  assert.deepEqual(written, [[{ oid: "1", data: jsonBytes('{"n":1}'), overflow: null }]]);
  assert.deepEqual(warned, [
    ["A dead letter cannot be read, and stays", {
      collection: "shop.orders",
      oid: "2",
      error: "String value length (20000001) exceeds the maximum",
    }],
    ["Dead letters were tried again", {
      collection: "shop.orders",
      stored: 1,
      left: 2,
      table: "cdc_dead_letter",
    }],
  ]);
});

Deno.test("TableApplier is dirty until it is refreshed, and not for nothing", async () => {
  const { applier } = applierOf();
  await applier.apply([]);
  assert.equal(applier.dirty, false);
  await applier.apply([change({ n: 1 })]);
  assert.equal(applier.dirty, true);
  await applier.refresh();
  assert.equal(applier.dirty, false);
});

/** What becomes of the table: why it cannot be dropped; what is done; whether it is to be dropped later. */
const DROPS: readonly (readonly [string, Setting, readonly string[], boolean])[] = [
  ["drops it", { onDrop: "drop" }, ["drop"], false],
  ["empties it", { onDrop: "truncate" }, ["truncate"], false],
  ["empties one that others need", { onDrop: "drop", kept: "needed" }, ["drop", "truncate"], false],
  ["empties one in a backup for now", { onDrop: "drop", kept: "backup running" }, ["drop", "truncate"], true],
];

for (const [what, setting, expected, later] of DROPS) {
  Deno.test(`TableApplier.dropRows() ${what}`, async () => {
    const { applier, done } = applierOf(setting);
    assert.equal(await applier.dropRows(), later);
    assert.deepEqual(done, expected);
    assert.equal(await applier.retryDrop(), later);
  });
}

/** A table whose columns are made on demand; notes whatever happens while a column is made. */
function growingTable() {
  const { deps, told } = applierOf();
  const children = new Map<string, Column>();
  const happened: string[] = [];
  let [version, isChanging, writing] = [0, 0, 0];
  const turn = () => new Promise<void>((done) => setTimeout(done));
  const change = async (work: () => void) => {
    if (isChanging++ > 0 || writing > 0) happened.push("a change amid other work");
    await turn();
    work();
    version++;
    isChanging--;
  };
  const columns: TableApplierDeps["columns"] = {
    get columns(): Column {
      return { kind: "object", children: new Map(children) };
    },
    get version() {
      return version;
    },
    load: async () => {},
    learn: async () => {},
    makeRoom: (rows) =>
      change(() => {
        for (const { document } of rows) {
          for (const name of fieldsByName(document).keys()) {
            if (!children.has(name)) children.set(name, { kind: "bigint" });
          }
        }
      }),
    widen: (paths) => change(() => paths.forEach(([name = ""]) => children.set(name, { kind: "double" }))),
    retryPutOff: async () => {},
    recover: () => Promise.resolve(false),
  };
  const table = new Map<string, Row>();
  const upsert: TableApplierDeps["writer"]["upsert"] = async (rows) => {
    if (isChanging > 0) happened.push("rows amid a change");
    writing++;
    await turn();
    writing--;
    for (const row of rows) table.set(row.oid, row);
    return [];
  };
  return { deps, columns, upsert, table, happened, children, told };
}

Deno.test("TableApplier has columns made and widened for several at once, each alone, and loses no value", async () => {
  const { columns, upsert, table, happened, children, deps, told } = growingTable();
  const applier = new TableApplier({ ...deps, columns, writer: { ...deps.writer, upsert } });
  const lanes = Array.from({ length: 4 }, (_, lane) =>
    Array.from({ length: 10 }, (_, n) => {
      const document = { n: lane * 10 + n, v: n === lane + 4 ? n + 0.5 : n, [`own${lane}`]: n };
      return change(document);
    }));
  await Promise.all(lanes.map(async (changes) => {
    for (const each of changes) await applier.apply([each]);
  }));
  assert.deepEqual(happened, []);
  assert.equal(children.get("v")?.kind, "double");
  assert.equal(table.size, 40);
  assert.deepEqual([...table.values()].filter(({ overflow }) => overflow !== null), []);
  assert.equal(told.reduce((sum, { upserts }) => sum + upserts, 0), 40);
});

Deno.test("TableApplier writes nothing that was split before another one widened a column", async () => {
  const { columns, upsert, table, deps } = growingTable();
  const written: string[] = [];
  const noted: typeof upsert = (rows) => {
    written.push(...rows.map(({ data }) => jsonOfBytes(data)));
    return upsert(rows);
  };
  const applier = new TableApplier({ ...deps, columns, writer: { ...deps.writer, upsert: noted } });
  await applier.apply([change({ n: 0 })]);
  // A BIGINT takes it, a DOUBLE PRECISION does not.
  const large = BSON.Long.fromString("9007199254740993");
  await Promise.all([{ n: 1.5 }, { n: large }, { n: 2.5 }].map((each) => applier.apply([change(each)])));
  assert.deepEqual(written.toSorted(), ['{"n":0}', '{"n":1.5}', '{"n":2.5}', "{}"]);
  assert.deepEqual(table.get("9007199254740993")?.overflow, jsonBytes('{"n":9007199254740993}'));
});

Deno.test("TableApplier stays dirty for what is written while it is refreshed", async () => {
  const { deps } = applierOf();
  const refreshing = Promise.withResolvers<void>();
  const applier = new TableApplier({
    ...deps,
    writer: { ...deps.writer, refresh: () => refreshing.promise },
  });
  await applier.apply([change({ n: 1 })]);
  const refreshed = applier.refresh();
  await applier.apply([change({ n: 2 })]);
  refreshing.resolve();
  await refreshed;
  assert.equal(applier.dirty, true);
});

Deno.test("TableApplier stops before it deletes rows, and keeps one dead letter beyond the limit", async () => {
  const { applier, done, dead } = applierOf({ refuses: (oid) => oid !== "0", limit: 2, changes: 1 });
  const apply = (...numbers: number[]) => applier.apply(numbers.map((n) => change({ n })));
  await apply(1, 2);
  await apply(3, 0, 4, 5, 6);
  await apply(7);
  await apply(8);
  assert.deepEqual([...dead.keys()], ["1", "2", "3", "4", "5", "6", "7", "8"]);
  done.length = 0;
  await assert.rejects(apply(9, 10), {
    name: "UserError",
    message: /^More than 2 documents in succession .* The last one, 10: no room$/,
  });
  assert.deepEqual(done, []);
  assert.ok(!dead.has("9"));
  assert.equal(dead.get("10"), "no room for 4711");
});

Deno.test("TableApplier reports the limit of dead letters, not that the last one cannot be saved", async () => {
  const { deps } = applierOf({ refuses: () => true, limit: 0 });
  const cause = new SinkError("Missing 'DML' privilege", { code: "4011" });
  const deadLetters = { ...deps.deadLetters, add: () => Promise.reject(cause) };
  await assert.rejects(new TableApplier({ ...deps, deadLetters }).apply([change({ n: 1 })]), {
    name: "UserError",
    message: /^More than 0 documents in succession cannot be stored/,
    cause,
  });
});

Deno.test("TableApplier blames no document, and deletes no row, if the table has become another one", async () => {
  const { deps, done, dead } = applierOf({ refuses: () => true });
  const error = new UnusableTableError("its partitions are other ones");
  const columns = { ...deps.columns, load: () => Promise.reject(error) };
  await assert.rejects(new TableApplier({ ...deps, columns }).apply([change({ n: 1 })]), error);
  assert.deepEqual([done, [...dead]], [[], []]);
});

Deno.test("TableApplier logs no values of a document that goes to the dead letters, which have them", async () => {
  const refused = applierOf({ refuses: () => true });
  const unfit = applierOf();
  const lines: unknown[] = [];
  const log = { ...QUIET, warn: (...line: readonly unknown[]) => void lines.push(line) };
  await new TableApplier({ ...refused.deps, log }).apply([change({ n: 1 })]);
  const table = { ...unfit.deps.table, hasOverflow: false };
  await new TableApplier({ ...unfit.deps, table, log }).apply([change({ n: "secret" })]);
  const line = (oid: string, error: string) => [
    "A document went to the dead letters",
    { oid, collection: "shop.orders", error, whole: "error in cdc_dead_letter" },
  ];
  const [key = ""] = unfit.dead.keys();
  assert.deepEqual(lines, [line("1", "no room"), line(key, "The table has no column for overflow")]);
  assert.deepEqual([...refused.dead.values(), ...unfit.dead.values()], [
    "no room for 4711",
    'The table has no column for overflow: {"n":"secret"}',
  ]);
});

Deno.test("TableApplier neither logs nor counts a dead letter again if its retry fails", async () => {
  const { deps, told, dead } = applierOf({ refuses: () => true });
  const warned: string[] = [];
  const letter = { oid: "1", document: BSON.serialize({ n: 1 }) };
  const applier = new TableApplier({
    ...deps,
    deadLetters: {
      ...deps.deadLetters,
      among: () => Promise.resolve(new Set(["1"])),
      async *read() {
        yield await Promise.resolve([letter]);
      },
    },
    log: { ...QUIET, warn: (message) => void warned.push(message) },
  });
  assert.equal(await applier.retryDeadLetters(["1"]), 0);
  assert.deepEqual([...dead], [["1", "no room for 4711"]], "with the error of the last try");
  assert.deepEqual(warned, []);
  assert.deepEqual(told.map(({ deadLetters }) => deadLetters), [0]);
});

const BY_MONTH = { unit: "month", path: ["at"] } as const;
const timed = (n: number, time: string) => change({ n, at: new Date(time) } as { n: unknown });
const MARCH = String(Date.UTC(2026, 2));

Deno.test("TableApplier writes rows with their partitions, and looks for what they have left unless they are new", async () => {
  const { applier, written, done } = applierOf({
    partitioning: BY_MONTH,
    onDrop: "drop",
    refuses: (oid) => oid === "3",
  });
  await applier.apply([
    { ...timed(1, "2026-03-05"), operation: "insert" },
    { ...timed(2, "2026-03-06"), operation: "update" },
    timed(3, "2026-03-07"),
    change({ n: 4 }),
  ]);
  assert.deepEqual(written.flat().map(({ part }) => part), [MARCH, MARCH, MARCH, "0"]);
  assert.deepEqual(done, ["moved 2,4", "delete 3"]);
});

Deno.test("TableApplier takes an inserted row for an old one if its key was deleted in the same batch", async () => {
  const { applier, done } = applierOf({ partitioning: BY_MONTH });
  const first = timed(1, "2026-03-05");
  await applier.apply([{ ...first, document: null, operation: "delete" }, { ...first, operation: "insert" }]);
  assert.deepEqual(done, ["moved 1"]);
});

Deno.test("TableApplier knows the partition of a deleted row by its key if that determines it", async () => {
  const { applier, done } = applierOf({ partitioning: { unit: "value", path: ["_id"] } });
  await applier.apply([{ ...change({ n: 7 }), document: null }]);
  await applier.remove(["text", '{"$sha256":"00"}']);
  assert.deepEqual(done, ["delete 7 in 7", 'delete text in text,{"$sha256":"00"}']);
});

Deno.test("TableApplier keeps no row of a partition that has expired, and drops those partitions once", async () => {
  let firstKept = Date.UTC(2026, 2);
  const { applier, written, done } = applierOf({ partitioning: { ...BY_MONTH, firstKept: () => firstKept } });
  await applier.apply([timed(1, "2026-02-28"), timed(2, "2026-03-01"), change({ n: 3 })]);
  assert.deepEqual(written.flat().map(({ oid }) => oid), ["2", "3"]);
  for (const _ of [1, 2]) await applier.dropExpired();
  firstKept = Date.UTC(2026, 3);
  await applier.dropExpired();
  assert.deepEqual(done, ["moved 2,3", "delete 1", `drop before ${MARCH}`, `drop before ${firstKept}`]);
});

const gone = (n: unknown, clusterTime = 5_000) =>
  ({ ...change({ n }), document: null, operation: "delete", clusterTime }) as const;
const markAt = (time: number) =>
  `{"op":"delete","cluster_time":${time},"written_at":9000,"deleted_at":${time}}`;

Deno.test("TableApplier marks rows with soft deletes, also one that came and went at once", async () => {
  const { applier, written, done, told } = applierOf({ deletes: "soft", cdc: "clear" });
  await applier.apply([change({ n: 1 }), change({ n: 2 }), gone(1), gone(3, 6_000)]);
  assert.deepEqual(written.flat().map(({ oid, cdc }) => [oid, cdc]), [["2", undefined], ["1", undefined]]);
  assert.deepEqual(done, [`mark 1 ${markAt(5_000)}`, `mark 3 ${markAt(6_000)}`]);
  assert.deepEqual(told.map(({ upserts, deletes }) => [upserts, deletes]), [[2, 2]]);
});

Deno.test("TableApplier marks stale rows with the time of the last read", async () => {
  const { applier, done } = applierOf({ deletes: "soft", cdc: "clear" });
  await applier.remove(["1"]);
  assert.deepEqual(done, [`mark 1 ${markAt(7_000)}`]);
});

Deno.test("TableApplier deletes the row of a document that no row can hold, also with soft deletes", async () => {
  const setting = { deletes: "soft", cdc: "clear", refuses: (oid: string) => oid === "1" } as const;
  const { applier, dead, done } = applierOf(setting);
  await applier.apply([change({ n: 1 }), { ...gone(2), refusal: "no transform" }]);
  assert.deepEqual([...dead.keys()], ["1", "2"]);
  assert.deepEqual(done, ["delete 2,1"]);
});

Deno.test("TableApplier makes no dead letter of a refused document that is deleted by then", async () => {
  const { applier, dead, done } = applierOf({ deletes: "soft", cdc: "clear", refuses: () => true });
  await applier.apply([change({ n: 1 }), gone(1)]);
  assert.deepEqual([[...dead.keys()], done], [[], [`mark 1 ${markAt(5_000)}`]]);
});

Deno.test("TableApplier ignores deletes if rows are kept", async () => {
  const { applier, written, done, told } = applierOf({ deletes: "keep" });
  await applier.apply([change({ n: 1 }), gone(1), gone(2)]);
  await applier.remove(["3"]);
  assert.deepEqual(written.flat().map(({ oid }) => oid), ["1"]);
  assert.deepEqual([done, told.map(({ deletes }) => deletes)], [[], [0]]);
});

Deno.test("TableApplier writes operation and time of each change", async () => {
  const { applier, written } = applierOf({ cdc: "set" });
  await applier.apply([
    { ...change({ n: 1 }), operation: "insert", clusterTime: 5_000 },
    // Half of a change of the shard key.
    { ...change({ n: 2 }), operation: "delete", clusterTime: 6_000 },
  ]);
  await applier.apply([change({ n: 3 })], "snapshot");
  const texts = written.flat().map(({ cdc }) => cdc && jsonOfBytes(cdc));
  assert.deepEqual(texts, [
    '{"op":"insert","cluster_time":5000,"written_at":9000}',
    '{"op":"update","cluster_time":6000,"written_at":9000}',
    '{"op":"snapshot","cluster_time":7000,"written_at":9000}',
  ]);
});

for (
  const [onDrop, kept, expected] of [
    ["truncate", undefined, [`mark all ${markAt(7_000)}`]],
    ["drop", undefined, ["drop"]],
    ["drop", "backup running", ["drop", "truncate"]],
  ] as const
) {
  Deno.test(`TableApplier with soft deletes and --on-drop ${onDrop}: ${expected.map((each) => each.slice(0, 8))}`, async () => {
    const { applier, done } = applierOf({ deletes: "soft", cdc: "clear", onDrop, kept });
    await applier.dropRows();
    assert.deepEqual(done, expected);
  });
}
