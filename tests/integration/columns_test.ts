import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { whole } from "../support/collections.ts";
import { inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { warningsOf } from "../support/warnings_of.ts";
import { startRelay } from "../support/follow.ts";
import { columnTypes } from "../support/widened.ts";
import { variants } from "../support/nightly.ts";

const { Double, Int32, Long } = BSON;

const collection = ({ mongodb, database }: CratedbContext) =>
  mongodb.db(database).collection<Document>("data");

/** Each inserted before the next, so that the first decides on the column. */
const CONFLICTING: readonly (readonly Document[])[] = [
  [
    { n: new Int32(1), t: "text", at: new Date(1), o: { x: new Int32(1) }, l: [new Int32(1)], m: [[1], [2]] },
    { n: new Int32(2), t: "other", at: new Date(2), o: { x: new Int32(2), y: "new" }, l: [], m: [] },
  ],
  [
    { n: "text", t: new Int32(1), at: new Int32(3), o: [1], l: new Int32(1), m: [1] },
    { n: new Double(2.5), t: { x: 1 }, at: "1970-01-01", o: "text", l: ["text"], m: [["text"]] },
    { n: new Date(5), t: true, at: true, o: { x: "text", "a.b": 1 }, l: [new Double(1.5)], m: {} },
  ],
  [
    { later: [new Date(0), null], mixed: [1, "text", { x: 1 }], deep: { er: { list: [{ x: [{ y: 1 }] }] } } },
    {
      later: [1],
      mixed: "text",
      deep: { er: { list: [{ x: [{ y: 2.5 }] }, { z: null }] } },
      "": 1,
      "a[0]": 2,
    },
    { nest: { "a\u0013": 1, "b\\c": { d: 2 }, e: [{ "f\u0001": 3 }] } },
    { later: null, mixed: [[1], ["text"]], empty: {}, emptyList: [[], [null]], big: Long.MAX_VALUE },
  ],
];

/** Types of the columns that the first documents make; the same on every version. */
const MODES = {
  typed: {
    n: "double precision",
    t: "text",
    at: "timestamp with time zone",
    o: "object",
    "o/x": "bigint",
    l: "double precision_array",
    m: "bigint_array_array",
  },
  dynamic: {
    n: "double precision",
    t: "text",
    at: "bigint",
    o: "object",
    "o/x": "bigint",
    l: "double precision_array",
  },
  ignored: {},
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Both ways to CrateDB: types and errors of columns are the same over each. */
const OVER = { typed: "http", dynamic: "wire", ignored: "http" } as const;

for (const mode of ["typed", "dynamic", "ignored"] as const) {
  const [types, transport] = [MODES[mode], OVER[mode]];
  cratedbTest(
    `relay() stores conflicting kinds with --columns ${mode}, over ${transport}`,
    async (context) => {
      const { relay, sql, table } = context;
      const data = collection(context);
      const running = relay(["--columns", mode], { transport });
      await running.waitForLine(/Ready/);
      for (const [batch, documents] of CONFLICTING.entries()) {
        await data.insertMany(
          documents.map((document, at) => ({ _id: 10 * batch + at, ...document }) as Document),
        );
        await inStep(context);
      }
      for (const [at, document] of CONFLICTING.flat().toReversed().entries()) {
        await data.replaceOne({ _id: 10 * (at % 3) } as Document, document);
      }
      await inStep(context);
      const made = await columnTypes(context);
      assert.deepEqual(Object.fromEntries(Object.keys(types).map((name) => [name, made[name]])), types);
      if (mode === "ignored") {
        assert.deepEqual(made, {});
        assert.deepEqual(await sql(`SELECT count(overflow) AS n FROM "${table}"`), [{ n: 0 }]);
      }
      assert.deepEqual(await sql("SELECT oid, error FROM cdc_dead_letter"), []);
      assert.equal((await running.kill()).code, 0);
    },
  );
}

for (const columns of ["typed", "dynamic"] as const) {
  const transport = OVER[columns];
  cratedbTest(
    `relay() keeps arrays of nothing whose columns are made later, with --columns ${columns} over ${transport}`,
    async (context) => {
      const { relay, sql, table } = context;
      const data = collection(context);
      const running = relay(["--columns", columns], { transport });
      await running.waitForLine(/Ready/);
      await data.insertMany(
        [
          {
            _id: 1,
            a: [],
            n: [null],
            o: { b: [], x: 1 },
            l: [{ x: 1, b: [] }, { m: [{ x: 1, c: [null] }] }],
          },
          { _id: 2, a: [], n: [null], e: [], l: [{ x: 2, e: [] }], m: [[]], d: [[null], []] },
        ] as Document[],
      );
      await inStep(context);
      await data.insertMany(
        [
          { _id: 3, a: 1, n: "text", o: { b: 1.5 }, l: [{ b: 1, m: [{ c: "text" }] }] },
          { _id: 4, e: [7], l: [{ e: [7] }], m: [["x"]], d: [[1]] },
        ] as Document[],
      );
      await inStep(context);
      assert.deepEqual(await sql(`SELECT data['l']['x'] AS x FROM "${table}" WHERE oid = '1'`), [{
        x: [1, null],
      }]);
      assert.equal((await running.kill()).code, 0);
    },
  );
}

cratedbTest(
  "relay() with --columns dynamic leaves columns of arrays of nothing to be made later",
  async (context) => {
    const { relay, sql, table } = context;
    const running = relay(["--columns", "dynamic"]);
    await running.waitForLine(/Ready/);
    const nothing = { a: [[null]], b: [null], c: [], x: 1 };
    await collection(context).insertOne({ _id: 1, o: nothing, l: [nothing] } as Document);
    await inStep(context);
    const insert = (o: unknown) => sql(`INSERT INTO "${table}" (oid, data) VALUES ('user', ?)`, [{ o }]);
    // CrateDB 5.7 makes no columns of nested arrays.
    await insert({ a: [["x"]], b: [1], c: [true] }).catch(() => insert({ b: [1], c: [true] }));
    await sql(`DELETE FROM "${table}" WHERE oid = 'user'`);
    await collection(context).insertOne({ _id: 2, o: { b: [2] }, l: [{ b: [2] }] } as Document);
    await inStep(context);
    assert.deepEqual(
      await sql(`SELECT data['o']['b'] AS o, data['l'] AS l FROM "${table}" WHERE oid = '2'`),
      [
        { o: [2], l: [{ b: [2] }] },
      ],
    );
    assert.equal((await running.kill()).code, 0);
  },
);

cratedbTest(
  "relay() with --columns dynamic lands a document of more keys than the table has room for",
  async (context) => {
    const running = context.relay(["--columns", "dynamic"]);
    await running.waitForLine(/Ready/);
    const keys = Array.from({ length: 2_500 }, (_, n) => [`key ${n}`, n]);
    await collection(context).insertOne({ _id: 1, ...Object.fromEntries(keys) } as Document);
    await collection(context).insertOne({ _id: 2 } as Document);
    await inStep(context);
    assert.equal((await running.kill()).code, 0);
  },
);

cratedbTest("relay() refuses --columns ignored for a table whose data has columns", async (context) => {
  const { relay, sql, table } = context;
  await sql(`CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC), overflow OBJECT(IGNORED))`);
  const running = relay(["--columns", "ignored"]);
  assert.equal((await running.status).code, 1);
  await running.waitForLine(
    /^Error: --columns ignored, but .* has a `data` that is not a plain OBJECT\(IGNORED\)/,
  );
});

cratedbTest("relay() makes the first columns of a table from a sample of the collection", async (context) => {
  const { relay, sql, table } = context;
  const data = collection(context);
  await data.insertMany([{ t: new Int32(1), o: { x: "text" } }, {
    t: new Double(2.5),
    l: [{ at: new Date(0) }],
  }]);
  const running = relay(["--widen", "off", "--snapshot", "never"]);
  await running.waitForLine(/Ready/);
  const types = {
    _id: "text",
    t: "double precision",
    o: "object",
    "o/x": "text",
    l: "object_array",
    "l/at": "timestamp with time zone",
  };
  assert.deepEqual(await columnTypes(context), types);
  assert.deepEqual(await sql(`SELECT count(*) AS n FROM "${table}"`), [{ n: 0 }]);
  await data.updateMany({}, { $set: { n: new Int32(1) } });
  await inStep(context);
  assert.deepEqual(await columnTypes(context), { ...types, n: "bigint" });
  assert.deepEqual(warningsOf(running.stderr), []);
});

for (const mode of variants(["typed"], ["dynamic"])) {
  cratedbTest(
    `relay() with --columns ${mode} never gives CrateDB a text that is too long for its index`,
    async (context) => {
      const { relay, sql, schema, table } = context;
      const long = "x".repeat(32_767);
      const running = relay(["--columns", mode]);
      await running.waitForLine(/Ready/);
      await collection(context).insertMany([
        { s: long, n: 1 },
        { l: [long], o: { s: long }, n: 2 },
        { deep: [{ s: [[long]] }], b: new BSON.Binary(new Uint8Array(32_767)), n: 3 },
      ]);
      await inStep(context);
      assert.deepEqual(await sql(`SELECT count(overflow) AS n FROM "${table}"`), [{ n: 3 }]);
      // The row is refused; a refresh at that moment makes 5.7.6 give up the whole shard as corrupt.
      const refused = "SELECT error FROM sys.jobs_log WHERE stmt LIKE ? AND error LIKE '%immense term%'";
      assert.deepEqual(await sql(refused, [`%"${schema}"%`]), []);
      assert.equal((await running.kill()).code, 0);
    },
  );

  cratedbTest(
    `relay() with --columns ${mode} reports once that a table has no room for further columns, and makes them when it has`,
    async (context) => {
      const { relay, sql, table } = context;
      await sql(
        `CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC), overflow OBJECT(IGNORED)) ` +
          'CLUSTERED INTO 1 SHARDS WITH ("mapping.total_fields.limit" = 200)',
      );
      const data = collection(context);
      const running = relay(["--columns", mode]);
      await running.waitForLine(/Ready/);
      await data.insertMany(
        Array.from(
          { length: 30 },
          (_, at) => Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`k${100 * at + n}`, n])),
        ),
      );
      await data.insertOne({ k0: 1, last: { x: [1] } });
      await inStep(context);
      const warnings = warningsOf(running.stderr);
      assert.equal(warnings.length, 1, warnings.join("\n"));
      assert.match(warnings[0] ?? "", /no room for further columns; new keys go to overflow/);
      const made = Object.keys(await columnTypes(context)).length;
      assert.ok(made > 150 && made <= 200, `${made} columns`);

      await sql(`ALTER TABLE "${table}" SET ("mapping.total_fields.limit" = 400)`);
      await data.insertOne({ k0: 2 });
      await inStep(context);
      await data.insertOne({ later: 1 });
      await inStep(context);
      assert.ok("later" in await columnTypes(context));
      assert.equal((await running.kill()).code, 0);
    },
  );
}

cratedbTest(
  "relay() waits for a table that takes no columns for a while, over wire",
  async (context) => {
    const { relay, sql, table, mongodb, database } = context;
    const data = mongodb.db(database).collection<{ _id: number; u?: string }>("data");
    const running = relay([], { transport: "wire" });
    await running.waitForLine(/Ready/);
    await data.insertOne({ _id: 1 });
    await inStep(context);
    await sql(`ALTER TABLE "${table}" SET ("blocks.metadata" = true)`);
    await data.insertOne({ _id: 2, u: "text" });
    await running.waitForLine(/trying again/);
    await sql(`ALTER TABLE "${table}" SET ("blocks.metadata" = false)`);
    await eventually(async () => assert.equal((await columnTypes(context)).u, "text"));
    await inStep(context);
    assert.deepEqual(await sql(`SELECT count(overflow) AS n FROM "${table}"`), [{ n: 0 }]);
  },
);

cratedbTest(
  "relay() leaves out a table whose overflow takes columns, and writes its rows again without them",
  async (context) => {
    const { mongodb, database, sql } = context;
    const flags = [...whole(context), "--lease", "1s"];
    const insert = async (...values: unknown[]) => {
      for (const name of ["one", "two"]) {
        await mongodb.db(database).collection(name).insertMany(values.map((n) => ({ n })));
      }
    };
    const inStepOf = (name: string) => inStep({ ...context, table: name }, { collections: [name] });
    await insert(new Int32(1));
    await using first = startRelay(context, flags);
    await first.waitForLine(/Ready/);
    await sql(`ALTER TABLE "one" ADD COLUMN overflow['n'] BIGINT`);
    await insert("text", "20", "007", [1, 2], true, null);
    await first.waitForLine(
      /WARN .*collection failed.*\.one reason="Table .*`overflow` is not a plain.*DROP COLUMN overflow\['n'\]/,
    );
    await insert("later");
    await inStepOf("two");
    await sql(`ALTER TABLE "one" DROP COLUMN overflow['n']`);
    await first.kill("SIGKILL");

    await using second = startRelay(context, flags);
    await second.waitForLine(/Ready/);
    await inStepOf("one");

    await sql(`ALTER TABLE "one" DROP COLUMN data['n']`);
    await insert(new Double(2.5));
    await second.waitForLine(/WARN .*dropped or renamed.*columns=data\['n'\] hint="--snapshot always/);
    assert.equal((await second.kill()).code, 0);
    await using third = startRelay(context, [...flags, "--snapshot", "always"]);
    await third.waitForLine(/Ready/);
    await inStepOf("one");
    assert.equal((await third.kill()).code, 0);
  },
  { ownProcess: true },
);
