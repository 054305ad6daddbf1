import type { Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { inStep } from "../support/compare.ts";
import { faultTest } from "../support/cratedb_harness.ts";

const ROWS = 1_000;
/** CrateDB reserves 2 MB for up to 250 of these rows, and 4 MB for all in one statement. */
const LIMIT = "3mb";

faultTest("relay() writes in smaller parts what CrateDB refuses for lack of memory", async (context) => {
  const { mongodb, database, relay, sql, table, schema } = context;
  const data = mongodb.db(database).collection<Document>("data");
  const running = relay();
  await running.waitForLine(/Ready/);
  await data.insertOne({ _id: -1, s: "" } as Document);
  await inStep(context);
  await sql(`SET GLOBAL TRANSIENT "indices.breaker.query.limit" = '${LIMIT}'`);
  try {
    const documents = Array.from({ length: ROWS }, (_, _id) => ({ _id, s: "x".repeat(2_000) }));
    // The events of a transaction arrive together, so that all rows are in one statement.
    await mongodb.withSession((session) =>
      session.withTransaction(() => data.insertMany(documents as Document[], { session }))
    );
    await running.waitForLine(/CircuitBreaking|breaker would use|Data too large/);
    await eventually(async () => {
      const [row] = await sql(`SELECT count(*) AS n FROM "${schema}"."${table}"`);
      if (row?.n !== ROWS + 1) throw new Error(`${row?.n} rows of ${ROWS + 1}`);
    });
  } finally {
    await sql('RESET GLOBAL "indices.breaker.query.limit"');
  }
  await inStep(context);
});
