import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { MongoClient } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { inStep } from "../support/compare.ts";
import { countRows, oidsOf, startRelay, tablesOf } from "../support/follow.ts";
import { oldestEntry } from "../../lib/source/stream/oplog.ts";
import { directRoute } from "../../lib/source/connection/route.ts";
import { insertMixed, type Mixed, mixed } from "../support/mixed_documents.ts";
import { type OwnContext, ownMongodb, ownMongodbTest } from "../support/own_mongodb.ts";
import { nightly } from "../support/nightly.ts";

/** An oplog of 1 MB. It is kept back to the last checkpoint, so one is made each second. */
const TINY = { args: ["--oplogSize", "1", "--syncdelay", "1"] };

const collectionOf = ({ mongodb, database }: OwnContext) => mongodb.db(database).collection<Mixed>("data");

const oldest = async (mongodb: MongoClient): Promise<bigint> => {
  const [first] = await mongodb.db("local").collection("oplog.rs").find().sort({ $natural: 1 }).limit(1)
    .toArray();
  return first ? first.ts.toBigInt() : 0n;
};

const now = async (mongodb: MongoClient): Promise<bigint> =>
  (await mongodb.db("admin").command({ ping: 1 })).operationTime.toBigInt();

/** Writes until the oplog begins after what is its end now. */
async function rollOver({ mongodb }: OwnContext): Promise<void> {
  const end = await now(mongodb);
  const filler = mongodb.db("filler").collection("data");
  await eventually(async () => {
    await filler.insertMany(Array.from({ length: 8 }, () => ({ filler: randomBytes(500_000) })));
    await filler.deleteMany({});
    assert.ok(await oldest(mongodb) > end, "the oplog still has it");
  }, { interval: 100 });
}

/** A relay has copied, followed and stopped; then the oplog has moved on, with changes of each kind in it. */
async function lost(context: OwnContext): Promise<void> {
  const data = collectionOf(context);
  const entry = () => oldestEntry(directRoute(context.mongodb));
  assert.ok((await entry()).isFirst);
  await insertMixed(data, 1_000);
  const first = context.relay();
  await first.waitForLine(/Ready/);
  await inStep(context);
  assert.equal((await first.kill()).code, 0);
  await insertMixed(data, 200, 1_000);
  await data.updateMany({ n: { $gte: 100, $lt: 200 } }, { $set: { v: 7 } });
  await data.deleteMany({ n: { $lt: 100 } });
  await rollOver(context);
  assert.ok(!(await entry()).isFirst, "the oplog has dropped entries");
}

ownMongodbTest(
  "relay() takes a new snapshot when the history is lost, and removes stale rows",
  async (context) => {
    await lost(context);
    const running = context.relay();
    await running.waitForLine(/WARN .*no longer has the changes.*since=20\d\d-/);
    assert.match(await running.waitForLine(/Snapshot done/), /documents=1100 /);
    await inStep(context);
    await collectionOf(context).insertOne({ _id: "after", n: 1, v: 1 } as never);
    await inStep(context);
    assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));

    const again = context.relay();
    await again.waitForLine(/Resuming from the saved position/);
    await again.waitForLine(/Ready/);
    assert.ok(!again.stderr.some((line) => /Snapshot done/.test(line)));
  },
  TINY,
);

nightly(ownMongodbTest)(
  "relay() removes stale rows although it is killed during the new snapshot",
  async (context) => {
    await lost(context);
    for (
      const line of [
        /taking a new snapshot/,
        /Opening a new change stream/,
        /Opening a new change stream|Resuming/,
      ]
    ) {
      const running = context.relay(["--lease", "1s"]);
      await running.waitForLine(line);
      await running.kill("SIGKILL");
    }
    const last = context.relay(["--lease", "1s"]);
    await last.waitForLine(/Ready/);
    await inStep(context);
    assert.equal((await oidsOf(context, context.table)).length, 1_100);
  },
  { ...TINY, ownProcess: true },
);

ownMongodbTest("relay() stops with --on-history-lost fail, and reports since when", async (context) => {
  await lost(context);
  const rows = await oidsOf(context, context.table);
  const running = context.relay(["--on-history-lost", "fail"]);
  assert.equal((await running.status).code, 1);
  await running.waitForLine(/^Error: MongoDB no longer has the changes since 20\d\d-\d\d-\d\dT/);
  await running.waitForLine(/--on-history-lost recopy/);
  assert.deepEqual(await oidsOf(context, context.table), rows);

  const recopying = context.relay();
  await recopying.waitForLine(/Ready/);
  await inStep(context);
}, TINY);

ownMongodbTest(
  "relay() deletes nothing for another deployment, until --snapshot always is given",
  async (context) => {
    const data = collectionOf(context);
    await using other = await ownMongodb();
    const elsewhere = { ...context, ...other };
    const env = { MONGODB_URL: other.mongodbUrl };
    await insertMixed(collectionOf(elsewhere), 50, 80);

    await insertMixed(data, 100);
    const first = context.relay();
    await first.waitForLine(/Ready/);
    await data.insertOne(mixed(100) as never);
    await inStep(context);
    assert.equal((await first.kill()).code, 0);
    await insertMixed(collectionOf(elsewhere), 10, 200);

    for (const flags of [[], ["--on-history-lost", "fail"], ["--on-history-lost", "recopy"]]) {
      const refused = context.relay(flags, { env });
      assert.equal((await refused.status).code, 1);
      await refused.waitForLine(
        /^Error: This is another deployment than the one that .* has followed: the replica/,
      );
      await refused.waitForLine(/MONGODB_URL.*--snapshot always/);
      assert.equal((await oidsOf(context, context.table)).length, 101);
    }

    const second = context.relay(["--snapshot", "always"], { env });
    await second.waitForLine(/Snapshot done/);
    await inStep(elsewhere);
    assert.equal((await oidsOf(context, context.table)).length, 60);
    assert.equal((await second.kill()).code, 0);

    const third = context.relay([], { env });
    await third.waitForLine(/Ready/);
    assert.ok(!third.stderr.some((line) => /Snapshot done|taking a new snapshot/.test(line)));
    assert.equal((await third.kill()).code, 0);

    const back = context.relay();
    assert.equal((await back.status).code, 1);
  },
);

nightly(ownMongodbTest)(
  "relay() takes a snapshot of another deployment that has no collection of the same name, with --snapshot always",
  async (context) => {
    const { database, schema } = context;
    const flags = ["--database", database, "--table", `${schema}.{collection}`, "--on-drop", "truncate"];
    await using first = startRelay(context, flags);
    await first.waitForLine(/Ready/);
    await context.mongodb.db(database).collection<{ _id: string }>("one").insertOne({ _id: "a" });
    await inStep({ ...context, table: "one" }, { collections: ["one"] });
    assert.equal((await first.kill()).code, 0);

    await using other = await ownMongodb();
    const elsewhere = { ...context, ...other };
    await other.mongodb.db(database).collection<{ _id: string }>("two").insertOne({ _id: "x" });
    await using refused = startRelay(elsewhere, flags);
    assert.equal((await refused.status).code, 1);
    assert.deepEqual(await oidsOf(context, "one"), ["a"]);
    await using second = startRelay(elsewhere, [...flags, "--snapshot", "always"]);
    await second.waitForLine(/Snapshot done/);
    await inStep({ ...elsewhere, table: "two" }, { collections: ["two"] });
    assert.deepEqual(await oidsOf(context, "one"), []);
    assert.equal((await second.kill()).code, 0);
  },
);

const LEFT: readonly (readonly [onDrop: string, tables: readonly string[]])[] = [
  ["drop", ["data"]],
  ["keep", ["data", "gone"]],
  ["truncate", ["data", "gone"]],
];

for (const [onDrop, tables] of LEFT) {
  nightly(ownMongodbTest)(
    `relay() takes a new snapshot although a collection was dropped, with --on-drop ${onDrop}`,
    async (context) => {
      const { database, schema, mongodb } = context;
      const flags = ["--database", database, "--table", `${schema}.{collection}`, "--on-drop", onDrop];
      await insertMixed(collectionOf(context), 20);
      await mongodb.db(database).collection<{ _id: string }>("gone").insertOne({ _id: "old" });
      await using first = startRelay(context, flags);
      await first.waitForLine(/Ready/);
      assert.equal((await first.kill()).code, 0);

      await using other = await ownMongodb();
      const elsewhere = { ...context, ...other };
      await insertMixed(collectionOf(elsewhere), 10);
      await using second = startRelay(elsewhere, [...flags, "--snapshot", "always"]);
      await second.waitForLine(
        new RegExp(`WARN .*A collection was dropped.*collection=${database}.gone rows=${onDrop}`),
      );
      await second.waitForLine(/Ready/);
      await inStep(elsewhere);
      assert.deepEqual(await tablesOf(context, schema), tables);
      if (onDrop !== "drop") {
        assert.deepEqual(await oidsOf(context, "gone"), onDrop === "keep" ? ["old"] : []);
      }
      assert.equal((await second.kill()).code, 0);
    },
  );
}

ownMongodbTest(
  "relay() keeps a table that a dropped collection had before an existing one",
  async (context) => {
    const { database, schema, mongodb, sql } = context;
    const flags = ["--database", database, "--table", `${schema}.{collection}`];
    const db = mongodb.db(database);
    await db.collection<{ _id: string }>("order.lines").insertOne({ _id: "old" });
    await using first = startRelay(context, flags);
    await first.waitForLine(/Ready/);
    await db.dropCollection("order.lines");
    await first.waitForLine(/A collection was dropped/);
    assert.equal((await first.kill()).code, 0);
    await db.collection<{ _id: string }>("order_lines").insertOne({ _id: "new" });
    await using second = startRelay(context, [...flags, "--on-drop", "truncate", "--snapshot", "always"]);
    await second.waitForLine(/Ready/);
    assert.ok(!second.stderr.some((line) => /A collection was dropped/.test(line)), second.stderr.join("\n"));
    await sql('REFRESH TABLE "order_lines"');
    assert.deepEqual(await oidsOf(context, "order_lines"), ["new"]);
    assert.equal((await second.kill()).code, 0);
  },
);

ownMongodbTest(
  "relay() takes a new snapshot when it falls out of the oplog while it runs",
  async (context) => {
    const data = collectionOf(context);
    await insertMixed(data, 1_000);
    const running = context.relay();
    await running.waitForLine(/Ready/);
    Deno.kill(running.pid, "SIGSTOP");
    await data.deleteMany({ n: { $lt: 100 } });
    await rollOver(context);
    Deno.kill(running.pid, "SIGCONT");
    await running.waitForLine(/taking a new snapshot/);
    await inStep(context);
    assert.equal((await oidsOf(context, context.table)).length, 900);
    assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
  },
  { ...TINY, ownProcess: true },
);

nightly(ownMongodbTest)("relay() copies for longer than the oplog reaches back", async (context) => {
  const { mongodb } = context;
  const data = collectionOf(context);
  await insertMixed(data, 20_000);
  const start = await now(mongodb);
  const running = context.relay(["--batch-size", "10"]);
  await eventually(async () => assert.ok(await countRows(context) > 0), { interval: 10 });
  await data.updateMany({ n: { $gte: 100, $lt: 200 } }, { $set: { v: 7 } });
  const filler = mongodb.db("filler").collection("data");
  for (let at = 0; await oldest(mongodb) <= start; at++) {
    await filler.insertOne({ filler: randomBytes(500_000) });
    await data.deleteMany({ n: 200 + at });
    await delay(100);
  }
  assert.ok(!running.stderr.some((line) => /Snapshot done/.test(line)), "the copy was over too soon");
  await running.waitForLine(/Snapshot done/, { timeout: 120_000 });
  await inStep(context).catch((error) => assert.fail(`${error.message}\n${running.stderr.join("\n")}`));
  assert.equal((await running.kill()).code, 0);
  assert.ok(!running.stderr.some((line) => /taking a new snapshot/.test(line)), running.stderr.join("\n"));
}, { args: ["--oplogSize", "16", "--syncdelay", "1"] });
