import assert from "node:assert/strict";
import type { Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { compare, inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import type { Running } from "../support/program.ts";
import { assertFilled, fill } from "../support/filled_table.ts";
import { type HoldingCratedb, holdingCratedb } from "../support/holding_cratedb.ts";
import { assertNoLeftovers, columnTypes, leftovers } from "../support/widened.ts";
import { nightly } from "../support/nightly.ts";

/** Rows beside those of the collection: more than are read at once. */
const ROWS = 2_500;
const FLAGS = ["--lease", "1s"];

const collection = ({ mongodb, database }: CratedbContext) =>
  mongodb.db(database).collection<Document>("data");

/** The steps of a widening, each with the next statement. */
const STEPS = {
  "the table is closed to writing": /"CREATE TABLE [^(]*~/,
  "the copy exists": /INSERT INTO [^(]*~/,
  "the copy has rows": /"ALTER CLUSTER SWAP TABLE /,
  "the tables are swapped": /"DROP TABLE [^(]*~/,
};

interface Widening {
  readonly relay: Running;
  /** Holds the next statement. */
  readonly cratedb: HoldingCratedb;
}

/** A relay that has reached a step of widening the column `t`, which has 20, 21 and 20.5. */
async function widening(
  context: CratedbContext,
  stack: AsyncDisposableStack,
  next: RegExp,
): Promise<Widening> {
  const data = collection(context);
  const cratedb = stack.use(holdingCratedb(context));
  const relay = context.relay(FLAGS, { env: { CRATEDB_SQLALCHEMY_URL: cratedb.url } });
  await relay.waitForLine(/Ready/);
  await data.insertMany([{ _id: 1, t: 20 }, { _id: 2, t: 21 }] as Document[]);
  await inStep(context);
  await fill(context, ROWS);
  const arrived = cratedb.hold(next);
  await data.insertOne({ _id: 3, t: 20.5 } as Document);
  await arrived;
  return { relay, cratedb };
}

for (const [step, next] of Object.entries(STEPS)) {
  nightly(cratedbTest, step.startsWith("the copy"))(
    `relay() widens a column when it was killed before, as soon as ${step}`,
    async (context) => {
      const { relay, sql, table } = context;
      const data = collection(context);
      await using stack = new AsyncDisposableStack();
      const { relay: first } = await widening(context, stack, next);
      assert.equal((await first.kill("SIGKILL")).signal, "SIGKILL");
      assert.notDeepEqual(await leftovers(context), [], "it was killed in the midst of it");
      await data.insertOne({ _id: 4, t: 20.25 } as Document);

      const second = relay(FLAGS);
      await eventually(async () => {
        assert.equal((await columnTypes(context)).t, "double precision");
        await assertNoLeftovers(context);
      }, { interval: 100 });
      await assertFilled(context, ROWS);
      await inStep(context);
      assert.deepEqual(await sql(`SELECT count(data['t']) AS n, avg(data['t']) AS t FROM "${table}"`), [
        { n: 4, t: 20.4375 },
      ]);
      assert.equal((await second.kill()).code, 0, second.stderr.join("\n"));
      await assertNoLeftovers(context);
    },
    { ownProcess: true },
  );
}

/** What a relay that died may have left, made by hand: `COPY` is in its row of `cdc_lock`. */
const LEFTOVERS: Readonly<Record<string, (context: CratedbContext) => Promise<unknown>>> = {
  "a table closed to writing": ({ sql, table }) => sql(`ALTER TABLE "${table}" SET ("blocks.write" = true)`),
  "a table closed to writing and a part of the copy": async ({ sql, table }) => {
    await sql(`ALTER TABLE "${table}" SET ("blocks.write" = true)`);
    await sql(`CREATE TABLE "${COPY}" (oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC) AS (t DOUBLE PRECISION))`);
    await sql(`INSERT INTO "${COPY}" (oid, data) VALUES ('1', {t = 1})`);
  },
  "the old table, swapped and still closed to writing": async ({ sql, table }) => {
    await sql(
      `CREATE TABLE "${COPY}" (oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC) AS (_id BIGINT, t DOUBLE PRECISION), overflow OBJECT(IGNORED))`,
    );
    await sql(`ALTER TABLE "${table}" SET ("blocks.write" = true)`);
    await sql(`INSERT INTO "${COPY}" (oid, data, overflow) (SELECT oid, data, overflow FROM "${table}")`);
    await sql(`ALTER TABLE "${table}" SET ("blocks.write" = false, "blocks.read_only_allow_delete" = true)`);
    await sql(`ALTER CLUSTER SWAP TABLE "${COPY}" TO "${table}"`);
  },
};
const COPY = "data~0badcafe";

async function leaveLock({ sql, table }: CratedbContext, { lease = "0 seconds" } = {}): Promise<void> {
  await sql(
    "CREATE TABLE IF NOT EXISTS cdc_lock (table_name TEXT PRIMARY KEY, work_table TEXT, owner TEXT, " +
      "lease_until TIMESTAMP WITH TIME ZONE)",
  );
  await sql(
    "INSERT INTO cdc_lock (table_name, work_table, owner, lease_until) " +
      "VALUES (?, ?, 'one that died', CURRENT_TIMESTAMP + ?::interval)",
    [table, COPY, lease],
  );
}

cratedbTest("relay() widens a column at its next start when it was stopped over it", async (context) => {
  await using stack = new AsyncDisposableStack();
  const { relay: first } = await widening(context, stack, STEPS["the copy exists"]);
  assert.equal((await first.kill()).code, 0, first.stderr.join("\n"));
  assert.equal((await columnTypes(context)).t, "bigint");

  await context.relay(FLAGS).waitForLine(/Ready/);
  await eventually(async () => assert.equal((await columnTypes(context)).t, "double precision"));
  await assertFilled(context, ROWS);
  await inStep(context);
  const [seen] = await context.sql(`SELECT count(data['t']) AS n FROM "${context.table}"`);
  assert.deepEqual(seen, { n: 3 });
});

nightly(cratedbTest)("relay() loses no column that another one adds while it widens one", async (context) => {
  const { mongodb, database, relay, sql, table } = context;
  const data = collection(context);
  const other = mongodb.db(database).collection<Document>("other");
  await using cratedb = holdingCratedb(context);
  const env = { CRATEDB_SQLALCHEMY_URL: cratedb.url };
  const writer = relay([...FLAGS, "--collection", "other"]);
  const relays = [relay([...FLAGS, "--collection", "data"], { env }), writer];
  await Promise.all(relays.map((running) => running.waitForLine(/Ready/)));
  await data.insertOne({ _id: 1, t: 20 } as Document);
  await other.insertOne({ _id: 1_001, s: "text" } as Document);
  await inStep(context, { collections: ["data", "other"] });
  await fill(context, ROWS);
  const arrived = cratedb.hold(STEPS["the copy exists"]);
  await data.insertOne({ _id: 2, t: 20.5 } as Document);
  await arrived;
  await other.insertOne({ _id: 1_002, when: new Date(), t: 1.5 } as Document);
  cratedb.release();
  await eventually(async () => {
    const { t, when } = await columnTypes(context);
    assert.deepEqual({ t, when }, { t: "double precision", when: "timestamp with time zone" });
    await assertNoLeftovers(context);
  }, { interval: 100 });
  await assertFilled(context, ROWS);
  await inStep(context, { collections: ["data", "other"] });
  assert.deepEqual(await sql(`SELECT count(overflow) AS o, count(data['when']) AS w FROM "${table}"`), [
    { o: 0, w: 1 },
  ]);
});

cratedbTest(
  "relay() widens a column when the lease of one that died over it has run out",
  async (context) => {
    const data = collection(context);
    const running = context.relay(FLAGS);
    await running.waitForLine(/Ready/);
    await data.insertOne({ _id: 1, t: 1 } as Document);
    await inStep(context);
    await leaveLock(context, { lease: "1 second" });
    await context.sql(`ALTER TABLE "${context.table}" SET ("blocks.write" = true)`);
    await data.insertOne({ _id: 2, t: 2.5 } as Document);
    await eventually(async () => assert.equal((await columnTypes(context)).t, "double precision"));
    await inStep(context);
    await eventually(() => assertNoLeftovers(context));
  },
);

for (const [what, leave] of Object.entries(LEFTOVERS)) {
  cratedbTest(`relay() cleans up ${what}, when it starts`, async (context) => {
    const data = collection(context);
    const first = context.relay(FLAGS);
    await first.waitForLine(/Ready/);
    await data.insertOne({ _id: 1, t: 1 } as Document);
    await inStep(context);
    await first.kill();
    await leave(context);
    await leaveLock(context);
    const second = context.relay(FLAGS);
    await second.waitForLine(/Removed what an interrupted rebuild of a table left/);
    await second.waitForLine(/Ready/);
    await assertNoLeftovers(context);
    await data.insertOne({ _id: 2, t: 2.5 } as Document);
    await inStep(context);
  });
}

/** What keeps others from writing is not left until the next start. */
for (const [what, leave] of Object.entries(LEFTOVERS).filter(([what]) => what.startsWith("a table closed"))) {
  nightly(cratedbTest)(`relay() cleans up ${what}, of another relay while it runs`, async (context) => {
    const data = collection(context);
    const running = context.relay(FLAGS);
    await running.waitForLine(/Ready/);
    await data.insertOne({ _id: 1, t: 1 } as Document);
    await inStep(context);
    await leave(context);
    await data.insertOne({ _id: 2, t: 2 } as Document);
    await leaveLock(context);
    await running.waitForLine(/Removed what an interrupted rebuild of a table left/);
    await inStep(context);
    await data.updateMany({}, { $set: { t: 2.5 } });
    await inStep(context);
    assert.deepEqual(await compare(context), []);
    assert.equal((await columnTypes(context)).t, "double precision");
    await eventually(() => assertNoLeftovers(context));
    assert.equal((await running.kill()).code, 0);
  });
}
