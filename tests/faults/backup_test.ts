/** CrateDB takes a backup of its tables. Until it is done, they cannot be swapped or dropped. */
import assert from "node:assert/strict";
import { eventually } from "../../dev/servers/eventually.ts";
import { stops } from "../support/collections.ts";
import { inStep } from "../support/compare.ts";
import { type CratedbContext, faultTest } from "../support/cratedb_harness.ts";
import { oidsOf, startRelay, tablesOf } from "../support/follow.ts";
import { assertNoLeftovers, columnTypes } from "../support/widened.ts";
import { nightly } from "../support/nightly.ts";

type Document = { _id: number; n: number; text?: string };

const RATES = { seconds: "200kb", minutes: "20kb" } as const;
const DOCUMENTS = 2_000;

interface Backup extends AsyncDisposable {
  state(): Promise<unknown>;
}

/** Begins a snapshot of a table that lasts about so long. It is given up when it is disposed of. */
async function beginBackup(
  { sql, schema }: CratedbContext,
  table: string,
  lasts: keyof typeof RATES,
): Promise<Backup> {
  const name = `backup_${schema}`;
  await sql(`REFRESH TABLE "${table}"`);
  await sql(
    `CREATE REPOSITORY "${name}" TYPE fs WITH (location = '${name}', max_snapshot_bytes_per_sec = '${
      RATES[lasts]
    }')`,
  );
  await sql(`CREATE SNAPSHOT "${name}".one TABLE "${schema}"."${table}" WITH (wait_for_completion = false)`);
  const state = async () => {
    const [row] = await sql("SELECT state FROM sys.snapshots WHERE repository = ?", [name]);
    return row?.state;
  };
  await eventually(async () => assert.equal(await state(), "IN_PROGRESS"));
  return {
    state,
    async [Symbol.asyncDispose]() {
      if (await state() !== undefined) await sql(`DROP SNAPSHOT "${name}".one`);
      await sql(`DROP REPOSITORY "${name}"`);
    },
  };
}

const collection = ({ mongodb, database }: CratedbContext, name: string) =>
  mongodb.db(database).collection<Document>(name);

const otherInStep = (context: CratedbContext) =>
  inStep({ ...context, table: "other" }, { collections: ["other"] });

/** Text that does not compress, so that a snapshot takes its time. */
const randomText = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(200)), (byte) => byte.toString(36)).join("");

const fill = (context: CratedbContext, documents = DOCUMENTS) =>
  collection(context, "data").insertMany(
    Array.from({ length: documents }, (_, _id) => ({ _id, n: _id, text: randomText() })),
  );

/** The flags for a whole database whose dropped collections lose their tables. */
const dropping = ({ database, schema }: CratedbContext) => [
  "--database",
  database,
  "--table",
  `${schema}.{collection}`,
  "--on-drop",
  "drop",
];

/** Whether CrateDB keeps a table from being dropped while it takes a snapshot of it; 6.4 does not. */
async function keepsTables({ sql }: CratedbContext): Promise<boolean> {
  const [node] = await sql("SELECT version['number'] AS version FROM sys.nodes LIMIT 1");
  return parseInt(String(node?.version)) < 6;
}

const WIDENED_LATER = /CrateDB takes a snapshot: columns are widened once that is done/;
const DROPPED_LATER = /A table is emptied, and dropped later: CrateDB takes a snapshot of it/;

// CrateDB reports its backup with a different code over each transport.
faultTest(
  "relay() widens a column once a backup of CrateDB is done, over http",
  async (context) => {
    const { relay, sql, table } = context;
    const data = collection(context, "data");
    await fill(context);
    const running = relay([], { transport: "http" });
    await running.waitForLine(/Ready/);
    await using backup = await beginBackup(context, table, "seconds");
    await data.insertOne({ _id: -1, n: 20.5 });
    await running.waitForLine(WIDENED_LATER);
    await data.updateOne({ _id: 1 }, { $set: { n: 0.5 } });
    await data.deleteOne({ _id: 2 });
    await inStep(context);
    assert.equal((await columnTypes(context)).n, "bigint");
    assert.equal(await backup.state(), "IN_PROGRESS");

    await running.waitForLine(/Widened to DOUBLE PRECISION/);
    assert.equal(await backup.state(), "SUCCESS");
    await eventually(() => assertNoLeftovers(context));
    await inStep(context);
    assert.deepEqual(
      await sql(`SELECT data['n'] AS n FROM "${table}" WHERE oid IN ('-1', '1') ORDER BY n`),
      [
        { n: 0.5 },
        { n: 20.5 },
      ],
    );
    assert.equal(running.stderr.filter((line) => WIDENED_LATER.test(line)).length, 1);
    await stops(running);
  },
);

nightly(faultTest)("relay() drops a table once a backup of CrateDB is done, over wire", async (context) => {
  await fill(context);
  await collection(context, "other").insertOne({ _id: 1, n: 1 });
  await using running = startRelay(context, dropping(context), { transport: "wire" });
  await running.waitForLine(/Ready/);
  {
    await using backup = await beginBackup(context, "data", "minutes");
    await collection(context, "data").drop();
    const isKept = await keepsTables(context);
    if (isKept) {
      await running.waitForLine(DROPPED_LATER);
      assert.deepEqual(await oidsOf(context, "data"), []);
    }
    await collection(context, "other").insertOne({ _id: 2, n: 2 });
    await otherInStep(context);
    if (isKept) assert.equal(await backup.state(), "IN_PROGRESS");
  }
  await eventually(async () => assert.deepEqual(await tablesOf(context, context.schema), ["other"]));
  await stops(running);
});
nightly(faultTest)(
  "relay() keeps a table whose collection is made again during a backup of CrateDB",
  async (context) => {
    await fill(context);
    await using running = startRelay(context, dropping(context));
    await running.waitForLine(/Ready/);
    {
      await using _backup = await beginBackup(context, "data", "minutes");
      await collection(context, "data").drop();
      if (await keepsTables(context)) await running.waitForLine(DROPPED_LATER);
      await fill(context, 10);
      await inStep(context);
    }
    await collection(context, "data").insertOne({ _id: 11, n: 1 });
    await inStep(context);
    assert.deepEqual(await tablesOf(context, context.schema), ["data"]);
    await stops(running);
  },
);

nightly(faultTest)(
  "relay() drops a table that a backup of CrateDB kept when it starts again",
  async (context) => {
    const { schema } = context;
    await fill(context);
    await collection(context, "other").insertOne({ _id: 1, n: 1 });
    {
      await using first = startRelay(context, dropping(context));
      await first.waitForLine(/Ready/);
      await using _backup = await beginBackup(context, "data", "minutes");
      await collection(context, "data").drop();
      if (await keepsTables(context)) await first.waitForLine(DROPPED_LATER);
      await collection(context, "other").insertOne({ _id: 2, n: 2 });
      await otherInStep(context);
      await stops(first);
    }
    assert.deepEqual(
      await tablesOf(context, schema),
      await keepsTables(context) ? ["data", "other"] : ["other"],
    );
    await using second = startRelay(context, dropping(context));
    await second.waitForLine(/Ready/);
    assert.deepEqual(await tablesOf(context, schema), ["other"]);
    await stops(second);
  },
);

nightly(faultTest)(
  "relay() removes what a widening has left once a backup of CrateDB is done",
  async (context) => {
    const { relay, sql, table } = context;
    await fill(context);
    const first = relay();
    await first.waitForLine(/Ready/);
    await stops(first);
    const copy = `${table}~1a2b3c4d`;
    await sql(`CREATE TABLE "${copy}" (oid TEXT PRIMARY KEY, data OBJECT(IGNORED))`);
    await sql(`INSERT INTO "${copy}" (oid, data) (SELECT oid, data FROM "${table}")`);
    await sql(`ALTER TABLE "${table}" SET ("blocks.write" = true)`);
    await sql(
      "CREATE TABLE cdc_lock (table_name TEXT PRIMARY KEY, work_table TEXT, owner TEXT, " +
        "lease_until TIMESTAMP WITH TIME ZONE)",
    );
    await sql(
      "INSERT INTO cdc_lock (table_name, work_table, owner, lease_until) " +
        "VALUES (?, ?, 'one that died', CURRENT_TIMESTAMP)",
      [table, copy],
    );
    const second = await (async () => {
      await using backup = await beginBackup(context, copy, "minutes");
      const running = relay(["--lease", "2s"]);
      await running.waitForLine(/Ready/);
      await collection(context, "data").insertOne({ _id: -1, n: 1 });
      await inStep(context);
      assert.equal(await backup.state(), "IN_PROGRESS");
      return running;
    })();
    await eventually(() => assertNoLeftovers(context));
    await stops(second);
  },
);

faultTest(
  "relay() drops expired partitions, or empties them, while CrateDB takes a backup",
  async (context) => {
    const { mongodb, database, relay, table } = context;
    const data = mongodb.db(database).collection<Document & { at: Date }>("data");
    const rows = Array.from({ length: DOCUMENTS }, (_, _id) => ({ _id, n: 1, text: randomText() }));
    await data.insertMany(rows.map((each, n) => ({ ...each, at: new Date(n % 2 === 0 ? 5e9 : Date.now()) })));
    const flags = ["--partition-by", "day=at", "--on-drop", "truncate"];
    assert.equal((await relay([...flags, "--snapshot", "only"]).status).code, 0);
    await using backup = await beginBackup(context, table, "minutes");
    const running = relay([...flags, "--keep", "30 days"]);
    await running.waitForLine(/Ready/);
    await data.insertOne({ _id: -1, n: 1, at: new Date() });
    await eventually(async () => assert.ok((await oidsOf(context, table)).includes("-1")));
    await data.drop();
    await eventually(async () => assert.deepEqual(await oidsOf(context, table), []));
    if (await keepsTables(context)) assert.equal(await backup.state(), "IN_PROGRESS");
    assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
  },
);
