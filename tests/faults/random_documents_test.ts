import assert from "node:assert/strict";
import { raw } from "../support/raw_bson.ts";
import { inStep } from "../support/compare.ts";
import { faultTest } from "../support/cratedb_harness.ts";
import { randomDocuments, SEED, withId } from "../support/random_documents.ts";
import { rawCommand } from "../support/raw_command.ts";
import { variants } from "../support/nightly.ts";

const DOCUMENTS = 400;

for (const columns of variants(["typed"], ["ignored"])) {
  const name = `random documents with --columns ${columns} outlast a crash of CrateDB (RANDOM_SEED=${SEED})`;
  faultTest(name, async (context) => {
    const { mongodb, database, relay, sql, table, cratedbServer } = context;
    await sql(
      `CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, ` +
        `data OBJECT(${columns === "ignored" ? "IGNORED" : "DYNAMIC"}), overflow OBJECT(IGNORED)) ` +
        'CLUSTERED INTO 1 SHARDS WITH ("mapping.total_fields.limit" = 500)',
    );
    const documents = randomDocuments(DOCUMENTS).map((document, at) => withId(raw.int32(at), document));
    assert.deepEqual(await rawCommand(mongodb.db(database), "insert", documents), []);
    const running = relay(["--columns", columns]);
    await running.waitForLine(/Ready/);
    await inStep(context);
    await cratedbServer.kill();
    await cratedbServer.restore();
    await inStep(context);
    assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
  });
}
