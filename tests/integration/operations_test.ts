import assert from "node:assert/strict";
import { eventually } from "../../dev/servers/eventually.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { inStep } from "../support/compare.ts";

const rows = async ({ sql, schema, table }: CratedbContext) => {
  await sql(`REFRESH TABLE "${schema}"."${table}"`);
  return await sql(`SELECT oid, data['n'] AS n FROM "${schema}"."${table}" ORDER BY oid`);
};

cratedbTest("relay() follows each type of operation", async (context) => {
  const { mongodb, database, relay } = context;
  const data = mongodb.db(database).collection<{ _id: string; n?: number; m?: number }>("data");
  await relay().waitForLine(/Ready/);
  const seen = (expected: unknown) => eventually(async () => assert.deepEqual(await rows(context), expected));

  await data.insertMany([{ _id: "a", n: 1 }, { _id: "b", n: 2 }, { _id: "c", n: 3 }]);
  await seen([{ oid: "a", n: 1 }, { oid: "b", n: 2 }, { oid: "c", n: 3 }]);
  await data.updateOne({ _id: "a" }, { $set: { n: 10 } });
  await data.updateOne({ _id: "b" }, { $unset: { n: "" } });
  await seen([{ oid: "a", n: 10 }, { oid: "b", n: null }, { oid: "c", n: 3 }]);
  await data.replaceOne({ _id: "c" }, { m: 7 });
  await inStep(context);
  await data.deleteOne({ _id: "a" });
  await data.deleteMany({ _id: { $in: ["b"] } });
  await seen([{ oid: "c", n: null }]);
  await inStep(context);
});

cratedbTest("relay() writes what changed while it was stopped, over wire", async (context) => {
  const { mongodb, database, relay } = context;
  const data = mongodb.db(database).collection<{ _id: number; n: number }>("data");
  const first = relay([], { transport: "wire" });
  await first.waitForLine(/Ready/);
  await data.insertMany([{ _id: 1, n: 1 }, { _id: 2, n: 2 }]);
  await inStep(context);
  assert.equal((await first.kill()).code, 0);

  await data.updateOne({ _id: 1 }, { $set: { n: 10 } });
  await data.deleteOne({ _id: 2 });
  await data.insertOne({ _id: 3, n: 3 });
  const second = relay([], { transport: "wire" });
  await second.waitForLine(/Resuming from the saved position/);
  await inStep(context);
  assert.equal((await second.kill()).code, 0);
});

cratedbTest("relay() deletes rows that were written a moment before", async (context) => {
  const { mongodb, database, relay } = context;
  const data = mongodb.db(database).collection<{ _id: number; n: number }>("data");
  const first = relay();
  await first.waitForLine(/Ready/);
  await first.kill();
  const batch = 20;
  for (let start = 0; start < 10 * batch; start += batch) {
    const ids = Array.from({ length: batch }, (_, at) => start + at);
    await data.insertMany(ids.map((_id) => ({ _id, n: _id })));
    await data.deleteMany({ _id: { $in: ids } });
  }
  await data.insertOne({ _id: -1, n: 1 });
  relay(["--batch-size", `${batch}`, "--refresh-interval", "1h"]);
  await inStep(context);
  assert.deepEqual(await rows(context), [{ oid: "-1", n: 1 }]);
});

cratedbTest("relay() skips an update whose document is deleted by then", async (context) => {
  const { mongodb, database, relay } = context;
  const data = mongodb.db(database).collection<{ _id: string; n: number }>("data");
  const first = relay();
  await first.waitForLine(/Ready/);
  await first.kill();
  await data.insertOne({ _id: "a", n: 1 });
  await data.updateOne({ _id: "a" }, { $set: { n: 2 } });
  await data.deleteOne({ _id: "a" });
  await data.insertOne({ _id: "b", n: 1 });
  const second = relay();
  await inStep(context);
  assert.deepEqual(await rows(context), [{ oid: "b", n: 1 }]);
  assert.equal((await second.kill()).code, 0);
});

/** A stream of one collection reports each of them as the end of that collection. */
const ENDINGS: Readonly<Record<string, (context: CratedbContext) => Promise<unknown>>> = {
  drop: ({ mongodb, database }) => mongodb.db(database).collection("data").drop(),
  rename: ({ mongodb, database }) => mongodb.db(database).collection("data").rename("elsewhere"),
  dropDatabase: ({ mongodb, database }) => mongodb.db(database).dropDatabase(),
};

for (const [ending, end] of Object.entries(ENDINGS)) {
  for (const [onDrop, kept] of [["keep", ["new", "old"]], ["truncate", ["new"]]] as const) {
    cratedbTest(`relay() goes on after ${ending}, rows with --on-drop ${onDrop}`, async (context) => {
      const { mongodb, database, relay } = context;
      const data = mongodb.db(database).collection<{ _id: string; n: number }>("data");
      const running = relay(["--on-drop", onDrop]);
      await running.waitForLine(/Ready/);
      await data.insertOne({ _id: "old", n: 1 });
      await inStep(context);
      await end(context);
      await running.waitForLine(/A collection was dropped/);
      await data.insertOne({ _id: "new", n: 2 });
      const seen = () =>
        eventually(async () => assert.deepEqual((await rows(context)).map(({ oid }) => oid), kept));
      await seen();

      assert.equal((await running.kill()).code, 0);
      await data.insertOne({ _id: "newer", n: 3 });
      await data.deleteOne({ _id: "newer" });
      const again = relay(["--on-drop", onDrop]);
      await again.waitForLine(/Resuming from the saved position/);
      await data.updateOne({ _id: "new" }, { $set: { n: 20 } });
      await eventually(async () =>
        assert.deepEqual((await rows(context)).find(({ oid }) => oid === "new")?.n, 20)
      );
      await seen();
    });
  }
}

cratedbTest("relay() goes on when it was stopped while the collection was dropped", async (context) => {
  const { mongodb, database, relay } = context;
  const data = mongodb.db(database).collection<{ _id: string; n: number }>("data");
  const first = relay(["--on-drop", "truncate"]);
  await first.waitForLine(/Ready/);
  await data.insertOne({ _id: "old", n: 1 });
  await inStep(context);
  await first.kill();
  await data.drop();
  await data.insertOne({ _id: "new", n: 2 });
  relay(["--on-drop", "truncate"]);
  await inStep(context);
  assert.deepEqual(await rows(context), [{ oid: "new", n: 2 }]);
});
