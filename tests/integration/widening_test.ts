import assert from "node:assert/strict";
import type { Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { inStep } from "../support/compare.ts";
import { cratedbTest } from "../support/cratedb_harness.ts";
import { freshName } from "../support/mongodb_harness.ts";
import { variants } from "../support/nightly.ts";
import { assertNoLeftovers, BEYOND, collection, columnTypes, texts } from "../support/widened.ts";

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
