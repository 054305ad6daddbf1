/** `plan` on servers: what it predicts is what a relay does. */
import assert from "node:assert/strict";
import { definedColumns } from "../../lib/sink/table/show_create_table.ts";
import type { StreamPlan } from "../../lib/plan/plan.ts";
import { run } from "../support/program.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { randomDocuments, withId } from "../support/random_documents.ts";
import { raw } from "../support/raw_bson.ts";
import { rawCommand } from "../support/raw_command.ts";

/** Plans a relay of the whole database, whose tables are in `schema`. */
const plan = ({ mongodbUrl, httpUrl, database, schema }: CratedbContext, ...args: string[]) =>
  run(
    ["plan", "--database", database, "--table", `${schema}.{collection}`, "--shards", "1", ...args],
    { env: { MONGODB_URL: mongodbUrl, CRATEDB_SQLALCHEMY_URL: httpUrl } },
  );

async function planned(context: CratedbContext, ...args: string[]): Promise<StreamPlan> {
  const { stdout, stderr } = await plan(context, ...args, "--json");
  assert.notEqual(stdout, "", stderr);
  return JSON.parse(stdout);
}

const tablesOf = async ({ sql, schema }: CratedbContext) =>
  (await sql("SELECT table_name AS name FROM information_schema.tables WHERE table_schema = ?", [schema]))
    .map(({ name }) => String(name)).filter((name) => !name.startsWith("cdc_")).sort();

async function columnsOf({ sql }: CratedbContext, table: string): Promise<string[]> {
  const [row = {}] = await sql(`SHOW CREATE TABLE "${table}"`);
  return definedColumns(String(Object.values(row)[0])).map(({ path, type }) =>
    `${JSON.stringify(path)} ${type}`
  )
    .sort();
}

/** The relay, from its first document to its last. */
async function copy({ relay, database, schema }: CratedbContext): Promise<void> {
  const flags = ["--database", database, "--table", `${schema}.{collection}`, "--snapshot", "only"];
  assert.equal((await relay(flags).status).code, 0);
}

cratedbTest(
  "the script of plan creates the tables of a relay, and the overflow is as predicted",
  async (context) => {
    const { mongodb, database, sql } = context;
    const documents = randomDocuments(60).map((document, n) => withId(raw.int32(n), document));
    await rawCommand(mongodb.db(database), "insert", documents);
    await mongodb.db(database).collection("prices").insertMany(
      Array.from(
        { length: 200 },
        (_, n) => ({ price: n % 50 === 7 ? "free" : n + 0.5, list: [{ n }], tags: ["a"] }),
      ),
    );
    const { collections: [data, prices] } = await planned(context);
    const { stdout, code } = await plan(context, "--output", "sql");
    assert.equal(code, 0);
    for (const statement of stdout.replace(/^--.*$/gm, "").split(/;$/m)) {
      if (statement.trim()) await sql(statement);
    }
    assert.deepEqual(await tablesOf(context), ["data", "prices"]);
    const predicted = [await columnsOf(context, "data"), await columnsOf(context, "prices")];
    for (const table of ["data", "prices"]) await sql(`DROP TABLE "${table}"`);

    await copy(context);
    assert.deepEqual([await columnsOf(context, "data"), await columnsOf(context, "prices")], predicted);
    assert.deepEqual([data?.collection, data?.documents], [`${database}.data`, 60]);
    const [real] = await sql("SELECT count(overflow['price']) AS n FROM prices");
    assert.equal(Number(real?.n), (prices?.overflowing ?? 0) * 200);
    const { types, column, overflow } = prices?.paths.find(({ path }) => path === "price") ?? {};
    assert.deepEqual([types, column, overflow], [{ double: 0.98, string: 0.02 }, "DOUBLE PRECISION", 0.02]);
  },
);

cratedbTest("plan measures in a table that it drops, and changes nothing else", async (context) => {
  const { mongodb, database } = context;
  const data = mongodb.db(database).collection("data");
  await data.insertMany(
    Array.from({ length: 50 }, (_, n) => ({ n, place: { type: "Point", coordinates: [1, n] } })),
  );
  await data.createIndex({ place: "2dsphere" });
  await mongodb.db(database).createCollection("empty");
  const { collections: [measured, empty] } = await planned(context, "--measure", "500");
  assert.deepEqual([measured?.measured?.rows, measured?.measured?.refused], [500, 0]);
  assert.ok((measured?.measured?.bytesPerRow ?? 0) > 10, "of the rows, not of an empty table");
  assert.match(measured?.suggestions.join() ?? "", /types:, {4}place: geo_point/);
  assert.deepEqual([empty?.sampled, empty?.paths], [0, []]);
  assert.deepEqual(await tablesOf(context), []);
  const { stdout } = await plan(context);
  assert.match(stdout, /^\S+\.\*\n[^]*"data"\n +50 documents; 50 sampled have \d+ bytes/);
  assert.match(stdout, /empty\S*\n +No document to sample/);
  assert.match(
    stdout,
    /2 collections, \d+ shards to create\nThe snapshot takes about .* the oplog reaches back/,
  );
});

cratedbTest(
  "plan --apply creates what is missing, and refuses a table that does not fit",
  async (context) => {
    const { mongodb, database, sql } = context;
    for (const name of ["one", "two"]) await mongodb.db(database).collection(name).insertOne({ n: 1 });
    await sql('CREATE TABLE "two" (id TEXT PRIMARY KEY) CLUSTERED INTO 1 SHARDS');
    const applied = await plan(context, "--apply");
    assert.equal(applied.code, 3, applied.stdout + applied.stderr);
    assert.match(applied.stdout, /wrong .*"two" cannot be used: `oid` is not its primary key/);
    assert.deepEqual(await tablesOf(context), ["one", "two"]);
    assert.ok((await columnsOf(context, "one")).includes('["data","n"] BIGINT'));
    await sql('DROP TABLE "two"');
    assert.equal((await plan(context, "--apply")).code, 0);
    await copy(context);
    assert.deepEqual(await sql('SELECT count(*) AS n FROM "two"'), [{ n: 1 }]);
  },
);

cratedbTest("plan shows the half of MongoDB if CrateDB is away", async (context) => {
  await context.mongodb.db(context.database).collection("data").insertOne({ n: 1 });
  const { stdout, code } = await plan({ ...context, httpUrl: "crate://127.0.0.1:1" });
  assert.equal(code, 4);
  assert.match(stdout, /^wrong +CrateDB +CrateDB cannot be reached/m);
  assert.match(stdout, /n +int32 +BIGINT/);
});
