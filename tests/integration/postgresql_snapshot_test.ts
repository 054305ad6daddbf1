import assert from "node:assert/strict";
import { eventually } from "../../dev/servers/eventually.ts";
import { compare, inStep } from "../support/compare.ts";
import { insertMixed, type Mixed, mixedLoad } from "../support/mixed_documents.ts";
import { type PostgresqlContext, postgresqlTest } from "../support/postgresql_harness.ts";
import { run } from "../support/program.ts";

const countRows = async ({ sql, schema, table }: PostgresqlContext): Promise<number> => {
  const [{ n } = {}] = await sql(`SELECT count(*) AS n FROM "${schema}"."${table}"`).catch(() => []);
  return Number(n ?? 0);
};

postgresqlTest("relay() copies keys of all types into PostgreSQL under load", async (context) => {
  const { mongodb, database, relay, sql, schema } = context;
  const data = mongodb.db(database).collection<Mixed>("data");
  const count = 10_000;
  await insertMixed(data, count);
  const stop = new AbortController();
  const load = mixedLoad(data, { count, signal: stop.signal });
  // So the copy takes two seconds at least.
  const running = relay(["--batch-size", "500", "--snapshot-rate", `${count / 2}`]);
  await running.waitForLine(/Snapshot done documents=/);
  stop.abort();
  assert.ok(await load > 0, "the load was too small");
  await inStep(context, { interval: 250 });
  assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
  assert.deepEqual(await compare(context), []);
  assert.deepEqual(await sql(`SELECT oid, error FROM "${schema}".cdc_dead_letter`), []);
});

postgresqlTest("relay() goes on with a copy into PostgreSQL that was killed", async (context) => {
  const { mongodb, database, relay } = context;
  const count = 10_000;
  await insertMixed(mongodb.db(database).collection<Mixed>("data"), count);
  const flags = ["--lease", "1s", "--batch-size", "200", "--save-interval", "0ms"];
  const first = relay([...flags, "--snapshot-rate", "2000"]);
  await eventually(async () => assert.ok(await countRows(context) > count / 10), { interval: 5 });
  await first.kill("SIGKILL");
  const written = await countRows(context);
  assert.ok(written < count);
  const second = relay(flags);
  await second.waitForLine(/Snapshot done/);
  await inStep(context);
  assert.equal((await second.kill()).code, 0);
  const [, upserts] = /upserts=(\d+)/.exec(await second.waitForLine(/Stopped/)) ?? [];
  assert.ok(Number(upserts) <= count - written + 400, `${upserts} written again after ${written}`);
}, { ownProcess: true });

/** Rows in the table at which the relay is killed. */
const MOMENTS = [1, 1_000, 2_500];

postgresqlTest(
  "relay() loses nothing in PostgreSQL when it is killed three times under load",
  async (context) => {
    const { mongodb, mongodbUrl, database, relay, sql, schema } = context;
    const start = () => relay(["--lease", "1s", "--batch-size", "500"]);
    let running = start();
    await running.waitForLine(/Ready/);
    const mix = "insert=70,update=20,replace=5,delete=5";
    const load = run(
      ["db-workload", "--database", database, "--count", "8000", "--rate", "1500", "--mix", mix],
      { env: { MONGODB_URL: mongodbUrl } },
    );
    const killedAt: number[] = [];
    for (const moment of MOMENTS) {
      killedAt.push(
        await eventually(async () => {
          const rows = await countRows(context);
          assert.ok(rows >= moment, `${rows} of ${moment} rows`);
          return rows;
        }, { interval: 10 }),
      );
      assert.equal((await running.kill("SIGKILL")).signal, "SIGKILL");
      running = start();
    }
    assert.equal((await load).code, 0);
    const documents = await mongodb.db(database).collection("data").countDocuments();
    assert.ok(killedAt.every((rows) => rows < documents), `killed at ${killedAt} of ${documents} rows`);
    await inStep(context, { interval: 250 });
    assert.equal((await running.kill()).code, 0);
    assert.deepEqual(await compare(context), []);
    assert.deepEqual(await sql(`SELECT oid FROM "${schema}".cdc_dead_letter`), []);
  },
  { ownProcess: true },
);
