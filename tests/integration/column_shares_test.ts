import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { warningsOf } from "../support/warnings_of.ts";
import { columnTypes } from "../support/widened.ts";
import { nightly, variants } from "../support/nightly.ts";

const { ObjectId } = BSON;

const collection = ({ mongodb, database }: CratedbContext) =>
  mongodb.db(database).collection<Document>("data");

/** @example IN: 2, "ann" → OUT: {ann0: 0, ann1: 1} */
const keys = (count: number, name: string): Document =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`${name}${n}`, n]));

/** Names that are no ids and not numbered. */
const word = (n: number): string =>
  n.toString(26).replace(/./g, (digit) => String.fromCharCode(97 + parseInt(digit, 26)));
const words = (from: number, count: number): Document =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`w${word(from + n)}`, n]));

const plain = (n: number): Document => ({ title: "a", status: "open", price: 9.5, at: new Date(n) });

for (const mode of variants(["dynamic"], ["typed"])) {
  cratedbTest(
    `relay() with --columns ${mode} keeps columns for plain fields beside an object with ever new names`,
    async (context) => {
      const { relay, sql, table } = context;
      const data = collection(context);
      const running = relay(["--columns", mode]);
      await running.waitForLine(/Ready/);
      await data.insertOne({
        title: "a",
        likes: words(0, 3000),
        o: { p: { m: words(0, 900) } },
        ...plain(0),
      });
      for (let batch = 1; batch <= 10; batch++) {
        await data.insertMany([
          { likes: words(3000 * batch, 100), o: { p: { m: words(900 * batch, 100), [`f${batch}`]: 1 } } },
          { ...plain(batch), [`later${batch}`]: { x: "text" } },
        ]);
        await inStep(context);
      }
      const made = Object.keys(await columnTypes(context));
      const missing = ["title", "status", "price", "at", "later1/x", "later10/x", "o/p/f1", "o/p/f10"]
        .filter((path) => !made.includes(path));
      assert.deepEqual(missing, []);
      assert.ok(made.length < 700, `${made.length} columns`);
      assert.deepEqual(await sql(`SELECT count(*) AS n FROM "${table}" WHERE data['status'] = 'open'`), [{
        n: 11,
      }]);
      const named = warningsOf(running.stderr).map((line) =>
        /share of the table's columns.*column=(\S+)/.exec(line)?.[1]
      );
      assert.deepEqual(named.toSorted(), ["data['likes']", "data['o']['p']['m']"]);
      assert.deepEqual(await sql("SELECT oid, error FROM cdc_dead_letter"), []);
      assert.equal((await running.kill()).code, 0);

      const again = relay(["--columns", mode]);
      await again.waitForLine(/Ready/);
      await data.insertOne({ likes: words(90_000, 50), restarted: 1 });
      await inStep(context);
      assert.ok("restarted" in await columnTypes(context));
      assert.equal(
        Object.keys(await columnTypes(context)).filter((path) => path.startsWith("likes/")).length,
        made.filter((path) => path.startsWith("likes/")).length,
      );
      assert.equal(warningsOf(again.stderr).length, 1, warningsOf(again.stderr).join("\n"));
    },
  );

  cratedbTest(`relay() with --columns ${mode} makes one column of a map`, async (context) => {
    const { relay, sql, table } = context;
    const data = collection(context);
    const running = relay(["--columns", mode]);
    await running.waitForLine(/Ready/);
    const id = new ObjectId().toHexString();
    const ids = (value: () => unknown): Document =>
      Object.fromEntries(Array.from({ length: 50 }, () => [new ObjectId().toHexString(), value()]));
    const documents = (): Document[] => [
      {
        likes: { ...ids(() => 1), [id]: 7 },
        o: { p: { users: ids(() => ({ name: "text", tags: [], none: null, "1": [null] })), name: "text" } },
        l: [{ days: { "2026-11-26": 1, "2026-11-27": null }, n: 1 }, { days: {} }, {}],
        numbered: keys(200, "u"),
      },
      {
        likes: ids(() => "text"),
        o: { p: { users: ids(() => 1.5) } },
        l: [{ days: { "2026-11-28": "text", "a.b": 1 }, n: 2 }],
        numbered: { u9999: "text" },
        mixed: { total: 1, ...ids(() => 1) },
      },
    ];
    await data.insertMany(documents());
    await inStep(context);
    for (let batch = 0; batch < 5; batch++) {
      await data.insertMany(documents());
      await data.insertOne(plain(batch));
    }
    await inStep(context);
    const columns = await columnTypes(context);
    const expected = [
      "_id",
      "likes",
      "o",
      "o/p",
      "o/p/users",
      "o/p/name",
      "l",
      "l/days",
      "l/n",
      "numbered",
      "mixed",
      "mixed/total",
    ];
    assert.deepEqual(Object.keys(columns).toSorted(), [...expected, ...Object.keys(plain(0))].toSorted());
    assert.deepEqual(
      await sql(`SELECT count(*) AS n FROM "${table}" WHERE data['likes']['${id}']::bigint = 7`),
      [{ n: 6 }],
    );
    const warnings = warningsOf(running.stderr);
    const named = warnings.map((line) => /column=(\S+)/.exec(line)?.[1]);
    assert.deepEqual(
      named.toSorted(),
      ["data['l']['days']", "data['likes']", "data['mixed']", "data['numbered']", "data['o']['p']['users']"],
      warnings.join("\n"),
    );
    assert.deepEqual(await sql("SELECT oid, error FROM cdc_dead_letter"), []);
  });
}

cratedbTest("relay() gives long names no columns, and keeps them", async (context) => {
  const { relay } = context;
  const running = relay();
  await running.waitForLine(/Ready/);
  const long = "x".repeat(256);
  await collection(context).insertMany([{ [long]: 1, o: { [long]: { a: 1 }, b: 1 }, l: [{ [long]: 1 }] }]);
  await inStep(context);
  assert.deepEqual(Object.keys(await columnTypes(context)).toSorted(), ["_id", "l", "o", "o/b"]);
  assert.deepEqual(warningsOf(running.stderr), []);
});

nightly(cratedbTest)(
  "relay() takes no longer for a batch of new names once an object has its share",
  async (context) => {
    const { relay, sql, schema } = context;
    const data = collection(context);
    const running = relay();
    await running.waitForLine(/Ready/);
    for (let batch = 0; batch < 20; batch++) {
      await data.insertMany([{ likes: words(500 * batch, 500), status: "open" }]);
      await inStep(context);
    }
    const altered = await sql(
      "SELECT count(*) AS n FROM sys.jobs_log WHERE stmt LIKE 'ALTER TABLE%' AND stmt LIKE ?",
      [
        `%"${schema}"%`,
      ],
    );
    assert.ok(Number(altered[0]?.n) <= 3, `${altered[0]?.n} statements`);
  },
);
