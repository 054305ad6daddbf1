/** Requests that change settings of a relay while it runs. */
import assert from "node:assert/strict";
import { eventually } from "../../dev/servers/eventually.ts";
import { inStep } from "../support/compare.ts";
import { ends, request } from "../support/control_rows.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { countRows } from "../support/follow.ts";
import { relayYaml } from "../support/relay_yaml.ts";

const dataOf = ({ mongodb, database }: CratedbContext) =>
  mongodb.db(database).collection<{ readonly _id: number; readonly card?: string }>("data");

cratedbTest("rate changes a snapshot that runs, and one that a pause has interrupted", async (context) => {
  const { relay } = context;
  await dataOf(context).insertMany(Array.from({ length: 1_000 }, (_, _id) => ({ _id })));
  // One document a second: without a request, it would take a quarter of an hour.
  const running = relay(["--snapshot-rate", "1", "--refresh-interval", "50ms"]);
  await eventually(async () => assert.ok(await countRows(context) > 0));
  await request(context, "slow", "rate", { snapshot: 2 });
  assert.equal(await ends(context, "slow"), "Rate: snapshot 2 documents/s; until the next reload or start.");
  await request(context, "p", "pause");
  await ends(context, "p");
  assert.ok(await countRows(context) < 1_000);
  await request(context, "fast", "rate", { snapshot: 0, verify: 500 });
  assert.match(await ends(context, "fast"), /^Rate: snapshot without a limit, verify 500 documents\/s;/);
  await request(context, "r", "resume");
  await running.waitForLine(/Ready/);
  await inStep(context);
  await request(context, "none", "rate");
  assert.match(await ends(context, "none", "refused"), /^rate needs snapshot or verify/);
  await request(context, "reload", "reload");
  assert.match(await ends(context, "reload", "refused"), /^The relay was started without a file/);
});

cratedbTest(
  "reload reads the file again, and is refused with the reason if it cannot be used",
  async (context) => {
    const { database, schema, table, sql } = context;
    const stream = { database, collection: "data", table: `${schema}.${table}` };
    await dataOf(context).insertOne({ _id: 1, card: "1" });
    await using file = await relayYaml(context, { data: stream });
    const relay = file.relay();
    await relay.waitForLine(/Ready/);
    await file.write({ data: { ...stream, batchSize: "many" } });
    await request(context, "bad", "reload");
    assert.match(await ends(context, "bad", "refused"), /batchSize is not a whole number/);
    await file.write({ data: { ...stream, omit: ["card"] } });
    await request(context, "good", "reload");
    assert.equal(await ends(context, "good"), "The file was reloaded.");
    await dataOf(context).insertOne({ _id: 2, card: "2" });
    await eventually(async () => {
      await sql(`REFRESH TABLE "${table}"`);
      const [row] = await sql(
        `SELECT data['_id'] AS id, data['card'] AS card FROM "${table}" WHERE oid = '2'`,
      );
      assert.deepEqual(row, { id: 2, card: null });
    });
  },
);
