import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { compare, inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { countRows, oidsOf, runRelay } from "../support/follow.ts";
import { holdAll, TEST_COMMANDS } from "../support/fail_point.ts";
import { ownMongodbTest } from "../support/own_mongodb.ts";
import { insertMixed, type Mixed, mixed, mixedLoad } from "../support/mixed_documents.ts";
import { nightly } from "../support/nightly.ts";

const COUNT = 12_000;

const collectionOf = ({ mongodb, database }: CratedbContext) =>
  mongodb.db(database).collection<Mixed>("data");

/** Flags that name the collection and the table. */
const target = (
  { database, schema, table }: CratedbContext,
): string[] => ["--database", database, "--collection", "data", "--table", `${schema}.${table}`];

interface Snapshot {
  readonly documents: number;
}

async function savedSnapshot({ sql }: CratedbContext): Promise<Snapshot | null> {
  await sql("REFRESH TABLE cdc_position");
  const [row] = await sql("SELECT snapshot FROM cdc_position");
  return row?.snapshot ? JSON.parse(String(row.snapshot)) : null;
}

cratedbTest("relay() copies keys of all types under load, over wire", async (context) => {
  const data = collectionOf(context);
  await insertMixed(data, COUNT);
  const stop = new AbortController();
  const load = mixedLoad(data, { count: COUNT, signal: stop.signal });
  // So the copy takes three seconds at least.
  const flags = ["--batch-size", "500", "--snapshot-rate", `${COUNT / 3}`];
  const running = context.relay(flags, { transport: "wire" });
  const copied = await running.waitForLine(/Snapshot done documents=/);
  stop.abort();
  assert.ok(await load > 500, "the load was too small");
  assert.ok(Number(/documents=(\d+)/.exec(copied)?.[1]) > COUNT / 2, copied);
  await inStep(context, { interval: 250 });
  assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
  assert.deepEqual(await compare(context), []);
  assert.equal(await savedSnapshot(context), null);
  assert.deepEqual(await context.sql("SELECT oid, error FROM cdc_dead_letter"), []);
});

cratedbTest("relay() leaves out documents that are deleted while it copies", async (context) => {
  const data = collectionOf(context);
  await insertMixed(data, 4_000);
  const flags = ["--batch-size", "50", "--statement-rows", "50"];
  const slow = context.relay([...flags, "--snapshot-rate", "100"]);
  await eventually(async () => assert.ok(await countRows(context) > 0), { interval: 5 });
  // From both ends of the order: what was copied already, and what was not.
  for (const order of [1, -1] as const) {
    const ids = await data.find({}, { projection: { _id: 1 } }).sort({ _id: order }).limit(1_000).toArray();
    await data.deleteMany({ _id: { $in: ids.map(({ _id }) => _id) } } as never);
  }
  assert.equal((await slow.kill()).code, 0);
  const running = context.relay(flags);
  await running.waitForLine(/Resuming from the saved position/);
  await running.waitForLine(/Snapshot done/);
  await inStep(context);
  assert.equal((await oidsOf(context, context.table)).length, 2_000);
});

nightly(cratedbTest)(
  "relay() goes on with a copy within one chunk of where it was killed",
  async (context) => {
    const data = collectionOf(context);
    const [count, chunk] = [10_000, 200];
    await insertMixed(data, count);
    const flags = ["--lease", "1s", "--batch-size", `${chunk}`, "--save-interval", "0ms"];
    const first = context.relay([...flags, "--refresh-interval", "50ms", "--snapshot-rate", "1000"]);
    await eventually(async () => assert.ok(await countRows(context) > count / 20), { interval: 5 });
    await first.kill("SIGKILL");
    const written = (await oidsOf(context, context.table)).length;
    const saved = await savedSnapshot(context);
    assert.ok(saved && saved.documents < count);
    // One chunk may be written while the one before it is saved.
    assert.ok(written - saved.documents <= 2 * chunk, `${written} written, ${saved.documents} saved`);

    const second = context.relay(flags);
    await second.waitForLine(/Resuming from the saved position/);
    assert.match(await second.waitForLine(/Snapshot done/), new RegExp(`documents=${count} `));
    await inStep(context);
    assert.equal((await second.kill()).code, 0);
    const [, upserts] = /upserts=(\d+)/.exec(await second.waitForLine(/Stopped/)) ?? [];
    assert.equal(Number(upserts), count - saved.documents);
  },
  { ownProcess: true },
);

nightly(cratedbTest)("relay() stops in the middle of a copy, and goes on with it", async (context) => {
  const data = collectionOf(context);
  const count = 5_000;
  await insertMixed(data, count);
  const flags = ["--batch-size", "100", "--refresh-interval", "20ms"];
  let upserts = 0;
  for (let stop = 1; stop <= 3; stop++) {
    if (stop > 1) await context.sql(`REFRESH TABLE "${context.table}"`);
    const before = await countRows(context);
    const running = context.relay([...flags, "--snapshot-rate", "1000"]);
    await eventually(async () => assert.ok(await countRows(context) > before), { interval: 5 });
    assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
    upserts += Number(/upserts=(\d+)/.exec(await running.waitForLine(/Stopped/))?.[1]);
  }
  assert.ok(upserts < count, `${upserts} of ${count} documents copied`);
  const last = context.relay(flags);
  await last.waitForLine(/Snapshot done/);
  await inStep(context);
  assert.equal((await last.kill()).code, 0);
  upserts += Number(/upserts=(\d+)/.exec(await last.waitForLine(/Stopped/))?.[1]);
  assert.equal(upserts, count);
});

cratedbTest(
  "relay() with --snapshot always removes stale rows, also without a position",
  async (context) => {
    const data = collectionOf(context);
    await insertMixed(data, 300);
    const first = context.relay();
    await first.waitForLine(/Ready/);
    assert.equal((await first.kill()).code, 0);
    await data.deleteMany({ n: { $lt: 100 } });
    await context.sql("REFRESH TABLE cdc_position");
    await context.sql("DELETE FROM cdc_position");
    const second = context.relay(["--snapshot", "always"]);
    await second.waitForLine(/Ready/);
    await inStep(context);
    assert.equal((await oidsOf(context, context.table)).length, 200);
  },
);

nightly(cratedbTest)(
  "relay() with --snapshot never goes on with a copy that makes good for lost history",
  async (context) => {
    const data = collectionOf(context);
    const count = 5_000;
    await insertMixed(data, count);
    const first = context.relay();
    await first.waitForLine(/Ready/);
    assert.equal((await first.kill()).code, 0);
    await data.deleteMany({ n: { $gte: count - 100 } });
    await context.sql("REFRESH TABLE cdc_position");
    await context.sql("DELETE FROM cdc_position");

    const flags = ["--lease", "1s", "--batch-size", "50", "--save-interval", "0ms"];
    const second = context.relay([...flags, "--snapshot", "always", "--snapshot-rate", "500"]);
    await eventually(async () => assert.ok((await savedSnapshot(context))?.documents), { interval: 10 });
    await second.kill("SIGKILL");
    assert.ok(await savedSnapshot(context));
    const third = context.relay([...flags, "--snapshot", "never"]);
    await third.waitForLine(/Snapshot done/);
    await inStep(context);
    assert.equal((await third.kill()).code, 0);
  },
  { ownProcess: true },
);

cratedbTest("relay() copies and exits with --snapshot only", async (context) => {
  const data = collectionOf(context);
  await insertMixed(data, 3_000);
  const flags = [...target(context), "--snapshot", "only"];
  const first = await runRelay(context, flags);
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stderr, /Snapshot done documents=3000/);
  assert.deepEqual(await compare(context), []);

  await data.deleteMany({ n: { $lt: 100 } });
  await data.insertOne(mixed(3_000) as never);
  const second = await runRelay(context, flags);
  assert.equal(second.code, 0, second.stderr);
  assert.deepEqual(await compare(context), []);
});

cratedbTest("relay() copies what comes after a document that a reply had no room for", async (context) => {
  const { mongodb, database, relay } = context;
  const data = mongodb.db(database).collection<{ _id: number; text: string }>("data");
  for (const [_id, size] of [5, 12, 0, 0].entries()) {
    await data.insertOne({ _id, text: "x".repeat(size * 2 ** 20) });
  }
  const running = relay(["--snapshot", "only"]);
  await running.waitForLine(/Snapshot done documents=4/);
  assert.equal((await running.status).code, 0);
  await inStep(context);
});

cratedbTest("relay() copies nothing with --snapshot only when there is nothing", async (context) => {
  const { code, stderr } = await runRelay(context, [...target(context), "--snapshot", "only"]);
  assert.equal(code, 0, stderr);
  assert.deepEqual(await oidsOf(context, context.table), []);
});

cratedbTest("relay() follows from now on with --snapshot never", async (context) => {
  const data = collectionOf(context);
  await insertMixed(data, 100);
  const running = context.relay(["--snapshot", "never"]);
  await running.waitForLine(/Ready/);
  await data.insertOne({ _id: "new", n: 1, v: 0 } as never);
  await eventually(async () => assert.deepEqual(await oidsOf(context, context.table), ["new"]));
  assert.ok(!running.stderr.some((line) => /Snapshot done/.test(line)));
});

cratedbTest("relay() removes stale rows without a position", async (context) => {
  const data = collectionOf(context);
  await insertMixed(data, 100);
  const first = context.relay();
  await first.waitForLine(/Ready/);
  assert.equal((await first.kill()).code, 0);
  await data.deleteMany({ n: { $lt: 50 } });
  await context.sql("REFRESH TABLE cdc_position");
  await context.sql("DELETE FROM cdc_position");
  const second = context.relay();
  await second.waitForLine(/Ready/);
  await inStep(context);
  assert.equal((await second.kill()).code, 0);
});

cratedbTest("relay() removes and widens rows whose keys CrateDB has two orders for", async (context) => {
  const { mongodb, database, relay } = context;
  const data = mongodb.db(database).collection<{ _id: string; n: BSON.Long | BSON.Double }>("data");
  const n = BSON.Long.fromString("9007199254740993");
  const keys = ["\u{1f600}", "\uff5e", "a"].flatMap((start) =>
    Array.from({ length: 2_000 }, (_, at) => `${start}${at}`)
  );
  await data.insertMany(keys.map((_id) => ({ _id, n })));
  const first = relay();
  await first.waitForLine(/Ready/);
  await data.insertOne({ _id: "widens", n: new BSON.Double(0.5) });
  await first.waitForLine(/Widened/);
  await inStep(context);
  assert.equal((await first.kill()).code, 0);

  await data.deleteMany({ _id: { $ne: "widens" } });
  await context.sql("REFRESH TABLE cdc_position");
  await context.sql("DELETE FROM cdc_position");
  const second = relay(["--snapshot", "always"]);
  await second.waitForLine(/Ready/);
  await inStep(context);
  assert.equal((await second.kill()).code, 0);
});

cratedbTest(
  "relay() copies at each start with --snapshot always, and removes stale rows",
  async (context) => {
    const { sql, schema, table } = context;
    const data = collectionOf(context);
    await insertMixed(data, 5_000);
    const first = context.relay(["--snapshot", "always"]);
    await first.waitForLine(/Snapshot done documents=5000/);
    await first.kill();
    // Rows that no event will mend.
    await sql(`DELETE FROM "${schema}"."${table}" WHERE oid = 'key 2009'`);
    for (
      const oid of [
        "stray",
        '{"$sha256":"0"}',
        "669683c2b0750b2c84893f3e",
        "1e3",
        '{"a":1}',
        "-0",
        "\u{1F600}",
      ]
    ) {
      await sql(`INSERT INTO "${schema}"."${table}" (oid, data) VALUES (?, {n = 1})`, [oid]);
    }
    await sql(`UPDATE "${schema}"."${table}" SET data['v'] = 7 WHERE oid = 'key 2021'`);
    const second = context.relay(["--snapshot", "always"]);
    await second.waitForLine(/Snapshot done documents=5000/);
    await inStep(context);
    assert.equal((await oidsOf(context, table)).length, 5_000);
    assert.equal((await second.kill()).code, 0);
  },
);

/** Keys that are one BSON value in MongoDB, and another one once they went through JavaScript. */
const HARD_KEYS: Readonly<Record<string, (n: number) => Record<string, unknown>>> = {
  "names that look like numbers": (n) => ({ $literal: new Map([["2", n], ["1", n]]) }),
  "dates beyond JavaScript's": (n) => ({ $toDate: BSON.Long.fromBigInt(9_000_000_000_000_000n + BigInt(n)) }),
};

for (const [what, expression] of Object.entries(HARD_KEYS)) {
  cratedbTest(`relay() copies keys that are hard to hold: ${what}`, async (context) => {
    const { mongodb, database } = context;
    const count = 20;
    for (let n = 0; n < count; n++) {
      await mongodb.db(database).aggregate([
        { $documents: [{ n }] },
        { $set: { _id: expression(n) } },
        { $merge: { into: "data" } },
      ]).toArray();
    }
    assert.equal(await collectionOf(context).countDocuments(), count);
    const { code, stderr } = await runRelay(context, [
      ...target(context),
      "--snapshot",
      "only",
      "--batch-size",
      "3",
    ]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, new RegExp(`Snapshot done documents=${count}`));
    assert.deepEqual(await compare(context), []);
  });
}

cratedbTest("relay() takes a new snapshot what was in a table that somebody dropped", async (context) => {
  const data = collectionOf(context);
  await insertMixed(data, 100);
  const first = context.relay();
  await first.waitForLine(/Ready/);
  assert.equal((await first.kill()).code, 0);
  await context.sql(`DROP TABLE "${context.table}"`);
  await data.insertOne({ _id: "new", n: 1, v: 0 } as never);
  const second = context.relay();
  await second.waitForLine(/WARN .*The table of a collection is missing/);
  await second.waitForLine(/Snapshot done documents=101 /);
  await inStep(context);
  assert.equal((await second.kill()).code, 0);
  const third = context.relay();
  await third.waitForLine(/Ready/);
  assert.ok(!third.stderr.some((line) => /Snapshot done|was dropped/.test(line)), third.stderr.join("\n"));
});

ownMongodbTest(
  "relay() stops while MongoDB takes its time for a chunk and for the end of the stream",
  async (own) => {
    const { mongodb } = own;
    await insertMixed(collectionOf(own), 100);
    await holdAll(mongodb, ["find", "killCursors"], 3_000);
    const running = own.relay();
    await eventually(async () => {
      const { inprog } = await mongodb.db("admin").command({ currentOp: 1, "command.find": "data" });
      assert.equal(inprog.length, 1);
    }, { interval: 20 });
    assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
  },
  TEST_COMMANDS,
);
