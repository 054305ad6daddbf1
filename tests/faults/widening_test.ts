import assert from "node:assert/strict";
import type { Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { inStep } from "../support/compare.ts";
import { faultTest } from "../support/cratedb_harness.ts";
import { assertFilled, fill } from "../support/filled_table.ts";
import { holdingCratedb } from "../support/holding_cratedb.ts";
import { assertNoLeftovers } from "../support/widened.ts";

const ROWS = 2_500;

faultTest("relay() widens a column when CrateDB was killed in the middle of it", async (context) => {
  const { mongodb, database, relay, sql, table, cratedbServer } = context;
  const data = mongodb.db(database).collection<Document>("data");
  await using cratedb = holdingCratedb(context);
  const running = relay(["--lease", "1s"], { env: { CRATEDB_SQLALCHEMY_URL: cratedb.url } });
  await running.waitForLine(/Ready/);
  await data.insertMany([{ _id: 1, t: 20 }, { _id: 2, t: 21 }] as Document[]);
  await inStep(context);
  await fill(context, ROWS);
  const arrived = cratedb.hold(/INSERT INTO [^(]*~/);
  await data.insertOne({ _id: 3, t: 20.5 } as Document);
  await arrived;
  await cratedbServer.kill();
  cratedb.release();
  await running.waitForLine(/trying again/);
  await cratedbServer.restore();
  await running.waitForLine(/Widened to DOUBLE PRECISION/);
  await assertFilled(context, ROWS);
  await inStep(context);
  assert.deepEqual(await sql(`SELECT count(data['t']) AS n, avg(data['t']) AS t FROM "${table}"`), [
    { n: 3, t: 20.5 },
  ]);
  assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
  await eventually(() => assertNoLeftovers(context));
});
