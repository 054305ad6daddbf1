/** Columns that users make: objects, other types than those of the relay, and generated columns. */
import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { whole } from "../support/collections.ts";
import { inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { startRelay } from "../support/follow.ts";
import { columnTypes } from "../support/widened.ts";

const { Double, Int32, Long } = BSON;

const collection = ({ mongodb, database }: CratedbContext) =>
  mongodb.db(database).collection<Document>("data");

/** Columns of types that the relay never makes: values that each takes as they are, and values that it does not. */
const USERS_TYPES: Readonly<
  Record<string, { readonly fit: readonly unknown[]; readonly unfit: readonly unknown[] }>
> = {
  "IP": {
    fit: ["10.0.0.1", "255.255.255.255", "::1", "2001:db8::1", "::102:304"],
    unfit: ["0:0:0:0:0:0:0:1", "FE80::1", "::ffff:1.2.3.4", "010.0.0.1", "1.2.3", "text", "", 1],
  },
  "VARCHAR(5)": {
    fit: ["", "abc", "abc  ", "abcde", "äöüßé", "😀😀"],
    unfit: ["abcdef", "abcde ", "😀😀😀", 1],
  },
  "CHARACTER(3)": { fit: ["abc", "ab ", "   "], unfit: ["", "ab", "abcd"] },
  "ARRAY(VARCHAR(3))": { fit: [["a", "abc"]], unfit: [["a", "abcd"]] },
  "GEO_POINT": { fit: [], unfit: [[13.404954, 52.520008], "POINT(1 2)", { x: 1 }] },
  "GEO_SHAPE": { fit: [], unfit: [{ type: "Point", coordinates: [13.4, 52.5] }, "text"] },
  "FLOAT_VECTOR(3)": { fit: [], unfit: [[0.1, 0.2, 0.3], [1]] },
  "BIT(3)": { fit: [], unfit: ["101"] },
};

for (const [type, { fit, unfit }] of Object.entries(USERS_TYPES)) {
  cratedbTest(`relay() puts into a user's column of type ${type} what it takes as it is`, async (context) => {
    const { sql, table, relay } = context;
    await sql(
      `CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC) AS (v ${type}), overflow OBJECT(IGNORED))`,
    );
    const running = relay();
    await running.waitForLine(/Ready/);
    const documents = [...fit, ...unfit].map((v, at) => ({ _id: `doc ${at}`, v }));
    await collection(context).insertMany(documents as Document[]);
    await inStep(context);
    const overflowed = await sql(`SELECT oid FROM "${table}" WHERE overflow IS NOT NULL`);
    const expected = documents.slice(fit.length).map(({ _id }) => _id);
    assert.deepEqual(overflowed.map(({ oid }) => String(oid)).sort(), expected.sort());
    const warned = running.stderr.filter((line) => /cannot store values unchanged/.test(line));
    assert.equal(warned.length, fit.length === 0 ? 1 : 0, warned.join("\n"));
    if (fit.length === 0) assert.match(warned[0] ?? "", /column=data\['v'\]/);
    assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
  });
}

cratedbTest(
  "relay() has generated columns follow each write, also when a column is widened",
  async (context) => {
    const { sql, table, relay } = context;
    await sql(
      `CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, ` +
        "data OBJECT(DYNAMIC) AS (at TIMESTAMP WITH TIME ZONE, n BIGINT), overflow OBJECT(IGNORED), " +
        "day TIMESTAMP WITH TIME ZONE GENERATED ALWAYS AS date_trunc('day', data['at']), " +
        "big BOOLEAN GENERATED ALWAYS AS data['n'] > 10)",
    );
    const running = relay();
    await running.waitForLine(/Ready/);
    const data = collection(context);
    const id = (_id: string) => ({ _id }) as Document;
    const day = (date: string) => new Date(`${date}T00:00:00Z`).getTime();
    const generated = (expected: unknown) =>
      eventually(async () => {
        await sql(`REFRESH TABLE "${table}"`);
        assert.deepEqual(await sql(`SELECT oid, day, big FROM "${table}" ORDER BY oid`), expected);
      });
    await data.insertMany([
      { _id: "a", at: new Date("2026-01-02T03:04:05Z"), n: new Int32(5) },
      { _id: "b", at: new Date("2026-01-03T03:04:05Z"), n: new Int32(50) },
    ] as Document[]);
    await generated([{ oid: "a", day: day("2026-01-02"), big: false }, {
      oid: "b",
      day: day("2026-01-03"),
      big: true,
    }]);
    await data.updateOne(id("a"), { $set: { n: new Int32(11), at: new Date("2026-02-01T01:00:00Z") } });
    await data.replaceOne(id("b"), { n: new Int32(1) });
    await generated([{ oid: "a", day: day("2026-02-01"), big: true }, { oid: "b", day: null, big: false }]);
    await data.updateOne(id("b"), { $set: { n: new Double(20.5) } });
    await generated([{ oid: "a", day: day("2026-02-01"), big: true }, { oid: "b", day: null, big: true }]);
    await data.insertOne({ _id: "c", n: new Double(9.5) } as Document);
    await generated([
      { oid: "a", day: day("2026-02-01"), big: true },
      { oid: "b", day: null, big: true },
      { oid: "c", day: null, big: false },
    ]);
    await inStep(context);
    assert.equal((await columnTypes(context)).n, "double precision");
    assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
  },
);

interface Made {
  /** The type of the column `data`. */
  readonly data: string;
  readonly documents: readonly Document[];
  /** Paths that the documents have in `overflow`; the rest is in `data`. */
  readonly overflowing: readonly string[];
  /** Columns afterwards, those of `_id` aside. */
  readonly columns?: Readonly<Record<string, string>>;
}

/** Objects that a user may have made in a table. */
const MADE: Readonly<Record<string, Made>> = {
  "a strict data": {
    data: "OBJECT(STRICT) AS (_id BIGINT, n BIGINT)",
    documents: [{ n: 1, m: 2, o: { x: 1 } }],
    overflowing: ["m", "o"],
    columns: { n: "bigint" },
  },
  "a strict object in data": {
    data: "OBJECT(DYNAMIC) AS (o OBJECT(STRICT) AS (x BIGINT))",
    documents: [{ o: { x: 1, y: 2 }, z: 3 }, { o: { y: { z: 1 } } }],
    overflowing: ["o/y"],
    columns: { "o": "object", "o/x": "bigint", "z": "bigint" },
  },
  "an ignored object in data": {
    data: "OBJECT(DYNAMIC) AS (o OBJECT(IGNORED))",
    documents: [{ o: { x: 1, y: "text", "a.b": [1, "text"] } }, { o: { x: "text" } }],
    overflowing: [],
    columns: { "o": "object" },
  },
  "columns in an ignored object": {
    data:
      "OBJECT(DYNAMIC) AS (o OBJECT(IGNORED) AS (x BIGINT, s TEXT, p OBJECT(DYNAMIC) AS (y BIGINT)), l ARRAY(OBJECT(IGNORED) AS (x TEXT)))",
    documents: [
      {
        o: { x: 1, s: "text", free: "text", "1": 1, "a.b": [1, "text"], p: { y: 1 } },
        l: [{ x: "text", y: 1 }],
      },
      { o: { x: "1", s: 2, free: 7, p: { y: true } }, l: [{ x: "text", y: "text" }] },
      { o: { x: new Date(1), s: ["a"], free: [{ "2": "x" }], p: 1 }, l: [{ x: 1 }] },
    ],
    overflowing: ["o", "l"],
    columns: {
      "o": "object",
      "o/x": "bigint",
      "o/s": "text",
      "o/p": "object",
      "o/p/y": "bigint",
      "l": "object_array",
      "l/x": "text",
    },
  },
  "a column in an ignored object that becomes wider": {
    data: "OBJECT(IGNORED) AS (x BIGINT, o OBJECT(IGNORED) AS (x BIGINT))",
    documents: [{ x: 1, y: 1, o: { x: 1, y: 1 } }, { x: 1.5, y: "text", o: { x: 1.5, y: "text" } }],
    overflowing: ["_id", "y", "o/y"],
    columns: { "x": "double precision", "o": "object", "o/x": "double precision" },
  },
  "other values for an ignored object": {
    data: "OBJECT(DYNAMIC) AS (o OBJECT(IGNORED))",
    documents: [{ o: 1 }, { o: "text" }, { o: [{ x: 1 }] }, { o: [] }],
    overflowing: ["o"],
    columns: { "o": "object" },
  },
  "an array of ignored objects": {
    data: "OBJECT(DYNAMIC) AS (l ARRAY(OBJECT(IGNORED)))",
    documents: [{ l: [{ x: 1 }, { x: "text" }] }, { l: [] }],
    overflowing: [],
    columns: { "l": "object_array" },
  },
  "other values for an array of ignored objects": {
    data: "OBJECT(DYNAMIC) AS (l ARRAY(OBJECT(IGNORED)))",
    documents: [{ l: [1] }, { l: [{ x: 1 }, "text"] }, { l: { x: 1 } }],
    overflowing: ["l"],
    columns: { "l": "object_array" },
  },
};

cratedbTest("relay() respects objects made by a user", async (context) => {
  const { mongodb, database, sql } = context;
  const tables = Object.keys(MADE).map((what) => ({ ...context, table: what.replaceAll(" ", "_") }));
  const before: Readonly<Record<string, unknown>>[] = [];
  for (const [at, { data }] of Object.values(MADE).entries()) {
    const { table = "" } = tables[at] ?? {};
    await sql(
      `CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, data ${data}, overflow OBJECT(IGNORED)) CLUSTERED INTO 1 SHARDS`,
    );
    before.push(await columnTypes({ ...context, table }));
  }
  await using running = startRelay(context, whole(context));
  await running.waitForLine(/Ready/);
  for (const [at, { documents }] of Object.values(MADE).entries()) {
    await mongodb.db(database).collection(tables[at]?.table ?? "").insertMany(
      documents.map((document, _id) => ({ _id, ...document }) as Document),
    );
  }
  for (const [at, [what, { overflowing, columns }]] of Object.entries(MADE).entries()) {
    const target = tables[at] ?? context;
    await inStep(target, { collections: [target.table] }).catch((error) => {
      throw new Error(`${what}:\n${running.stderr.join("\n")}`, { cause: error });
    });
    const rows = await sql(`SELECT data, overflow FROM "${target.table}"`);
    for (const { overflow } of rows) {
      const paths = leaves(overflow).filter((path) => !overflowing.some((each) => path.startsWith(each)));
      assert.deepEqual(paths, [], what);
    }
    if (overflowing.length > 0) assert.ok(rows.every(({ overflow }) => overflow !== null), what);
    const { _id, ...after } = await columnTypes(target);
    const expected = { ...before[at], _id: undefined, ...columns };
    assert.deepEqual({ ...before[at], _id: undefined, ...after }, expected, what);
  }
  assert.deepEqual(await sql("SELECT oid, error FROM cdc_dead_letter"), []);
});

/** @example IN: {o: {y: 2}, m: [1]} → OUT: ["o/y", "m"] */
const leaves = (value: unknown, path = ""): string[] =>
  value !== null && typeof value === "object" && !Array.isArray(value)
    ? Object.entries(value).flatMap(([name, each]) => leaves(each, path === "" ? name : `${path}/${name}`))
    : path === ""
    ? []
    : [path];

/** Columns that a user may have made, what they hold, and what goes to `overflow`. */
const TYPES: Readonly<Record<string, { fits?: readonly unknown[]; misfits?: readonly unknown[] }>> = {
  "INTEGER": {
    fits: [0, -(2 ** 31) + 1, 2 ** 31 - 1, new Double(7)],
    misfits: [2 ** 31, Long.MAX_VALUE, 1.5, "1", true, [1], { x: 1 }],
  },
  "SMALLINT": { fits: [32767, -32767], misfits: [32768, 0.5] },
  "REAL": { fits: [0.5, -(2 ** 24), 0], misfits: [0.1, 2 ** 24 + 1, 1e300] },
  "DOUBLE PRECISION": { fits: [1, 0.1, NaN, Infinity], misfits: [Long.MAX_VALUE, "1"] },
  "TEXT": { fits: ["text", ""], misfits: ["a".repeat(40_000), 1, true] },
  "TEXT INDEX OFF STORAGE WITH (columnstore = false)": { fits: ["text", "a".repeat(40_000)], misfits: [1] },
  "TEXT INDEX USING FULLTEXT": { fits: ["some words", ""] },
  "BOOLEAN": { fits: [true, false], misfits: [1, "true"] },
  "TIMESTAMP WITH TIME ZONE": { fits: [new Date(1), new Date(-1)], misfits: [1, "1970-01-01"] },
  "TIMESTAMP WITHOUT TIME ZONE": { fits: [new Date(1), new Date(-1)], misfits: [1] },
  "ARRAY(ARRAY(INTEGER))": { fits: [[[1], [], [2, null]], [[]]], misfits: [[[1.5]], [1], 1] },
  "BYTE": { misfits: [1, 300, "1"] },
  "IP": { fits: ["127.0.0.1"], misfits: ["text", 1] },
  "GEO_POINT": { misfits: [[1.5, 2.5], "POINT (1 2)", [200, 200]] },
  "GEO_SHAPE": { misfits: [{ type: "Point", coordinates: [1.5, 2.5] }] },
  "CHARACTER VARYING(5)": { fits: ["text"], misfits: ["longer text"] },
  "FLOAT_VECTOR(2)": { misfits: [[1.5, 2.5], [1]] },
  "BIT(5)": { misfits: ["B'00000'", 1] },
};

cratedbTest("relay() respects the types of columns made by a user", async (context) => {
  const { relay, sql, table } = context;
  const made = Object.entries(TYPES).map(([type, values], n) => ({ name: `c${n}`, type, ...values }));
  const columns = made.map(({ name, type }) => `${name} ${type}`);
  await sql(
    `CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC) AS (_id TEXT, ${
      columns.join(", ")
    }), overflow OBJECT(IGNORED))`,
  );
  const before = await columnTypes(context);
  const documents = made.flatMap(({ name, type, fits = [], misfits = [] }) => [
    ...fits.map((value, at) => ({ _id: `fits ${type} ${at}`, [name]: value })),
    ...misfits.map((value, at) => ({ _id: `misfits ${type} ${at}`, [name]: value })),
  ]);
  const running = relay();
  await running.waitForLine(/Ready/);
  await collection(context).insertMany(documents as Document[]);
  await inStep(context);
  const misplaced = await sql(
    `SELECT oid FROM "${table}" WHERE (oid LIKE 'fits%' AND overflow IS NOT NULL) OR (oid LIKE 'misfits%' AND overflow IS NULL)`,
  );
  assert.deepEqual(misplaced, []);
  assert.deepEqual(await columnTypes(context), before);
  assert.deepEqual(await sql("SELECT oid, error FROM cdc_dead_letter"), []);
});
