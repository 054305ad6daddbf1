import assert from "node:assert/strict";
import { eventually } from "../../dev/servers/eventually.ts";
import { compare, inStep } from "../support/compare.ts";
import { cratedbTest } from "../support/cratedb_harness.ts";
import { run } from "../support/program.ts";

const COUNT = 10_000;
const MIX = "insert=70,update=20,replace=5,delete=5";
/** Rows in the table at which the relay is killed. */
const MOMENTS = [1, 1_000, 2_500, 5_000];

cratedbTest("relay() loses nothing when it is killed four times under load", async (context) => {
  const { mongodb, mongodbUrl, database, relay, sql, schema, table } = context;
  const start = () => relay(["--lease", "1s", "--refresh-interval", "50ms", "--batch-size", "500"]);
  let running = start();
  await running.waitForLine(/Ready/);
  const load = run(
    ["db-workload", "--database", database, "--count", `${COUNT}`, "--rate", "2000", "--mix", MIX],
    { env: { MONGODB_URL: mongodbUrl } },
  );
  const killedAt: number[] = [];
  for (const moment of MOMENTS) {
    const rows = await eventually(async () => {
      const [{ n } = {}] = await sql(`SELECT count(*) AS n FROM "${schema}"."${table}"`);
      assert.ok(Number(n) >= moment, `${n} of ${moment} rows`);
      return Number(n);
    }, { interval: 10 });
    assert.equal((await running.kill("SIGKILL")).signal, "SIGKILL");
    killedAt.push(rows);
    running = start();
  }
  assert.equal((await load).code, 0);
  const documents = await mongodb.db(database).collection("data").countDocuments();
  assert.ok(killedAt.every((rows) => rows < documents), `killed at ${killedAt} of ${documents} rows`);

  await inStep(context, { interval: 500 });
  assert.equal((await running.kill()).code, 0);
  assert.deepEqual(await compare(context), []);
  assert.deepEqual(await sql("SELECT oid FROM cdc_dead_letter"), []);
}, { ownProcess: true });
