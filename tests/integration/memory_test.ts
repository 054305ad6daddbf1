import assert from "node:assert/strict";
import { eventually } from "../../dev/servers/eventually.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { mostMemory } from "../../dev/process/most_memory.ts";
import type { Running } from "../../dev/process/program.ts";

const MEGABYTE = 2 ** 20;
const COUNT = 1_500;
const LENGTH = 200_000;
/** All documents at once take more: 300 MB as BSON, and several times that on their way. */
const BOUND = 450 * MEGABYTE;

const collectionOf = ({ mongodb, database }: CratedbContext) => mongodb.db(database).collection("data");

async function insertLarge(context: CratedbContext): Promise<void> {
  const data = collectionOf(context);
  const text = "t".repeat(LENGTH);
  const bulk = 50;
  for (let at = 0; at < COUNT; at += bulk) {
    await data.insertMany(Array.from({ length: bulk }, (_, n) => ({ n: at + n, v: 1, text, secret: "s" })));
  }
}

/** Resolves when each document has its row, all with this `v`, and none is cut. */
const allThere = ({ sql, schema, table }: CratedbContext, v: number) =>
  eventually(async () => {
    await sql(`REFRESH TABLE "${schema}"."${table}"`);
    const found = await sql(
      `SELECT count(*) AS rows, count(DISTINCT data['n']) AS n, min(data['v']) AS oldest, ` +
        `min(length(overflow['text']::TEXT)) AS shortest FROM "${schema}"."${table}"`,
    );
    assert.deepEqual(found, [{ rows: COUNT, n: COUNT, oldest: v, shortest: LENGTH }]);
  }, { timeout: 60_000, interval: 500 });

async function assertBounded({ pid }: Running): Promise<void> {
  const most = await mostMemory(pid);
  if (most !== undefined) assert.ok(most < BOUND, `${Math.round(most / MEGABYTE)} MB`);
}

cratedbTest("relay() copies large documents in parts without having all in memory", async (context) => {
  await insertLarge(context);
  // It also looks whether the documents of all rows are still there.
  const running = context.relay(["--omit", "secret", "--snapshot", "always"]);
  await running.waitForLine(new RegExp(`Snapshot done documents=${COUNT}`), { timeout: 60_000 });
  await allThere(context, 1);
  await assertBounded(running);
  assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
});

cratedbTest("relay() looks up many large documents without having all in memory", async (context) => {
  await insertLarge(context);
  const running = context.relay(["--omit", "secret", "--snapshot", "never"]);
  await running.waitForLine(/Ready/);
  await collectionOf(context).updateMany({}, { $set: { v: 2 } });
  await allThere(context, 2);
  await assertBounded(running);
  assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
});
