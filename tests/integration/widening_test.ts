import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { normalizeJson } from "../../lib/mapping/normalize.ts";
import { inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest, transports } from "../support/cratedb_harness.ts";
import { freshName } from "../support/mongodb_harness.ts";
import { assertNoLeftovers, columnTypes } from "../support/widened.ts";
import { nightly, variants } from "../support/nightly.ts";

const { Double, Int32, Long } = BSON;
/** Doubles would change it. */
const BEYOND = Long.fromString("9007199254740993");

const collection = ({ mongodb, database }: CratedbContext) =>
  mongodb.db(database).collection<Document>("data");

/** The rows as JSON texts; resolves when the collection is in the table. */
async function texts(
  context: CratedbContext,
): Promise<(readonly [oid: unknown, data: string, overflow: string])[]> {
  await inStep(context);
  const rows = await context.sql(
    `SELECT oid, data::text AS data, overflow::text AS overflow FROM "${context.table}" ORDER BY oid`,
  );
  return rows.map(({ oid, data, overflow }) =>
    [oid, normalizeJson(String(data)), normalizeJson(String(overflow))] as const
  );
}

cratedbTest("relay() shows a query every value of 20, 20.5 and 21, over wire", async (context) => {
  const { relay, sql, table } = context;
  const data = collection(context);
  const running = relay([], { transport: "wire" });
  await running.waitForLine(/Ready/);
  for (const [_id, t] of [20, 20.5, 21].entries()) {
    await data.insertOne({ _id, t, n: 1 } as Document);
    await inStep(context);
  }
  const seen = await sql(`SELECT count(data['t']) AS n, avg(data['t']) AS t FROM "${table}"`);
  assert.deepEqual(seen, [{ n: 3, t: 20.5 }]);
  assert.deepEqual(await sql(`SELECT DISTINCT pg_typeof(data['t']) AS type FROM "${table}"`), [
    { type: "double precision" },
  ]);
  assert.match(await running.waitForLine(/Widened/), /Widened to DOUBLE PRECISION columns=.?data\['t'\]/);

  await data.insertMany([{ _id: 3, t: 1 }, { _id: 4, t: 0.5, n: 0.5 }] as Document[]);
  await data.updateOne({ _id: 0 } as Document, { $set: { t: 19.5 } });
  await data.deleteOne({ _id: 2 } as Document);
  assert.deepEqual(await texts(context), [
    ["0", '{"_id":0,"n":1,"t":19.5}', "null"],
    ["1", '{"_id":1,"n":1,"t":20.5}', "null"],
    ["3", '{"_id":3,"t":1}', "null"],
    ["4", '{"_id":4,"n":0.5,"t":0.5}', "null"],
  ]);
  assert.deepEqual(await columnTypes(context), {
    _id: "bigint",
    t: "double precision",
    n: "double precision",
  });
  await assertNoLeftovers(context);
  assert.equal((await running.kill()).code, 0);
});

cratedbTest("relay() brings back what --widen off left in overflow", async (context) => {
  const { relay } = context;
  const data = collection(context);
  const off = relay(["--widen", "off"]);
  await off.waitForLine(/Ready/);
  await data.insertOne({ _id: 1, t: 20 } as Document);
  await inStep(context);
  await data.insertMany(
    [{ _id: 2, t: 20.5, "a.b": 1 }, { _id: 3, t: "text" }, { _id: 4, t: -0.5 }, {
      _id: 5,
      t: NaN,
    }] as Document[],
  );
  await inStep(context);
  const warning =
    /A column cannot store fractions; they go to overflow .*column=data\['t'\] reason="--widen is off"/;
  await off.waitForLine(warning);
  assert.equal(off.stderr.filter((line) => warning.test(line)).length, 1);
  assert.deepEqual(await columnTypes(context), { _id: "bigint", t: "bigint" });
  assert.equal((await off.kill()).code, 0);

  await relay().waitForLine(/Resuming from the saved position/);
  await data.insertOne({ _id: 6, t: 20.25 } as Document);
  assert.deepEqual(await texts(context), [
    ["1", '{"_id":1,"t":20}', "null"],
    ["2", '{"_id":2,"t":20.5}', '{"a.b":1}'],
    ["3", '{"_id":3}', '{"t":"text"}'],
    ["4", '{"_id":4,"t":-0.5}', "null"],
    ["5", '{"_id":5}', '{"t":"NaN"}'],
    ["6", '{"_id":6,"t":20.25}', "null"],
  ]);
  assert.deepEqual(await columnTypes(context), { _id: "bigint", t: "double precision" });
  await assertNoLeftovers(context);
});

interface Shape {
  readonly of: (value: unknown) => unknown;
  /** JSON of what stays in `data` when the value doesn't fit; nothing by default. */
  readonly bare?: string;
  /** The column's path. @default the shape's name */
  readonly path?: string;
  readonly type?: string;
}

const SHAPES: Readonly<Record<string, Shape>> = {
  "t": { of: (value) => value },
  [`a "q" 'b' ?$1`]: { of: (value) => value },
  "object": { of: (t) => ({ t }), bare: "{}", path: "object/t" },
  "deep": { of: (t) => ({ o: { p: { t } } }), bare: '{"o":{"p":{}}}', path: "deep/o/p/t" },
  "array": { of: (value) => [new Int32(1), value], type: "double precision_array" },
  "nested": { of: (value) => [[new Int32(1)], [value]], type: "double precision_array_array" },
  "objects": { of: (t) => [{ t: new Int32(1) }, { t }], path: "objects/t" },
  "arrays in objects": {
    of: (t) => [{ t: [t] }],
    path: "arrays in objects/t",
    type: "double precision_array",
  },
  "objects in objects": { of: (t) => [{ o: [{ t }] }], path: "objects in objects/o/t" },
};

const document = (_id: number, value: unknown): Document => ({
  _id,
  ...Object.fromEntries(Object.entries(SHAPES).map(([name, { of }]) => [name, of(value)])),
});
const whole = (_id: number, value: unknown): string =>
  normalizeJson(BSON.EJSON.stringify(document(_id, value), { relaxed: true }));
const bare = (_id: number): string =>
  normalizeJson(
    `{${[
      `"_id":${_id}`,
      ...Object.entries(SHAPES).flatMap(([name, { bare }]) => bare ? `"${name}":${bare}` : []),
    ]}}`,
  );

cratedbTest("relay() widens columns in objects and arrays, over wire", async (context) => {
  const data = collection(context);
  await context.relay([], { transport: "wire" }).waitForLine(/Ready/);
  const misfits: readonly unknown[] = [BEYOND, BEYOND.negate(), "text"];
  await data.insertMany([
    document(0, new Int32(20)),
    document(1, Long.fromString("-9007199254740992")),
    ...misfits.map((value, at) => document(2 + at, value)),
  ]);
  await inStep(context);
  await data.insertOne(document(5, new Double(20.5)));
  const rows = await texts(context);
  assert.deepEqual(rows.map(([, data]) => data), [
    whole(0, 20),
    whole(1, -9007199254740992),
    ...misfits.map((_, at) => bare(2 + at)),
    whole(5, 20.5),
  ]);
  assert.deepEqual(rows.map(([, , overflow]) => overflow === "null"), [
    true,
    true,
    false,
    false,
    false,
    true,
  ]);
  const types = await columnTypes(context);
  for (const [name, { path = name, type = "double precision" }] of Object.entries(SHAPES)) {
    assert.equal(types[path], type, path);
  }
  await assertNoLeftovers(context);
});

cratedbTest(
  "relay() widens arrays of objects with nulls and ends of ranges beside the values",
  async (context) => {
    const { relay, sql, table } = context;
    const data = collection(context);
    const off = relay(["--widen", "off"]);
    await off.waitForLine(/Ready/);
    await data.insertOne({ _id: 0, l: [{ x: 1, y: 1 }] } as Document);
    await inStep(context);
    await data.insertMany(
      [
        { _id: 1, l: [{ x: BEYOND, n: null }] },
        { _id: 2, l: [{ x: 1.25, n: null }, { x: 1.5, e: [] }] },
        { _id: 3, l: [{ x: 1.75, y: Long.MAX_VALUE }] },
      ] as Document[],
    );
    await inStep(context);
    assert.equal((await off.kill()).code, 0);
    const on = relay();
    await on.waitForLine(/Ready/);
    await data.insertOne({ _id: 4, l: [{ x: 2.5 }] } as Document);
    await on.waitForLine(/Widened/);
    await inStep(context);
    assert.deepEqual(await sql(`SELECT oid, data['l']['x'] AS x FROM "${table}" ORDER BY oid`), [
      { oid: "0", x: [1] },
      { oid: "1", x: null },
      { oid: "2", x: [1.25, 1.5] },
      { oid: "3", x: null },
      { oid: "4", x: [2.5] },
    ]);
    assert.equal((await on.kill()).code, 0);
  },
);

cratedbTest("relay() moves more rows than are read at once", async (context) => {
  const data = collection(context);
  await context.relay().waitForLine(/Ready/);
  await data.insertMany(
    Array.from({ length: 4_500 }, (_, _id) => ({ _id, t: BEYOND.add(2 * _id) } as Document)),
  );
  await inStep(context);
  await data.insertOne({ _id: -1, t: 20.5 } as Document);
  await inStep(context);
  const [counts] = await context.sql(
    `SELECT count(data['t']) AS t, count(overflow['t']) AS o FROM "${context.table}"`,
  );
  assert.deepEqual(counts, { t: 1, o: 4_500 });
});

cratedbTest("relay() reports which privileges widening lacks, and widens with them", async (context) => {
  const { relay, sql, schema, httpUrl } = context;
  const data = collection(context);
  const user = freshName();
  await sql(`CREATE USER "${user}" WITH (password = 'secret')`);
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => void await sql(`DROP USER "${user}"`));
  await sql(`GRANT DQL, DML, DDL ON SCHEMA "${schema}" TO "${user}"`);
  const env = { CRATEDB_SQLALCHEMY_URL: httpUrl.replace("crate://", `crate://${user}:secret@`) };
  await data.insertMany([{ _id: 1, t: 20 }, { _id: 2, t: 21 }] as Document[]);

  const first = relay([], { env });
  await first.waitForLine(/Ready/);
  await data.insertOne({ _id: 3, t: 20.5 } as Document);
  const line = await first.waitForLine(/cannot store fractions/);
  const [, grant = ""] = /(GRANT DQL ON TABLE [\w., ]+) TO <user>/.exec(line) ?? [];
  await inStep(context);
  assert.equal((await first.kill()).code, 0);

  await sql(`${grant} TO "${user}"`);
  await relay([], { env }).waitForLine(/Ready/);
  await data.insertOne({ _id: 4, t: 20.25 } as Document);
  await inStep(context);
  assert.deepEqual(await columnTypes(context), { _id: "bigint", t: "double precision" });
});

cratedbTest(
  "relay() leaves a widened table's own columns, settings, constraints and grants",
  async (context) => {
    const { relay, sql, schema, table } = context;
    const data = collection(context);
    const user = freshName();
    await sql(
      `CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC) AS (t BIGINT, s OBJECT(STRICT) AS (x TEXT)), ` +
        "overflow OBJECT(IGNORED), note TEXT DEFAULT 'none', tags ARRAY(TEXT), about OBJECT(DYNAMIC) AS (n BIGINT), " +
        "twice DOUBLE PRECISION GENERATED ALWAYS AS data['t'] * 2, CONSTRAINT warm CHECK (data['t'] > -274)) " +
        'CLUSTERED INTO 3 SHARDS WITH (number_of_replicas = 0, refresh_interval = 4000, "mapping.total_fields.limit" = 900)',
    );
    await sql(`CREATE USER "${user}"`);
    await using stack = new AsyncDisposableStack();
    stack.defer(async () => void await sql(`DROP USER "${user}"`));
    await sql(`GRANT DQL ON TABLE "${schema}"."${table}" TO "${user}"`);
    await sql(`DENY DML ON TABLE "${schema}"."${table}" TO "${user}"`);
    const settings = () =>
      sql(
        "SELECT number_of_shards, number_of_replicas, settings FROM information_schema.tables WHERE table_schema = ? AND table_name = ?",
        [schema, table],
      );
    const privileges = () =>
      sql("SELECT class, state, type, ident, grantor FROM sys.privileges WHERE grantee = ? ORDER BY type", [
        user,
      ]);
    const [settingsBefore, privilegesBefore] = [await settings(), await privileges()];
    assert.equal(privilegesBefore.length, 2);

    const running = relay();
    await running.waitForLine(/Ready/);
    await data.insertMany([{ _id: 1, t: 20 }, { _id: 2, t: 21 }] as Document[]);
    await inStep(context);
    await sql(
      `UPDATE "${table}" SET note = 'mine', tags = ['a', 'b'], about = {n = 1, x = 'y'} WHERE oid = '1'`,
    );
    await data.insertMany([{ _id: 3, t: 20.5, s: { x: "a", y: 1 } }, { _id: 4, t: -300.5 }] as Document[]);
    await running.waitForLine(/went to the dead letters oid=4 /);
    await eventually(async () => {
      await sql(`REFRESH TABLE "${table}"`);
      assert.deepEqual(await sql(`SELECT oid, note, tags, about, twice FROM "${table}" ORDER BY oid`), [
        { oid: "1", note: "mine", tags: ["a", "b"], about: { n: 1, x: "y" }, twice: 40 },
        { oid: "2", note: "none", tags: null, about: null, twice: 42 },
        { oid: "3", note: "none", tags: null, about: null, twice: 41 },
      ]);
    });
    assert.deepEqual(await columnTypes(context), {
      "t": "double precision",
      "s": "object",
      "s/x": "text",
      "_id": "bigint",
    });
    assert.deepEqual(await settings(), settingsBefore);
    assert.deepEqual(await privileges(), privilegesBefore);
    await assertNoLeftovers(context);
  },
);

interface Kept {
  readonly args?: readonly string[];
  /** The table made by the user; without one, the relay's. */
  readonly columns?: string;
  readonly type?: string;
  /** Of the one warning; none if the column is never widened. */
  readonly reason?: RegExp;
}

const KEPT: Readonly<Record<string, Kept>> = {
  "of a table with more rows than --widen-rows": {
    args: ["--widen-rows", "1"],
    reason: /it has 2 rows, more than --widen-rows/,
  },
  "of a table that cannot be made again from SHOW CREATE TABLE": {
    columns:
      `data OBJECT(DYNAMIC) AS (t BIGINT), overflow OBJECT(IGNORED), CONSTRAINT "is warm" CHECK (data['t'] > -274)`,
    reason: /CONSTRAINT/,
  },
  "that is a user's INTEGER": {
    columns: "data OBJECT(DYNAMIC) AS (t INTEGER), overflow OBJECT(IGNORED)",
    type: "integer",
  },
  "that is a user's REAL": {
    columns: "data OBJECT(DYNAMIC) AS (t REAL), overflow OBJECT(IGNORED)",
    type: "real",
  },
};

for (const [which, { args = [], columns, type = "bigint", reason }] of Object.entries(KEPT)) {
  cratedbTest(`relay() leaves a column as it is ${which}`, async (context) => {
    const { relay, sql, table } = context;
    const data = collection(context);
    if (columns) await sql(`CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, ${columns})`);
    const running = relay(args);
    await running.waitForLine(/Ready/);
    await data.insertMany([{ _id: 1, t: 20 }, { _id: 2, t: 21 }] as Document[]);
    await inStep(context);
    await data.insertOne({ _id: 3, t: 20.1 } as Document);
    await data.insertOne({ _id: 4, t: 20.2 } as Document);
    await inStep(context);
    assert.equal((await columnTypes(context)).t, type);
    const [counts] = await sql(`SELECT count(data['t']) AS t, count(overflow['t']) AS o FROM "${table}"`);
    assert.deepEqual(counts, { t: 2, o: 2 });
    const warnings = running.stderr.filter((line) => /cannot store fractions/.test(line));
    assert.equal(warnings.length, reason ? 1 : 0, warnings.join("\n"));
    if (reason) assert.match(warnings[0] ?? "", reason);
    await assertNoLeftovers(context);
  });
}

/** What two collections have at the same paths, by turns. */
const RIVALS: Readonly<
  Record<string, readonly [one: (n: number) => unknown, other: (n: number) => unknown]>
> = {
  number: [(n) => BEYOND.add(2 * n), (n) => n + 0.5],
  "text or number": [(n) => `text ${n}`, (n) => n],
  "array or scalar": [(n) => [n], (n) => n / 4],
  list: [(n) => [BEYOND.add(2 * n), n], (n) => [n + 0.25]],
  objects: [(n) => [{ t: n }, { t: BEYOND }], (n) => [{ t: n / 8 }, { s: `${n}` }]],
  "object or array": [(n) => ({ t: n }), (n) => [{ t: n / 2 }]],
};
const COLLECTIONS = ["one", "other"] as const;
const ROUNDS = 15;
const PER_ROUND = 60;

nightly(cratedbTest)(
  "relay() and another one write conflicting kinds into one table while it is widened",
  async (context) => {
    const { mongodb, database, relay } = context;
    const relays = COLLECTIONS.map((collection, at) =>
      relay(["--collection", collection, "--batch-size", "50", "--lease", "2s"], {
        transport: transports[at] ?? "http",
      })
    );
    await Promise.all(relays.map((running) => running.waitForLine(/Ready/)));
    await mongodb.db(database).collection<Document>("one").insertOne(
      { _id: "first", number: BEYOND } as Document,
    );
    await inStep(context, { collections: COLLECTIONS });
    await Promise.all(COLLECTIONS.map(async (collection, side) => {
      const data = mongodb.db(database).collection<Document & { _id: string }>(collection);
      for (let round = 0; round < ROUNDS; round++) {
        const rivals = Object.entries(RIVALS).filter((_, at) => at <= round);
        await data.insertMany(Array.from({ length: PER_ROUND }, (_, at) => {
          const n = round * PER_ROUND + at;
          return {
            _id: `${collection} ${n}`,
            ...Object.fromEntries(
              rivals.map(([name, kinds]) => [name, kinds[(side + (at % 7 === 0 ? 1 : 0)) % 2]?.(n)]),
            ),
          };
        }));
        await data.deleteMany({ _id: { $regex: `[${round % 10}]7$` } });
        await data.updateMany({ _id: { $regex: `[${round % 10}]3$` } }, {
          $set: { number: round % 2 ? 1.5 : BEYOND },
        });
      }
    }));
    await inStep(context, { collections: COLLECTIONS, interval: 250 }).catch((error) => {
      throw new Error(relays.flatMap(({ stderr }) => stderr).join("\n"), { cause: error });
    });
    assert.equal((await columnTypes(context)).number, "double precision");
    for (const running of relays) assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
    assert.deepEqual(await context.sql("SELECT oid, error FROM cdc_dead_letter"), []);
    await assertNoLeftovers(context);
  },
);

for (const columns of variants(["typed"], ["dynamic"])) {
  cratedbTest(
    `relay() widens columns that the batch has just made, with --columns ${columns}`,
    async (context) => {
      const { relay, sql, table } = context;
      const data = collection(context);
      const running = relay(["--columns", columns]);
      await running.waitForLine(/Ready/);
      await data.insertMany(
        [20, 20.5, 21].map((t, _id) => ({ _id, t, o: { t }, l: [{ t }] })) as Document[],
      );
      await inStep(context);
      assert.deepEqual(
        await sql(
          `SELECT avg(data['t']) AS t, avg(data['o']['t']) AS o, count(overflow) AS n FROM "${table}"`,
        ),
        [
          { t: 20.5, o: 20.5, n: 0 },
        ],
      );
      assert.equal((await running.kill()).code, 0);
    },
  );
}
