import assert from "node:assert/strict";
import type { Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { compare, inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest, faultTest } from "../support/cratedb_harness.ts";
import type { Running } from "../../dev/process/program.ts";
import { assertNoLeftovers, columnTypes, leftovers } from "../support/widened.ts";

/** Enough for each step of a widening to be seen. */
const ROWS = 40_000;
const FLAGS = ["--lease", "1s"];

const collection = ({ mongodb, database }: CratedbContext) =>
  mongodb.db(database).collection<Document>("data");

/** Rows beside those of the collection, which a widening has to copy. */
async function fill({ sql, table }: CratedbContext): Promise<void> {
  await sql(
    `INSERT INTO "${table}" (oid, data, overflow) (SELECT 'filled ' || n, {"t" = n}, NULL FROM generate_series(1, ${ROWS}) AS g (n))`,
  );
  await sql(`REFRESH TABLE "${table}"`);
}

/** The rows that were filled in are what they were; then they are removed. */
async function assertFilled({ sql, table }: CratedbContext): Promise<void> {
  await sql(`REFRESH TABLE "${table}"`);
  const [seen] = await sql(
    `SELECT count(*) AS n, avg(data['t']) AS t, count(overflow) AS o FROM "${table}" WHERE oid LIKE 'filled %'`,
  );
  assert.deepEqual(seen, { n: ROWS, t: (ROWS + 1) / 2, o: 0 });
  await sql(`DELETE FROM "${table}" WHERE oid LIKE 'filled %'`);
}

const isThere = async ({ sql, schema }: CratedbContext, condition: string): Promise<boolean> =>
  (await sql(`SELECT 1 AS one FROM information_schema.tables WHERE table_schema = ? AND ${condition}`, [
    schema,
  ]))
    .length > 0;

type Step = (context: CratedbContext) => Promise<boolean>;

const hasCopy: Step = (context) => isThere(context, `table_name LIKE '${context.table}~%'`);

/** What can be seen of a widening when the relay is killed. */
const STEPS: Readonly<Record<string, Step>> = {
  "the table is closed to writing": (context) =>
    isThere(context, `table_name = '${context.table}' AND settings['blocks']['write']`),
  "the copy is there": hasCopy,
  "the copy has rows": async (context) => {
    const [{ n } = {}] = await context.sql(
      "SELECT sum(num_docs) AS n FROM sys.shards WHERE schema_name = ? AND table_name LIKE ?",
      [context.schema, `${context.table}~%`],
    );
    return Number(n) > 0;
  },
  "the tables are swapped": async (context) => (await columnTypes(context)).t === "double precision",
};

const reached = (context: CratedbContext, step: Step): Promise<void> =>
  eventually(async () => assert.ok(await step(context)), { interval: 1 });

/** A relay that has come to a step of widening the column `t`, which has 20, 21 and 20.5. */
async function widening(context: CratedbContext, step: Step): Promise<Running> {
  const data = collection(context);
  const running = context.relay(FLAGS);
  await running.waitForLine(/Ready/);
  await data.insertMany([{ _id: 1, t: 20 }, { _id: 2, t: 21 }] as Document[]);
  await inStep(context);
  await fill(context);
  await data.insertOne({ _id: 3, t: 20.5 } as Document);
  await reached(context, step);
  return running;
}

for (const [step, isReached] of Object.entries(STEPS)) {
  cratedbTest(`relay() widens a column when it was killed before, as soon as ${step}`, async (context) => {
    const { relay, sql, table } = context;
    const data = collection(context);
    const first = await widening(context, isReached);
    assert.equal((await first.kill("SIGKILL")).signal, "SIGKILL");
    assert.notDeepEqual(await leftovers(context), [], "it was killed in the midst of it");
    await data.insertOne({ _id: 4, t: 20.25 } as Document);

    const second = relay(FLAGS);
    await eventually(async () => {
      assert.equal((await columnTypes(context)).t, "double precision");
      await assertNoLeftovers(context);
    }, { interval: 100 });
    await assertFilled(context);
    await inStep(context);
    assert.deepEqual(await sql(`SELECT count(data['t']) AS n, avg(data['t']) AS t FROM "${table}"`), [
      { n: 4, t: 20.4375 },
    ]);
    assert.equal((await second.kill()).code, 0, second.stderr.join("\n"));
    await assertNoLeftovers(context);
  });
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

/** The same as version 0.1.0 left it. */
const leaveOldLock = ({ sql, schema, table }: CratedbContext) =>
  sql(
    "INSERT INTO cdc_position (stream, token, owner, lease_until) VALUES (?, ?, 'one that died', CURRENT_TIMESTAMP)",
    [`widening "${schema}"."${table}"`, COPY],
  );

faultTest("relay() widens a column when CrateDB was killed over it", async (context) => {
  const { sql, table, cratedbServer } = context;
  const running = await widening(context, hasCopy);
  await cratedbServer.kill();
  await cratedbServer.restore();
  await running.waitForLine(/Not widened yet/);
  await running.waitForLine(/Widened to DOUBLE PRECISION/);
  await assertFilled(context);
  await inStep(context);
  assert.deepEqual(await sql(`SELECT count(data['t']) AS n, avg(data['t']) AS t FROM "${table}"`), [
    { n: 3, t: 20.5 },
  ]);
  assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
  await assertNoLeftovers(context);
});

cratedbTest("relay() widens a column at its next start when it was stopped over it", async (context) => {
  const first = await widening(context, hasCopy);
  assert.equal((await first.kill()).code, 0, first.stderr.join("\n"));
  assert.equal((await columnTypes(context)).t, "bigint", "it was widened before it stopped");

  await context.relay(FLAGS).waitForLine(/Ready/);
  await eventually(async () => assert.equal((await columnTypes(context)).t, "double precision"));
  await assertFilled(context);
  await inStep(context);
  const [seen] = await context.sql(`SELECT count(data['t']) AS n FROM "${context.table}"`);
  assert.deepEqual(seen, { n: 3 });
});

cratedbTest("relay() loses no column that another one adds while it widens one", async (context) => {
  const { mongodb, database, relay, sql, table } = context;
  const data = collection(context);
  const other = mongodb.db(database).collection<Document>("other");
  const relays = ["data", "other"].map((name) => relay([...FLAGS, "--collection", name]));
  await Promise.all(relays.map((running) => running.waitForLine(/Ready/)));
  await data.insertOne({ _id: 1, t: 20 } as Document);
  await other.insertOne({ _id: 1_001, s: "text" } as Document);
  await inStep(context, { collections: ["data", "other"] });
  await fill(context);
  await data.insertOne({ _id: 2, t: 20.5 } as Document);
  await reached(context, hasCopy);
  await other.insertOne({ _id: 1_002, when: new Date(), t: 1.5 } as Document);
  await eventually(async () => {
    const { t, when } = await columnTypes(context);
    assert.deepEqual({ t, when }, { t: "double precision", when: "timestamp with time zone" });
    await assertNoLeftovers(context);
  }, { interval: 100 });
  await assertFilled(context);
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
    await leaveLock(context, { lease: "3 seconds" });
    await context.sql(`ALTER TABLE "${context.table}" SET ("blocks.write" = true)`);
    await data.insertOne({ _id: 2, t: 2.5 } as Document);
    await eventually(async () => assert.equal((await columnTypes(context)).t, "double precision"));
    await inStep(context);
    await eventually(() => assertNoLeftovers(context));
  },
);

const LOCKS: Readonly<Record<string, (context: CratedbContext) => Promise<unknown>>> = {
  "when it starts": leaveLock,
  "of version 0.1.0, when it starts": leaveOldLock,
};

for (
  const [what, leave, when, lock] of Object.entries(LEFTOVERS).flatMap(([what, leave]) =>
    Object.entries(LOCKS).map(([when, lock]) => [what, leave, when, lock] as const)
  )
) {
  cratedbTest(`relay() cleans up ${what}, ${when}`, async (context) => {
    const data = collection(context);
    const first = context.relay(FLAGS);
    await first.waitForLine(/Ready/);
    await data.insertOne({ _id: 1, t: 1 } as Document);
    await inStep(context);
    await first.kill();
    await leave(context);
    await lock(context);
    const second = context.relay(FLAGS);
    await second.waitForLine(/The leftovers of a widening that was cut short are removed/);
    await second.waitForLine(/Ready/);
    await assertNoLeftovers(context);
    await data.insertOne({ _id: 2, t: 2.5 } as Document);
    await inStep(context);
  });
}

/** What keeps others from writing is not left until the next start. */
for (const [what, leave] of Object.entries(LEFTOVERS).filter(([what]) => what.startsWith("a table closed"))) {
  cratedbTest(`relay() cleans up ${what}, of another relay while it runs`, async (context) => {
    const data = collection(context);
    const running = context.relay(FLAGS);
    await running.waitForLine(/Ready/);
    await data.insertOne({ _id: 1, t: 1 } as Document);
    await inStep(context);
    await leave(context);
    await data.insertOne({ _id: 2, t: 2 } as Document);
    await leaveLock(context);
    await running.waitForLine(/The leftovers of a widening that was cut short are removed/);
    await inStep(context);
    await data.updateMany({}, { $set: { t: 2.5 } });
    await inStep(context);
    assert.deepEqual(await compare(context), []);
    assert.equal((await columnTypes(context)).t, "double precision");
    await eventually(() => assertNoLeftovers(context));
    assert.equal((await running.kill()).code, 0);
  });
}
