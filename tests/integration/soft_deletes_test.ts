import assert from "node:assert/strict";
import { type AnyBulkWriteOperation, BSON, type Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { inStep, live, wholeRows } from "../support/compare.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { countRows, tablesOf } from "../support/follow.ts";
import { variants } from "../support/nightly.ts";

type Numbered = { _id: number; n: number };

const { Decimal128, Long, ObjectId } = BSON;
const SOFT = ["--deletes", "soft"];
/** Ready for the next relay a second after a kill. */
const KILLED = ["--lease", "1s", "--batch-size", "500", "--refresh-interval", "50ms"];

const dataOf = ({ mongodb, database }: CratedbContext) => mongodb.db(database).collection<Numbered>("data");

async function rows({ sql, table }: CratedbContext, where = "TRUE") {
  await sql(`REFRESH TABLE "${table}"`);
  return await sql(
    `SELECT oid, cdc['op'] AS op, cdc['cluster_time'] AS t, cdc['written_at'] AS w, cdc['deleted_at'] AS d
    FROM "${table}" WHERE ${where} ORDER BY oid`,
  );
}

const marked = async (context: CratedbContext) =>
  (await rows(context, "cdc['deleted_at'] IS NOT NULL")).map(({ oid }) => String(oid));

const marksAre = (context: CratedbContext, oids: readonly string[]) =>
  eventually(async () => assert.deepEqual(await marked(context), oids), { interval: 50 });

/** Inserts, updates, replacements and deletes of few keys; also several of one key in a row. */
function changes(count: number) {
  const existing = new Set<number>();
  const inserted = new Set<number>();
  const all: AnyBulkWriteOperation<Numbered>[] = [];
  let seed = 7;
  const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
  while (all.length < count) {
    const _id = random(3_000);
    const [filter, n] = [{ _id }, all.length];
    const dice = random(10);
    if (existing.has(_id) && dice < 5) all.push({ deleteOne: { filter } });
    else if (existing.has(_id) && dice < 8) all.push({ updateOne: { filter, update: { $set: { n } } } });
    else if (existing.has(_id)) all.push({ replaceOne: { filter, replacement: { n } } });
    else all.push({ insertOne: { document: { _id, n } } });
    if (existing.has(_id) && dice < 5) existing.delete(_id);
    else existing.add(_id);
    inserted.add(_id);
  }
  return { all, deleted: [...inserted.difference(existing)].map(String).sort() };
}

for (const transport of variants(["http"], ["wire"])) {
  cratedbTest(
    `relay() marks deleted rows in 4,000 changes, killed twice, over ${transport}`,
    async (context) => {
      const { relay, verify } = context;
      const data = dataOf(context);
      const flags = [...SOFT, "--metadata", "on"];
      const start = () => relay([...flags, ...KILLED], { transport });
      let running = start();
      await running.waitForLine(/Ready/);
      const { all, deleted } = changes(4_000);
      const load = async () => {
        for (let at = 0; at < all.length; at += 250) await data.bulkWrite(all.slice(at, at + 250));
      };
      const kills = async () => {
        for (const moment of [100, 1_000]) {
          await eventually(async () => assert.ok(await countRows(context) >= moment), { interval: 10 });
          assert.equal((await running.kill("SIGKILL")).signal, "SIGKILL");
          running = start();
        }
      };
      await Promise.all([load(), kills()]);
      await inStep(live(context), { interval: 500 });
      await marksAre(context, deleted);
      const all_rows = await rows(context);
      for (const { op, t, w, d } of all_rows) {
        assert.ok(typeof t === "number" && typeof w === "number" && w >= t, JSON.stringify({ op, t, w, d }));
        if (d === null) assert.match(String(op), /^(?:insert|update|replace)$/);
        else assert.deepEqual([op, d], ["delete", t]);
      }
      for (const compare of ["documents", "counts"]) {
        const { stdout, stderr } = await verify([...flags, "--compare", compare]);
        assert.match(stdout, /: equal /, stderr);
      }
      assert.equal((await running.kill()).code, 0);
    },
    { ownProcess: true },
  );
}

cratedbTest(
  "relay() marks stale rows and rows of a dropped collection, and clears marks",
  async (context) => {
    const { relay, schema, sql } = context;
    const data = dataOf(context);
    const stop = async (running: ReturnType<typeof relay>) => assert.equal((await running.kill()).code, 0);
    const first = relay();
    await first.waitForLine(/Ready/);
    await data.insertMany([1, 2, 3, 4].map((_id) => ({ _id, n: 1 })));
    await inStep(context);
    await stop(first);

    await data.deleteMany({ _id: { $lte: 2 } });
    const second = relay([...SOFT, "--snapshot", "always"]);
    await second.waitForLine(/Marked rows of deleted documents/);
    await marksAre(context, ["1", "2"]);
    await inStep(live(context));
    const before = await rows(context, "oid = '1'");
    await data.insertOne({ _id: 2, n: 5 });
    await marksAre(context, ["1"]);
    assert.deepEqual(await rows(context, "oid = '1'"), before);
    await stop(second);

    const third = relay([...SOFT, "--on-drop", "truncate"]);
    await third.waitForLine(/Ready/);
    await data.drop();
    await marksAre(context, ["1", "2", "3", "4"]);
    assert.deepEqual(await rows(context, "oid = '1'"), before);
    await data.insertOne({ _id: 4, n: 6 });
    await marksAre(context, ["1", "2", "3"]);
    await stop(third);

    await sql(`CREATE VIEW "${schema}"."another_live" AS SELECT 1`);
    const fourth = relay([...SOFT, "--on-drop", "drop"]);
    await fourth.waitForLine(/Ready/);
    await data.drop();
    await eventually(async () => assert.deepEqual(await tablesOf(context, schema), ["another_live"]));
    await stop(fourth);
  },
);

cratedbTest("relay() keeps rows of deleted documents, over wire", async (context) => {
  const { relay, verify, sql, table } = context;
  const data = dataOf(context);
  const keep = ["--deletes", "keep"];
  const running = relay(keep, { transport: "wire" });
  await running.waitForLine(/Ready/);
  await data.bulkWrite([
    ...[1, 2].map((_id) => ({ insertOne: { document: { _id, n: 1 } } })),
    { updateOne: { filter: { _id: 1 }, update: { $set: { n: 2 } } } },
    { deleteOne: { filter: { _id: 1 } } },
    { insertOne: { document: { _id: 3, n: 3 } } },
  ]);
  await eventually(async () => {
    await sql(`REFRESH TABLE "${table}"`);
    const oids = (await sql(`SELECT oid FROM "${table}" ORDER BY oid`)).map(({ oid }) => oid);
    assert.deepEqual(oids, ["1", "2", "3"]);
  });
  for (const compare of ["documents", "counts"]) {
    const { stdout, stderr } = await verify([...keep, "--compare", compare]);
    assert.match(stdout, /: equal .* 2 documents, 3 rows/, stderr);
  }
  assert.equal((await running.kill()).code, 0);
  const again = relay([...keep, "--snapshot", "always"]);
  await again.waitForLine(/Ready/);
  assert.equal(await countRows(context), 3);
});

/** Values that columns hold, and values that go to overflow. */
const VALUES: readonly unknown[] = [
  ...[20, 0.5, -0, NaN, Long.fromString("9007199254740993"), Long.MIN_VALUE, Decimal128.fromString("1.50")],
  ...[
    "",
    "\u0000é😀",
    "x".repeat(40_000),
    null,
    true,
    new Date(-1),
    new ObjectId("669683c2aabbccddeeff0011"),
  ],
  ...[[], [1, null, 2], [[1], [2.5]], [1, "a"], [{ a: 1 }, { a: null }], {}, { "a.b": 1, "": 2 }, {
    n: null,
    o: {},
  }],
];

for (const transport of variants(["http"], ["wire"])) {
  cratedbTest(
    `relay() leaves values and cdc of other rows alone, also in a rebuild, over ${transport}`,
    async (context) => {
      const { mongodb, database, relay, sql, table } = context;
      const data = mongodb.db(database).collection<Document>("data");
      const running = relay([...SOFT, "--metadata", "on"], { transport });
      await running.waitForLine(/Ready/);
      await data.insertMany(
        VALUES.map((v, _id) => ({ _id, [`v${_id}`]: v, w: v, n: Long.fromNumber(_id) }) as Document),
      );
      await inStep(context);
      const before = await wholeRows(context);
      const cdc = await rows(context);
      await data.deleteMany({ _id: { $gte: 2 } } as Document);
      await marksAre(context, VALUES.map((_, at) => `${at}`).slice(2).sort());
      assert.deepEqual(await wholeRows(context), before);

      await data.insertOne({ _id: 100, n: 0.5 } as Document);
      await running.waitForLine(/Widened/);
      await inStep(live(context));
      const after = await wholeRows(context);
      after.delete("100");
      assert.deepEqual(after, before);
      const kept = (all: readonly unknown[], oids: readonly string[]) =>
        (all as { oid: string }[]).filter(({ oid }) => oids.includes(oid));
      assert.deepEqual(kept(await rows(context), ["0", "1"]), kept(cdc, ["0", "1"]));
      assert.equal((await marked(context)).length, VALUES.length - 2);
      assert.deepEqual(await sql("SELECT oid FROM cdc_dead_letter"), []);
      assert.equal((await sql(`SELECT count(*) AS n FROM "${table}_live"`))[0]?.n, 3);
      assert.equal((await running.kill()).code, 0);
    },
  );
}

cratedbTest("relay() has one row of a document that comes back in another partition", async (context) => {
  const { mongodb, database, relay, verify, sql, table } = context;
  const data = mongodb.db(database).collection<Document>("data");
  const flags = [...SOFT, "--partition-by", "value=c"];
  const running = relay(flags);
  await running.waitForLine(/Ready/);
  const back = { _id: 1, c: "b" } as Document;
  await data.insertMany([{ _id: 1, c: "a" }, { _id: 2, c: "a" }] as Document[]);
  await inStep(live(context));
  await data.deleteMany({});
  await marksAre(context, ["1", "2"]);
  await data.insertOne(back);
  await marksAre(context, ["2"]);
  await inStep(live(context));
  assert.deepEqual(await sql(`SELECT oid, part FROM "${table}" ORDER BY oid`), [
    { oid: "1", part: "b" },
    { oid: "2", part: "a" },
  ]);
  const { stdout, stderr } = await verify(flags);
  assert.match(stdout, /: equal .* 1 document, 1 row/, stderr);
  assert.equal((await running.kill()).code, 0);
});

cratedbTest("relay() leaves another table alone that has the name of the view", async (context) => {
  const { relay, sql, schema } = context;
  await sql(`CREATE TABLE "${schema}".data_live (a INT)`);
  await sql(`INSERT INTO "${schema}".data_live (a) VALUES (1)`);
  const running = relay([...SOFT, "--on-drop", "drop"]);
  await running.waitForLine(/The view without deleted rows is missing/);
  await running.waitForLine(/Ready/);
  await dataOf(context).insertOne({ _id: 1, n: 1 });
  await inStep(context);
  await dataOf(context).drop();
  await eventually(async () => assert.deepEqual(await tablesOf(context, schema), ["data_live"]));
  assert.equal((await running.kill()).code, 0);
  assert.deepEqual(await sql(`SELECT a FROM "${schema}".data_live`), [{ a: 1 }]);
});

cratedbTest("relay() refuses another column cdc", async (context) => {
  const { relay, sql, table } = context;
  await sql(`CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC), cdc TEXT)`);
  const running = relay(["--metadata", "on"]);
  assert.equal((await running.status).code, 1);
  assert.match(running.stderr.join("\n"), /it has another column `cdc`/);
});
