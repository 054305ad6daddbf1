/** Tables that are partitioned: each document has one row, in the partition that its value names. */
import assert from "node:assert/strict";
import { BSON, type Collection, type Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { countRows } from "../support/follow.ts";
import { documentOf, latin1, raw } from "../support/raw_bson.ts";
import { rawCommand } from "../support/raw_command.ts";
import { placesInTable, placesOfDocuments } from "../support/places.ts";
import { variants } from "../support/nightly.ts";

type Numbered = Document & { _id: number; at: Date | null; n: number };

const COUNT = 2_000;
const DAY_MS = 86_400_000;
const FLAGS = [
  "--lease",
  "1s",
  "--refresh-interval",
  "50ms",
  "--save-interval",
  "50ms",
  "--batch-size",
  "200",
];

const dataOf = ({ mongodb, database }: CratedbContext): Collection<Numbered> =>
  mongodb.db(database).collection<Numbered>("data");

async function assertInPlace(context: CratedbContext, setting: string): Promise<void> {
  await inStep(context);
  const options = setting.startsWith("value") ? { part: "part" } : {};
  const expected = await placesOfDocuments(context, setting);
  // For a moment, a row that moves is in both places.
  await eventually(async () => assert.deepEqual(await placesInTable(context, options), expected));
}

async function assertVerified(context: CratedbContext, flags: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await context.verify(flags);
  assert.equal(code, 0, `${stdout}\n${stderr}`);
}

/** The nth of 6 days; every tenth document has none. */
const dayOf = (n: number): Date | null => n % 10 === 0 ? null : new Date(Date.UTC(2026, 0, 1 + n % 6, 5));

for (const transport of variants(["http"], ["wire"])) {
  cratedbTest(
    `relay() moves rows when their partition changes, killed under load, over ${transport}`,
    async (context) => {
      const data = dataOf(context);
      const setting = "day=at";
      const flags = ["--partition-by", setting];
      await data.insertMany(Array.from({ length: COUNT }, (_, n) => ({ _id: n, at: dayOf(n), n })));
      let running = context.relay([...FLAGS, ...flags], { transport });
      await eventually(async () => assert.ok(await countRows(context) > COUNT / 10), { interval: 10 });
      for (let round = 1; round <= 4; round++) {
        // Each document moves by its number of days, some are deleted, and some are inserted again elsewhere.
        await data.updateMany({ n: { $mod: [4, round % 4] } }, [{
          $set: { at: { $add: [{ $ifNull: ["$at", new Date(0)] }, round * DAY_MS] }, round },
        }]);
        const gone = { n: { $mod: [100, round] as [number, number] } };
        const removed = await data.find(gone).toArray();
        await data.deleteMany(gone);
        await data.insertMany(removed.map((each) => ({ ...each, at: dayOf(each.n + round) })));
        await data.deleteMany({ n: { $mod: [97, round] } });
        await running.kill("SIGKILL");
        running = context.relay([...FLAGS, ...flags], { transport });
      }
      await inStep(context, { interval: 250 });
      await running.waitForLine(/Ready/);
      assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
      await assertInPlace(context, setting);
      await assertVerified(context, flags);
      assert.deepEqual(await context.sql("SELECT oid FROM cdc_dead_letter"), []);
    },
    { ownProcess: true },
  );
}

cratedbTest(
  "relay() partitions by the time in _id, and finds the rows of deleted documents",
  async (context) => {
    const { mongodb, database } = context;
    const data = mongodb.db(database).collection<Document>("data");
    const idOf = (n: number) => BSON.ObjectId.createFromTime(Date.UTC(2024, n % 24, 3) / 1_000 + n);
    const ids: unknown[] = [...Array.from({ length: 500 }, (_, n) => idOf(n)), "no time", 7];
    await data.insertMany(ids.map((_id, n) => ({ _id, n })) as Document[]);
    const flags = ["--partition-by", "month=$id"];
    const running = context.relay([...FLAGS, ...flags]);
    await running.waitForLine(/Ready/);
    await data.updateMany({ n: { $mod: [3, 0] } }, { $set: { more: true } });
    await data.deleteMany({ n: { $mod: [5, 0] } });
    await inStep(context);
    assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
    await assertInPlace(context, "month=$id");
    await assertVerified(context, flags);
  },
);

cratedbTest(
  "relay() partitions by a value, and a new snapshot removes what rows have left",
  async (context) => {
    const data = context.mongodb.db(context.database).collection<Document & { _id: number }>("data");
    const countries = ["AT", "CH", "it's", 'é/\\"', "", "x".repeat(200)];
    await data.insertMany(
      Array.from({ length: 300 }, (_, n) => ({ _id: n, country: countries[n % countries.length], n })),
    );
    const flags = ["--partition-by", "value=country"];
    const first = context.relay([...FLAGS, ...flags, "--snapshot", "only"]);
    assert.equal((await first.status).code, 0, first.stderr.join("\n"));
    await assertInPlace(context, "value=country");
    // Nobody follows these.
    await context.sql("DELETE FROM cdc_position");
    await data.updateMany({ n: { $mod: [2, 0] } }, { $set: { country: "DE" } });
    await data.deleteMany({ n: { $mod: [7, 0] } });
    const second = context.relay([...FLAGS, ...flags, "--snapshot", "always"]);
    await second.waitForLine(/Ready/);
    await assertInPlace(context, "value=country");
    assert.equal((await second.kill()).code, 0, second.stderr.join("\n"));
    await assertVerified(context, flags);
  },
);

cratedbTest("verify finds rows in another partition, and those that are there twice", async (context) => {
  const data = dataOf(context);
  await data.insertMany(Array.from({ length: 50 }, (_, n) => ({ _id: n, at: dayOf(n), n })));
  const flags = ["--partition-by", "month=at"];
  const running = context.relay([...FLAGS, ...flags]);
  await running.waitForLine(/Ready/);
  await inStep(context);
  const { sql, table } = context;
  const copy = (oid: number) =>
    sql(
      `INSERT INTO "${table}" (oid, part, data, overflow) (SELECT oid, 86400000, data, overflow FROM "${table}" WHERE oid = '${oid}')`,
    );
  await copy(1);
  await copy(2);
  await sql(`REFRESH TABLE "${table}"`);
  await sql(`DELETE FROM "${table}" WHERE oid = '2' AND part <> 86400000`);
  const { code, stdout } = await context.verify([...flags, "--json"]);
  assert.equal(code, 3, stdout);
  const { differences } = JSON.parse(stdout).collections[0];
  const january = String(Date.UTC(2026, 0));
  assert.deepEqual(
    differences.map(({ oid, paths }: { oid: string; paths: unknown }) => [oid, paths]).sort(),
    [
      ["1", [{ path: "part", document: january, row: differences[0].paths[0].row }]],
      ["2", [{ path: "part", document: january, row: "86400000" }]],
    ],
  );
  assert.deepEqual(differences[0].paths[0].row.split(", ").sort(), [january, "86400000"]);
  assert.equal((await context.verify([...flags, "--repair"])).code, 0);
  await assertInPlace(context, "month=at");
  assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
});

cratedbTest("verify compares documents whose partition is a text that is not UTF-8", async (context) => {
  const { mongodb, database } = context;
  const unreadable = [["_id", raw.int32(1)], ["country", raw.string("caf~")]] as const;
  const others = [["_id", raw.int32(2)], ["country", raw.string("AT")]] as const;
  const all = [unreadable, others].map((each) => latin1(documentOf(each)));
  assert.deepEqual(await rawCommand(mongodb.db(database), "insert", all), []);
  const flags = ["--partition-by", "value=country"];
  const relay = context.relay([...FLAGS, ...flags, "--snapshot", "only"]);
  assert.equal((await relay.status).code, 0, relay.stderr.join("\n"));
  const { stdout, stderr } = await context.verify(flags);
  assert.match(stdout, /1 dead letter/, stderr);
});

cratedbTest(
  "relay() keeps no rows of expired partitions, and drops these when they expire",
  async (context) => {
    const data = dataOf(context);
    const ago = (days: number) => new Date(Date.now() - days * DAY_MS);
    const documents = [ago(0), ago(10), ago(40), ago(400), null].map((at, _id) => ({ _id, at, n: _id }));
    await data.insertMany(documents);
    const all = ["--partition-by", "day=at"];
    const first = context.relay([...FLAGS, ...all, "--snapshot", "only"]);
    assert.equal((await first.status).code, 0, first.stderr.join("\n"));
    assert.equal(await countRows(context), 5);
    const flags = [...all, "--keep", "30 days"];
    const running = context.relay([...FLAGS, ...flags]);
    await running.waitForLine(/Dropped partitions that have expired/);
    const oids = async () => (await placesInTable(context)).map((place) => place.split(" ")[0]);
    assert.deepEqual(await oids(), ["0", "1", "4"]);
    await data.insertMany([{ _id: 10, at: ago(90), n: 0 }, { _id: 11, at: ago(1), n: 0 }]);
    await data.updateOne({ _id: 3 }, { $set: { at: ago(2) } });
    await data.updateOne({ _id: 1 }, { $set: { at: ago(200) } });
    await eventually(async () => assert.deepEqual(await oids(), ["0", "11", "3", "4"]));
    assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
    await assertVerified(context, flags);
    await assertVerified(context, [...flags, "--compare", "counts"]);
  },
);

cratedbTest(
  "relay() refuses partitions of another unit",
  async (context) => {
    const data = context.mongodb.db(context.database).collection<Document>("data");
    const idOf = (n: number) => BSON.ObjectId.createFromTime(1_760_000_000 + n * 90_000);
    await data.insertMany(Array.from({ length: 20 }, (_, n) => ({ _id: idOf(n), n })));
    const months = ["--partition-by", "month=$id"];
    assert.equal((await context.relay([...months, "--snapshot", "only"]).status).code, 0);
    const refused = context.relay(["--partition-by", "day=$id", "--fail-fast"]);
    await refused.waitForLine(/its rows are in other partitions/);
    assert.notEqual((await refused.status).code, 0);
    const { code, stdout } = await context.verify(["--partition-by", "day=$id"]);
    assert.equal(code, 3, stdout);
    assert.match(stdout, new RegExp(`rebuild ${context.database}\\.data$`, "m"));
    const running = context.relay([...FLAGS, ...months]);
    await running.waitForLine(/Ready/);
    await assertInPlace(context, "month=$id");
    assert.equal((await running.kill()).code, 0);
  },
);

cratedbTest(
  "relay() moves the row that a dropped collection left, when its document is inserted again",
  async (context) => {
    const data = dataOf(context);
    await data.insertOne({ _id: 1, at: new Date(0), n: 1 });
    const running = context.relay([...FLAGS, "--partition-by", "day=at", "--on-drop", "keep"]);
    await running.waitForLine(/Ready/);
    await data.drop();
    await running.waitForLine(/A collection was dropped/);
    await data.insertOne({ _id: 1, at: new Date(5e9), n: 2 });
    await assertInPlace(context, "day=at");
    assert.equal((await running.kill()).code, 0);
  },
);

cratedbTest("relay() marks one row of a document whose move was interrupted", async (context) => {
  const { sql } = context;
  const data = dataOf(context);
  await data.insertOne({ _id: 1, at: new Date(0), n: 1 });
  const running = context.relay([...FLAGS, "--partition-by", "day=at", "--deletes", "soft"]);
  await running.waitForLine(/Ready/);
  await inStep(context);
  await sql("INSERT INTO data (oid, part, data) (SELECT oid, 86400000, data FROM data)");
  await sql("REFRESH TABLE data");
  await data.deleteOne({ _id: 1 });
  await eventually(async () => assert.equal((await placesInTable(context)).length, 1));
  await eventually(async () => assert.deepEqual(await sql("SELECT oid FROM data_live"), []));
  assert.equal((await running.kill()).code, 0);
});

cratedbTest("relay() refuses a table without the partitions that are asked for", async (context) => {
  await dataOf(context).insertOne({ _id: 1, at: null, n: 1 });
  assert.equal((await context.relay(["--snapshot", "only"]).status).code, 0);
  const running = context.relay(["--partition-by", "day=at", "--snapshot", "only"]);
  await running.waitForLine(/it is not partitioned by a TIMESTAMP `part`/);
  assert.notEqual((await running.status).code, 0);
});

cratedbTest("relay() writes the partitions of rows whose columns CrateDB infers", async (context) => {
  const data = dataOf(context);
  const flags = ["--partition-by", "day=at", "--columns", "dynamic"];
  const running = context.relay([...FLAGS, ...flags]);
  await running.waitForLine(/Ready/);
  await data.insertMany([0, 1, 2, 3].map((n) => ({ _id: n, at: dayOf(n), n, [`field${n}`]: { n } })));
  await inStep(context);
  assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
  await assertInPlace(context, "day=at");
  assert.deepEqual(await context.sql("SELECT oid FROM cdc_dead_letter"), []);
});
