import assert from "node:assert/strict";
import { raw } from "../support/raw_bson.ts";
import { inStep } from "../support/compare.ts";
import { cratedbTest, type TransportName } from "../support/cratedb_harness.ts";
import { randomDocuments, randomUpdate, randomValues, SEED, withId } from "../support/random_documents.ts";
import { rawCommand } from "../support/raw_command.ts";
import { variants } from "../support/nightly.ts";

const BATCH = 100;
/** Few enough for the limit to be met; CrateDB is slow with many, and the slower when it infers them. */
const COLUMNS = { typed: 500, dynamic: 200 };

interface Run {
  readonly columns: "typed" | "dynamic";
  readonly transport: TransportName;
  readonly documents: number;
}

const RUNS = variants<Run>([
  { columns: "typed", transport: "http", documents: 500 },
  { columns: "dynamic", transport: "wire", documents: 200 },
], [
  { columns: "typed", transport: "wire", documents: 1_000 },
  { columns: "dynamic", transport: "http", documents: 200 },
]);

for (const { columns, transport, documents } of RUNS) {
  const name =
    `relay() with --columns ${columns} stores random documents whole, over ${transport} (RANDOM_SEED=${SEED})`;
  cratedbTest(name, async (context) => {
    const { mongodb, database, relay, sql, table } = context;
    await sql(
      `CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC), overflow OBJECT(IGNORED)) ` +
        `CLUSTERED INTO 1 SHARDS WITH ("mapping.total_fields.limit" = ${COLUMNS[columns]})`,
    );
    const db = mongodb.db(database);
    const running = relay(["--columns", columns, "--batch-size", `${BATCH}`], { transport });
    await running.waitForLine(/Ready/);

    const whole = randomDocuments(documents);
    const values = randomValues(documents);
    for (let from = 0; from < documents; from += BATCH) {
      const batch = whole.slice(from, from + BATCH);
      assert.deepEqual(
        await rawCommand(db, "insert", batch.map((document, at) => withId(raw.int32(from + at), document))),
        [],
      );
      const updates = values.slice(from, from + BATCH).map((value, at) =>
        randomUpdate(raw.int32((from + at) * 7 % (from + BATCH)), value, at)
      );
      assert.deepEqual(await rawCommand(db, "update", updates), []);
      await db.collection<{ _id: number }>("data").deleteMany({ _id: { $mod: [31, from / BATCH] } });
      if (from === 0) await inStep(context);
    }
    await inStep(context, { interval: 500 }).catch((error) => {
      throw new Error(running.stderr.join("\n"), { cause: error });
    });
    assert.deepEqual(await sql("SELECT oid, error FROM cdc_dead_letter"), []);
    assert.equal((await running.kill()).code, 0);
  });
}
