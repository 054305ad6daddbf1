import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import postgres from "postgres";
import { eventually } from "../../dev/servers/eventually.ts";
import { NoServerError } from "../../dev/servers/first_server.ts";
import { startCratedb } from "../../dev/servers/start_cratedb.ts";
import { startMongodb } from "../../dev/servers/start_mongodb.ts";
import { cratedbTest, faultTest } from "../support/cratedb_harness.ts";
import { lines } from "../../dev/process/lines.ts";
import { mongodbTest, sharedMongodb } from "../support/mongodb_harness.ts";

const SUPPORT = join(import.meta.dirname ?? "", "..", "support");
const NO_ENGINE = { DOCKER_HOST: "tcp://127.0.0.1:1", NO_COLOR: "1", CRATEDB_URL: "" };

Deno.test("startMongodb() takes the server that a URL names, and shows no password", async () => {
  const url = "mongodb://me:secret@db.example.org/";
  await using mongodb = await startMongodb({ url });
  assert.equal(mongodb.url, url);
  assert.equal(mongodb.description, "MongoDB: mongodb://me:***@db.example.org/ (from MONGODB_URL)");
});

Deno.test("startCratedb() takes the server that a URL names, with HTTP on the same host", async () => {
  await using cratedb = await startCratedb({
    wireUrl: "postgresql://me:s%40fe@db.example.org:5433/doc",
    httpUrl: "",
  });
  assert.equal(cratedb.httpUrl, "crate://me:s%40fe@db.example.org");
  assert.equal(
    cratedb.description,
    "CrateDB: postgresql://me:***@db.example.org:5433/doc (from CRATEDB_URL)",
  );
});

Deno.test("startCratedb() reports why it has no server when the image cannot be pulled", async () => {
  const attempt = startCratedb({ wireUrl: "", image: "localhost:1/crate:none", pullTimeout: 5_000 });
  await assert.rejects(attempt, (error) => {
    assert.ok(error instanceof NoServerError);
    assert.match(
      error.message,
      /^CrateDB is not available: CRATEDB_URL is not set; (?:the image localhost:1\/crate:none|no container)/,
    );
    return true;
  });
});

mongodbTest(
  "startMongodb() starts a replica set whose change streams work",
  async ({ mongodb, database }) => {
    const collection = mongodb.db(database).collection("data");
    await collection.insertOne({ n: 0 });
    const stream = collection.watch();
    const change = stream.next();
    await eventually(async () => {
      await collection.insertOne({ n: 1 });
      assert.ok(await Promise.race([change, undefined]));
    });
    assert.equal((await change).operationType, "insert");
    await stream.close();
  },
);

cratedbTest(
  "startCratedb() answers over HTTP and over the PostgreSQL wire, each in the schema of its URL",
  async (context) => {
    const { sql, wireUrl, schema, table } = context;
    await sql(`CREATE TABLE "${table}" (n BIGINT)`);
    await sql(`INSERT INTO "${table}" (n) VALUES (?)`, [42]);
    await sql(`REFRESH TABLE "${table}"`);
    assert.deepEqual(await sql(`SELECT n FROM "${schema}"."${table}"`), [{ n: 42 }]);
    const wire = postgres(wireUrl, { fetch_types: false, max: 1 });
    try {
      assert.deepEqual([...await wire.unsafe(`SELECT n::text AS n FROM "${table}"`)], [{ n: "42" }]);
    } finally {
      await wire.end();
    }
  },
);

faultTest(
  "containerControl() pauses, kills and restores servers, which keep address and data",
  async (context) => {
    const { cratedbServer, mongodbServer, mongodb, database, sql, table } = context;
    await sql(`CREATE TABLE "${table}" (n BIGINT)`);
    await sql(`INSERT INTO "${table}" (n) VALUES (1)`);
    await mongodb.db(database).collection("data").insertOne({ n: 1 });

    await cratedbServer.pause();
    const answer = sql("SELECT 1 AS one");
    assert.equal(await Promise.race([answer, delay(500, "none")]), "none");
    await cratedbServer.resume();
    assert.deepEqual(await answer, [{ one: 1 }]);

    await Promise.all([cratedbServer.kill(), mongodbServer.kill()]);
    await assert.rejects(sql("SELECT 1"));
    await Promise.all([cratedbServer.restore(), mongodbServer.restore()]);
    await eventually(async () => assert.deepEqual(await sql(`SELECT n FROM "${table}"`), [{ n: 1 }]));
    assert.equal(await mongodb.db(database).collection("data").countDocuments(), 1);
  },
);

Deno.test({
  name: "sharedServer() is stopped when the test run is killed",
  ignore: !sharedMongodb.server || Boolean(Deno.env.get("MONGODB_URL")),
  async fn() {
    const script = `"${Deno.execPath()}" run -A "${join(SUPPORT, "server_host.ts")}" mongodb $$; true`;
    const run = new Deno.Command("sh", { args: ["-c", script], stdout: "piped" }).spawn();
    const output = lines(run.stdout);
    const { server } = JSON.parse((await output.next()).value ?? "");
    const [hostname = "", port] = new URL(server.url).host.split(":");
    const connect = async () => (await Deno.connect({ hostname, port: Number(port) })).close();
    await connect();
    run.kill("SIGKILL");
    await eventually(() => assert.rejects(connect, Deno.errors.ConnectionRefused));
    assert.equal((await output.next()).done, true);
  },
});

for (
  const [outcome, required, expected] of [
    ["ignored without CrateDB", "", /0 passed .* 0 failed .* 1 ignored/],
    [
      "failed without CrateDB when it is required",
      "1",
      /REQUIRE_CRATEDB=1, but CrateDB is not available: .*no container engine answers/,
    ],
  ] as const
) {
  mongodbTest(`cratedbTest() is ${outcome}`, async ({ mongodbUrl }) => {
    const folder = await Deno.makeTempDir();
    try {
      const file = join(folder, "some_test.ts");
      const harness = join(SUPPORT, "cratedb_harness.ts");
      await Deno.writeTextFile(
        file,
        `import { cratedbTest } from "${harness}"; cratedbTest("some", () => {});`,
      );
      const config = join(SUPPORT, "..", "..", "deno.json");
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["test", "--allow-all", "--no-check", "--config", config, file],
        env: { ...NO_ENGINE, MONGODB_URL: mongodbUrl, REQUIRE_CRATEDB: required },
      }).output();
      const text = new TextDecoder().decode(new Uint8Array([...stdout, ...stderr]));
      assert.match(text, expected);
      assert.equal(code, required ? 1 : 0);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}
