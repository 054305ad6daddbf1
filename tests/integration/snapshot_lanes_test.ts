/** A snapshot in several lanes: as exact as in one, and each goes on where it was. */
import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { compare, inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { countRows, oidsOf } from "../support/follow.ts";
import { insertMixed, type Mixed, mixedLoad } from "../support/mixed_documents.ts";
import { slowMongodb } from "../support/slow_mongodb.ts";
import { nightly, variants } from "../support/nightly.ts";

/** Enough for four ranges. */
const COUNT = 20_000;
/** Reads of chunks; the relay also looks at the oplog from time to time. */
const slow = (...collections: string[]) => ({ milliseconds: 20, counted: { command: "find", collections } });
const NO_LETTERS = "SELECT oid, error FROM cdc_dead_letter";

const collectionOf = ({ mongodb, database }: CratedbContext) =>
  mongodb.db(database).collection<Mixed>("data");

interface Saved {
  readonly documents: number;
  readonly ranges: Readonly<
    Record<string, readonly { readonly after: string | null; readonly upTo: string | null }[]>
  >;
}

async function savedSnapshot({ sql }: CratedbContext): Promise<Saved | null> {
  await sql("REFRESH TABLE cdc_position");
  const [row] = await sql("SELECT snapshot FROM cdc_position");
  return row?.snapshot ? JSON.parse(String(row.snapshot)) : null;
}

const upsertsIn = (line: string): number => Number(/upserts=(\d+)/.exec(line)?.[1]);

nightly(cratedbTest)("relay() copies keys of all types once, in lanes", async (context) => {
  await insertMixed(collectionOf(context), COUNT);
  const running = context.relay(["--snapshot", "only", "--batch-size", "1000"]);
  assert.match(await running.waitForLine(/Snapshot done/), new RegExp(`documents=${COUNT} `));
  assert.equal(upsertsIn(await running.waitForLine(/Stopped/)), COUNT);
  assert.equal((await running.status).code, 0);
  assert.deepEqual(await compare(context), []);
});

nightly(cratedbTest)("relay() copies in lanes while documents change", async (context) => {
  const data = collectionOf(context);
  await insertMixed(data, COUNT);
  const stop = new AbortController();
  const load = mixedLoad(data, { count: COUNT, signal: stop.signal, bulk: 50 });
  // So the copy takes two seconds at least.
  const running = context.relay(["--batch-size", "500", "--snapshot-rate", `${COUNT / 2}`]);
  await running.waitForLine(/Snapshot done documents=/, { timeout: 120_000 });
  stop.abort();
  assert.ok(await load > 200, "the load was too small");
  await inStep(context, { interval: 250 });
  assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
  assert.deepEqual(await compare(context), []);
  assert.deepEqual(await context.sql(NO_LETTERS), []);
});

cratedbTest("relay() goes on with each lane where it was killed", async (context) => {
  const [chunk, lanes] = [100, 4];
  await insertMixed(collectionOf(context), COUNT);
  const flags = ["--lease", "1s", "--batch-size", `${chunk}`, "--save-interval", "0ms"];
  const first = context.relay([...flags, "--refresh-interval", "50ms", "--snapshot-rate", "4000"]);
  await eventually(async () => assert.ok(await countRows(context) > COUNT / 10), { interval: 5 });
  await first.kill("SIGKILL");
  const written = (await oidsOf(context, context.table)).length;
  const saved = await savedSnapshot(context);
  assert.ok(saved && saved.documents < COUNT);
  const ranges = saved.ranges[`${context.database}.data`] ?? [];
  // A range that has not begun begins at the end of the one before it.
  const bounds = new Set([null, ...ranges.map(({ upTo }) => upTo)]);
  assert.ok(ranges.filter(({ after }) => !bounds.has(after)).length > 1, JSON.stringify(ranges));
  assert.ok(written - saved.documents <= 2 * chunk * lanes, `${written} written, ${saved.documents} saved`);

  const second = context.relay(flags);
  assert.match(await second.waitForLine(/Snapshot done/), new RegExp(`documents=${COUNT} `));
  await inStep(context);
  assert.equal((await second.kill()).code, 0);
  assert.equal(upsertsIn(await second.waitForLine(/Stopped/)), COUNT - saved.documents);
}, { ownProcess: true });

cratedbTest("relay() makes columns and widens one that several lanes need at once", async (context) => {
  const { mongodb, database, relay, sql, table } = context;
  const data = mongodb.db(database).collection<{ _id: number; t: BSON.Int32 | BSON.Double }>("data");
  await data.insertOne({ _id: -1, t: new BSON.Int32(1) });
  const first = relay();
  await first.waitForLine(/Ready/);
  assert.equal((await first.kill()).code, 0);
  await sql("REFRESH TABLE cdc_position");
  await sql("DELETE FROM cdc_position");
  // The table has columns, so none are made by a sample.
  await data.insertMany(Array.from({ length: COUNT }, (_, _id) => ({
    _id,
    t: _id % 1_000 === 500 ? new BSON.Double(_id + 0.5) : new BSON.Int32(_id),
    ...(_id % 500 === 7 && { [`late${_id % 4}`]: _id, shared: _id }),
  })));

  const second = relay(["--batch-size", "500"]);
  await second.waitForLine(/Snapshot done/);
  await inStep(context);
  assert.equal((await second.kill()).code, 0, second.stderr.join("\n"));
  assert.equal(second.stderr.filter((line) => /Widened to/.test(line)).length, 1);
  assert.deepEqual(await sql(NO_LETTERS), []);
  const [seen] = await sql(
    `SELECT count(data['t']) AS t, count(data['shared']) AS shared, count(overflow) AS overflow FROM "${table}"`,
  );
  assert.deepEqual(seen, { t: COUNT + 1, shared: COUNT / 500, overflow: 0 });
});

nightly(cratedbTest)("relay() keeps the documents that no row can hold, of all lanes", async (context) => {
  const { mongodb, database, relay, sql, table } = context;
  await sql(
    `CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, ` +
      "data OBJECT(DYNAMIC) AS (n BIGINT CONSTRAINT small CHECK (data['n'] < 100)), overflow OBJECT(IGNORED))",
  );
  const data = mongodb.db(database).collection<{ _id: number; n: number }>("data");
  const isBad = (_id: number) => _id % 1_000 === 10;
  await data.insertMany(Array.from({ length: COUNT }, (_, _id) => ({ _id, n: isBad(_id) ? 100 : 7 })));
  const running = relay(["--batch-size", "500"]);
  await running.waitForLine(/Snapshot done/);
  await running.kill();
  await sql("REFRESH TABLE cdc_dead_letter");
  const letters = (await sql("SELECT oid FROM cdc_dead_letter")).map(({ oid }) => Number(oid));
  const bad = Array.from({ length: COUNT }, (_, _id) => _id).filter(isBad);
  assert.deepEqual(letters.sort((one, other) => one - other), bad);
  assert.equal((await oidsOf(context, context.table)).length, COUNT - bad.length);
});

for (const lanes of variants([4], [1])) {
  cratedbTest(`relay() reads as many chunks at once as there are lanes: ${lanes}`, async (context) => {
    await insertMixed(collectionOf(context), COUNT);
    await using proxy = slowMongodb(context.mongodbUrl, { ...slow("data"), atOnce: lanes });
    const running = context.relay([
      "--snapshot",
      "only",
      "--batch-size",
      "1000",
      "--snapshot-lanes",
      `${lanes}`,
    ], {
      env: { MONGODB_URL: proxy.url },
    });
    await running.waitForLine(new RegExp(`Snapshot done documents=${COUNT} `));
    assert.equal((await running.status).code, 0, running.stderr.join("\n"));
    assert.equal(proxy.mostAtOnce, lanes);
    assert.deepEqual(await compare(context), []);
  });
}

cratedbTest("relay() reads several collections at once", async (context) => {
  const { mongodb, database, schema, relay, mongodbUrl } = context;
  const names = ["a", "b", "c", "d"];
  for (const [at, name] of names.entries()) {
    await insertMixed(mongodb.db(database).collection<Mixed>(name), 50, at * 50 + 100);
  }
  await using proxy = slowMongodb(mongodbUrl, { ...slow(...names), atOnce: 4 });
  const running = relay(
    ["--database", database, "--table", `${schema}.{collection}`, "--snapshot", "only"],
    { env: { MONGODB_URL: proxy.url } },
  );
  await running.waitForLine(/Snapshot done documents=200 /);
  assert.equal((await running.status).code, 0, running.stderr.join("\n"));
  assert.equal(proxy.mostAtOnce, 4);
  for (const table of names) {
    assert.deepEqual(await compare({ ...context, table }, { collections: [table] }), []);
  }
});

cratedbTest("relay() follows the stream while the rate holds the snapshot back", async (context) => {
  const data = collectionOf(context);
  await insertMixed(data, 2_000);
  const running = context.relay(["--snapshot-rate", "10"]);
  await eventually(async () => assert.ok(await countRows(context) > 0), { interval: 20 });
  await data.insertOne({ _id: "zzz: read last", n: 1, v: 0 });
  await eventually(async () => {
    assert.ok((await oidsOf(context, context.table)).includes("zzz: read last"));
  });
  assert.ok(await countRows(context) < 2_000);
  assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
  const saved = await savedSnapshot(context);
  assert.ok(saved && saved.documents < 2_000);
});
