import assert from "node:assert/strict";
import { eventually } from "../../dev/servers/eventually.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { countRows } from "../support/follow.ts";
import { postgresqlTest } from "../support/postgresql_harness.ts";
import { variants } from "../support/nightly.ts";

/** Kind and collection of the events, in their order. */
async function events({ sql, schema }: CratedbContext): Promise<string[]> {
  await sql(`REFRESH TABLE "${schema}".cdc_events`);
  const rows = await sql(
    `SELECT kind, details['collection'] FROM "${schema}".cdc_events ORDER BY "at", kind`,
  );
  return rows.map((row) => Object.values(row).filter((each) => each !== null).join(" "));
}

for (const transport of variants(["http"], ["wire"])) {
  cratedbTest(`cdc_events tells what has happened to a stream, over ${transport}`, async (context) => {
    const { mongodb, database, relay, verify, schema, sql } = context;
    const data = mongodb.db(database).collection<{ _id: number; n: unknown }>("data");
    await data.insertMany([{ _id: 1, n: 1 }, { _id: 2, n: 2 }]);
    const first = relay([], { transport });
    await first.waitForLine(/Ready/);
    await data.insertOne({ _id: 3, n: "no number" });
    await eventually(async () => assert.equal(await countRows(context), 3));
    const { code } = await verify([], { transport });
    assert.equal(code, 0);
    await first.kill();
    const collection = `${database}.data`;
    assert.deepEqual((await events(context)).sort(), [
      `columns_added ${collection}`,
      "snapshot_done",
      "snapshot_started",
      "started",
      "stopped",
      `verify_equal ${collection}`,
    ]);
    const [row] = await sql(
      `SELECT stream, severity, message, "month" = date_trunc('month', "at") AS fits
       FROM "${schema}".cdc_events WHERE kind = 'snapshot_done'`,
    );
    assert.match(
      String(Object.values(row ?? {})),
      /^.*data.*,info,The snapshot of 2 documents is done after .*,true$/,
    );
  });
}

cratedbTest(
  "cdc_events loses its months of long ago, cdc_control its requests of then, and nothing else",
  async (context) => {
    const { mongodb, database, relay, schema, sql } = context;
    await mongodb.db(database).collection<{ _id: number }>("data").insertOne({ _id: 1 });
    const first = relay();
    await first.waitForLine(/Ready/);
    await first.kill();
    const before = await events(context);
    for (const [id, days] of [["old", 130], ["kept", 60]]) {
      await sql(
        `INSERT INTO "${schema}".cdc_events (id, "month", "at", kind)
       SELECT ?, date_trunc('month', t), t, ? FROM (SELECT CURRENT_TIMESTAMP - ?::bigint AS t) AS x`,
        [id, id, Number(days) * 86_400_000],
      );
      await sql(
        `INSERT INTO "${schema}".cdc_control (id, verb, state, ended_at)
       SELECT ?, 'rate', 'done', CURRENT_TIMESTAMP - ?::bigint`,
        [id, Number(days) * 86_400_000],
      );
    }
    const again = relay();
    await again.waitForLine(/Ready/);
    await again.kill();
    assert.deepEqual(await events(context), ["kept", ...before, "started", "stopped"]);
    await sql(`REFRESH TABLE "${schema}".cdc_control`);
    assert.deepEqual(await sql(`SELECT id FROM "${schema}".cdc_control`), [{ id: "kept" }]);
  },
);

postgresqlTest(
  "cdc_events is written to PostgreSQL, too",
  async ({ mongodb, database, relay, schema, sql }) => {
    await mongodb.db(database).collection<{ _id: number }>("data").insertOne({ _id: 1 });
    const running = relay();
    await running.waitForLine(/Ready/);
    assert.equal((await running.kill()).code, 0);
    const rows = await sql(
      `SELECT kind, details->>'documents' AS documents FROM "${schema}".cdc_events ORDER BY "at"`,
    );
    assert.deepEqual(rows.map(({ kind, documents }) => [kind, documents]).sort(), [
      ["snapshot_done", "1"],
      ["snapshot_started", "0"],
      ["started", null],
      ["stopped", null],
    ]);
  },
);
