/** Settings of a collection that is created while the relay runs. */
import assert from "node:assert/strict";
import { inStep } from "../support/compare.ts";
import { cratedbTest } from "../support/cratedb_harness.ts";
import { relayYaml } from "../support/relay_yaml.ts";

cratedbTest(
  "a collection that is created later has the post-images that its settings require",
  async (context) => {
    const { mongodb, database, schema } = context;
    const db = mongodb.db(database);
    await db.collection<{ _id: number }>("users").insertOne({ _id: 1 });
    await using file = await relayYaml(context, {
      shop: {
        database,
        table: `${schema}.{collection}`,
        collections: { orders: { fullDocument: "required" } },
      },
    });
    const relay = file.relay();
    await relay.waitForLine(/Ready/);
    const orders = await db.createCollection<{ _id: number; n?: number }>("orders", {
      changeStreamPreAndPostImages: { enabled: true },
    });
    await orders.insertOne({ _id: 1 });
    await orders.updateOne({ _id: 1 }, { $set: { n: 1 } });
    await inStep({ ...context, table: "orders" }, { collections: ["orders"] });
    assert.ok(!relay.stderr.some((line) => /failed/.test(line)), relay.stderr.join("\n"));
  },
);

cratedbTest(
  "a filter that MongoDB refuses ends the process also if its collection does not exist yet",
  async (context) => {
    const { mongodb, database, schema } = context;
    await mongodb.db(database).collection<{ _id: number }>("users").insertOne({ _id: 1 });
    await using file = await relayYaml(context, {
      shop: {
        database,
        table: `${schema}.{collection}`,
        collections: { later: { filter: { n: { $nope: 1 } } } },
      },
    });
    const relay = file.relay();
    await relay.waitForLine(/MongoDB refuses --filter.*unknown operator: \$nope/);
  },
);
