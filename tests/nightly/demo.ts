import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { showCheck } from "../../dev/demo/show_check.ts";
import { textTable } from "../../lib/util/text.ts";
import type { Sides } from "../../dev/demo/sides.ts";
import { eventually } from "../../dev/servers/eventually.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { mongodbTest } from "../support/mongodb_harness.ts";
import { run, start } from "../../dev/process/program.ts";

const FOLLOWING = /^The relay follows (cdc_demo_\w+), and writes to the schema \1 of CrateDB\.$/m;

const settings = ({ mongodbUrl, httpUrl }: CratedbContext) => ({
  MONGODB_URL: mongodbUrl,
  CRATEDB_SQLALCHEMY_URL: httpUrl,
});

/** What a demo has left in both databases. */
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
  "demo() shows documents and their rows, a load and an equal check, and leaves nothing",
  async (context) => {
    const { code, stdout, stderr } = await run(["demo", "--count", "300"], { env: settings(context) });
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^MongoDB: .+, as MONGODB_URL says$/m);
    assert.match(stderr, /^CrateDB: .+, as CRATEDB_SQLALCHEMY_URL says$/m);
    for (
      const line of [
        /^Insert \(in the table after \d+ ms\)$/m,
        /^ {2}temperature {2}Double\(4\.5\) +4\.5 +data {2}DOUBLE PRECISION$/m,
        /^Update \(in the table after \d+ ms\)$/m,
        /^ {2}tags +\[ 'coast', 'rain' \] +\["coast","rain"\] +data {2}ARRAY\(TEXT\)$/m,
        /^Replace \(in the table after \d+ ms\)$/m,
        /^Delete \(gone from the table after \d+ ms\)$/m,
        /^ {2}_id +no document +no row$/m,
        /^ {2}long +Long\('9007199254740993'\) +9007199254740993 +data +BIGINT$/m,
        /^ {2}mixed .+ \[1,"two",\{"three":3\}\] +overflow {2}/m,
        /^ {2}temperature {2}Int32\(20\) +20 +data {2}BIGINT$/m,
        /^ {2}temperature {2}Double\(20\.5\) +20\.5 +data {2}DOUBLE PRECISION$/m,
        /^ {2}temperature {2}'warm' +"warm" +overflow {2}DOUBLE PRECISION$/m,
        /^Load: 300 operations/m,
        /^ {2}rate +[\d,]+ operations a second/m,
        /^ {2}freshness +\d+ ms from a write to its row/m,
        /^ {2}Equal: (\d+) documents, \1 rows, none differs\.$/m,
      ]
    ) assert.match(stdout, line);
    assert.doesNotMatch(stdout + stderr, /[^\P{Cc}\n]/u);
    assert.deepEqual(await tracesOf(nameIn(stderr), context), []);
  },
);

cratedbTest(
  "demo() prints with --keep how to look, and stops on Ctrl-C with everything removed",
  async (context) => {
    const running = start(["demo", "--keep", "--count", "10"], { env: settings(context) });
    await using _killed = running;
    await running.waitForLine(/stays there until Ctrl-C\.$/);
    const database = nameIn(running.stderr.join("\n"));
    assert.ok((await tracesOf(database, context)).includes("conflicts"));
    assert.equal((await running.kill("SIGINT")).code, 0);
    assert.deepEqual(await tracesOf(database, context), []);
  },
);

for (const [signal, code] of [["SIGINT", 0], ["SIGKILL", 137]] as const) {
  cratedbTest(`demo() leaves nothing when ${signal} ends it at work`, async (context) => {
    await using running = start(["demo"], { env: settings(context) });
    await running.waitForLine(FOLLOWING);
    const database = nameIn(running.stderr.join("\n"));
    assert.equal((await running.kill(signal)).code, code);
    await eventually(async () => assert.deepEqual(await tracesOf(database, context), []));
  });
}

cratedbTest("demo() reports what is wrong with a server that is named", async ({ httpUrl }) => {
  const env = {
    MONGODB_URL: "mongodb://me:secret@127.0.0.1:1/?serverSelectionTimeoutMS=500",
    CRATEDB_SQLALCHEMY_URL: httpUrl,
  };
  const { code, stdout, stderr } = await run(["demo"], { env });
  assert.equal(code, 1);
  assert.equal(stdout, "");
  assert.match(stderr, /^Error: MongoDB cannot be reached: .*127\.0\.0\.1:1\nIs it running, .*\n$/);
});

mongodbTest("demo() shows the same on PGlite if no CrateDB is available", async ({ mongodbUrl }) => {
  const env = { MONGODB_URL: mongodbUrl, DOCKER_HOST: "tcp://127.0.0.1:1" };
  const { code, stdout, stderr } = await run(["demo", "--count", "300"], { env });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^Starting CrateDB …$/m);
  assert.match(stderr, /^PostgreSQL: PGlite .+, as CRATEDB_URL is not set and no container engine answers$/m);
  assert.match(stdout, /^ {2}field +document in MongoDB +row in PostgreSQL +in$/m);
  assert.match(stdout, /^ {2}temperature {2}'warm' +"warm" +data$/m);
  assert.match(stdout, /^ {2}Equal: (\d+) documents, \1 rows, none differs\.$/m);
});

Deno.test("showCheck() names what differs, and fails", async () => {
  const sides: Pick<Sides, "documents" | "rows"> = {
    documents: () => Promise.resolve([{ oid: "1", bytes: BSON.serialize({ _id: 1, t: 20.5 }) }]),
    rows: () =>
      Promise.resolve([
        { oid: "1", data: '{"_id":1,"t":20}', overflow: null },
        { oid: "2", data: '{"_id":2}', overflow: '{"t":"warm"}' },
      ]),
  };
  const lines: string[] = [];
  const screen = {
    width: 80,
    strong: (text: string) => text,
    faint: (text: string) => text,
    print: (...more: string[]) => void lines.push(...more),
    tell: () => {},
  };
  const { signal } = new AbortController();
  await assert.rejects(
    showCheck(["readings"], { sides, screen, signal, grace: 0 }),
    /^UserError: Collections and tables differ: 2 keys\.$/,
  );
  assert.deepEqual(lines.slice(2), [
    "  collection  documents  rows  differing",
    "  readings    1          2     2",
    "  readings 1",
    '    document  {"_id":1,"t":20.5}',
    '    row       {"_id":1,"t":20}',
    "  readings 2",
    "    document  none",
    '    row       {"_id":2,"t":"warm"}',
  ]);
});

Deno.test("textTable() leaves empty columns out, and cuts the widest without room", () => {
  const table = {
    header: ["field", "data", "in"],
    rows: [["t", '"a long, long text"', ""], ["_id", "1", ""]],
  };
  assert.deepEqual(textTable(table, 20), ["field  data", 't      "a long, lon…', "_id    1"]);
});
