/** A collection gets another table, which exists already. */
import assert from "node:assert/strict";
import { inStep } from "../support/compare.ts";
import { cratedbTest } from "../support/cratedb_harness.ts";
import { countRows } from "../support/follow.ts";
import { relayYaml } from "../support/relay_yaml.ts";

cratedbTest(
  "a collection whose table was changed is copied to the new one, which plan has created",
  async (context) => {
    const { mongodb, database, schema, sql } = context;
    const collection = mongodb.db(database).collection<{ readonly _id: number }>("data");
    await collection.insertMany(Array.from({ length: 20 }, (_, _id) => ({ _id })));
    const stream = { database, table: `${schema}.{collection}` };
    await using file = await relayYaml(context, { shop: stream });
    const before = file.relay();
    await before.waitForLine(/Ready/);
    assert.equal((await before.kill()).code, 0);

    const moved = { table: `${schema}.moved`, filter: { _id: { $gte: 0 } } };
    await file.write({ shop: { ...stream, collections: { data: moved } } });
    const { code, stdout, stderr } = await file.run("config diff");
    assert.equal(code, 3, stderr);
    assert.match(stdout, /Collections that need a snapshot: 1, with 20 rows in their tables/);

    await file.write({ shop: { ...stream, collections: { data: { table: `${schema}.moved` } } } });
    const planned = await file.run("plan", "--apply");
    assert.equal(planned.code, 0, planned.stderr);
    const after = file.relay();
    await after.waitForLine(/Ready/);
    await inStep({ ...context, table: "moved" }, { collections: ["data"] });
    assert.equal(await countRows({ ...context, table: "moved" }), 20);
    assert.equal((await after.kill()).code, 0);
    await sql("REFRESH TABLE cdc_collection");
    const [saved] = await sql("SELECT table_name FROM cdc_collection WHERE collection = 'data'");
    assert.deepEqual(saved, { table_name: "moved" });

    const again = file.relay();
    await again.waitForLine(/Ready/);
    assert.ok(!again.stderr.some((line) => /new snapshot/.test(line)));
  },
);
