import assert from "node:assert/strict";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { mongodbTest } from "../support/mongodb_harness.ts";
import { run, start } from "../support/program.ts";

const script = "dev/demo/main.ts";
/** The demo does much at slow servers. */
const timeout = 180_000;

const FOLLOWING = /^The relay replicates the database (cdc_demo_\w+) into the schema \1 of CrateDB\.$/m;

const settings = ({ mongodbUrl, httpUrl }: CratedbContext) => ({
  MONGODB_URL: mongodbUrl,
  CRATEDB_SQLALCHEMY_URL: httpUrl,
});

/** Databases and tables of a demo. */
async function tracesOf(database: string, { mongodb, sql }: CratedbContext): Promise<string[]> {
  const { databases } = await mongodb.db("admin").admin().listDatabases({ nameOnly: true });
  const tables = await sql("SELECT table_name FROM information_schema.tables WHERE table_schema = ?", [
    database,
  ]);
  return [
    ...databases.map(({ name }) => name).filter((name) => name === database),
    ...tables.map(({ table_name }) => String(table_name)),
  ];
}

const nameIn = (text: string): string => {
  const [, database = ""] = FOLLOWING.exec(text) ?? [];
  assert.match(database, /^cdc_demo_/);
  return database;
};

cratedbTest(
  "demo() shows documents and their rows, a load and a check, and removes everything",
  async (context) => {
    const { code, stdout, stderr } = await run(["--count", "300"], {
      script,
      timeout,
      env: settings(context),
    });
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^MongoDB: .+ \(from MONGODB_URL\)$/m);
    assert.match(stderr, /^CrateDB: .+ \(from CRATEDB_SQLALCHEMY_URL\)$/m);
    for (
      const line of [
        /^Insert \(in the table after \d+ ms\)$/m,
        /^ {2}temperature {2}Double\(4\.5\) +4\.5 +data {2}DOUBLE PRECISION$/m,
        /^Update \(in the table after \d+ ms\)$/m,
        /^ {2}tags +\[ 'coast', 'rain' \] +\["coast","rain"\] +data {2}ARRAY\(TEXT\)$/m,
        /^Replace \(in the table after \d+ ms\)$/m,
        /^Delete \(deleted from the table after \d+ ms\)$/m,
        /^ {2}_id +no document +no row$/m,
        /^ {2}long +Long\('9007199254740993'\) +9007199254740993 +data +BIGINT$/m,
        /^ {2}mixed .+ \[1,"two",\{"three":3\}\] +overflow {2}/m,
        /^ {2}temperature {2}Int32\(20\) +20 +data {2}BIGINT$/m,
        /^ {2}temperature {2}Double\(20\.5\) +20\.5 +data {2}DOUBLE PRECISION$/m,
        /^ {2}temperature {2}'warm' +"warm" +overflow {2}DOUBLE PRECISION$/m,
        /^Load: 300 operations/m,
        /^ {2}rate +[\d,]+ operations a second/m,
        /^ {2}freshness +\d+ ms from a write to its row/m,
        /^ {2}cdc_demo_\w+\.load -> \S+: equal up to .+ \| (\d+) documents, \1 rows/m,
      ]
    ) assert.match(stdout, line);
    assert.doesNotMatch(stdout + stderr, /[^\P{Cc}\n]/u);
    assert.deepEqual(await tracesOf(nameIn(stderr), context), []);
  },
);

cratedbTest(
  "demo() prints queries with --keep, and removes everything on Ctrl-C",
  async (context) => {
    const running = start(["--keep", "--count", "10"], { script, env: settings(context) });
    await using _killed = running;
    await running.waitForLine(/stays, until Ctrl-C\.$/, { timeout });
    const database = nameIn(running.stderr.join("\n"));
    assert.ok((await tracesOf(database, context)).includes("conflicts"));
    assert.equal((await running.kill("SIGINT")).code, 0);
    assert.deepEqual(await tracesOf(database, context), []);
  },
);

cratedbTest("demo() removes everything when SIGINT ends it early", async (context) => {
  await using running = start([], { script, env: settings(context) });
  await running.waitForLine(FOLLOWING, { timeout });
  const database = nameIn(running.stderr.join("\n"));
  assert.equal((await running.kill("SIGINT")).code, 0);
  assert.deepEqual(await tracesOf(database, context), []);
});

cratedbTest("demo() reports a named server that does not answer", async ({ httpUrl }) => {
  const env = {
    MONGODB_URL: "mongodb://me:secret@127.0.0.1:1/?serverSelectionTimeoutMS=500",
    CRATEDB_SQLALCHEMY_URL: httpUrl,
  };
  const { code, stdout, stderr } = await run([], { script, env });
  assert.equal(code, 1);
  assert.equal(stdout, "");
  assert.match(
    stderr,
    /^Error: MongoDB cannot be reached: .*127\.0\.0\.1:1\nCheck that it is running, .*\n$/m,
  );
});

mongodbTest("demo() runs on PGlite if no CrateDB is available", async ({ mongodbUrl }) => {
  const env = { MONGODB_URL: mongodbUrl, DOCKER_HOST: "tcp://127.0.0.1:1" };
  const { code, stdout, stderr } = await run(["--count", "300"], { script, timeout, env });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^Starting CrateDB …$/m);
  assert.match(
    stderr,
    /^PostgreSQL: PGlite .+; CrateDB is not available: CRATEDB_URL is not set; no container engine answers$/m,
  );
  assert.match(stdout, /^ {2}field +document in MongoDB +row in PostgreSQL +in$/m);
  assert.match(stdout, /^ {2}temperature {2}'warm' +"warm" +data$/m);
  assert.match(stdout, /^ {2}cdc_demo_\w+\.load -> \S+: equal up to .+ \| (\d+) documents, \1 rows/m);
});

Deno.test("demo() refuses options that it does not know", async () => {
  const { code, stderr } = await run(["--count", "none"], { script });
  assert.deepEqual([code, stderr], [2, "Error: --count must be a whole number of at least 1: none\n"]);
});
