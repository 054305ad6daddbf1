/** `check` on servers: each fault is named, and the command beside it repairs it. */
import assert from "node:assert/strict";
import type { Finding } from "../../lib/mod.ts";
import { type Outcome, run } from "../support/program.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { ownMongodbTest, standaloneMongodbTest, urlOf } from "../support/own_mongodb.ts";

interface Checked extends Outcome {
  readonly findings: readonly Finding[];
}

/** Checks a relay from `database.data` to `schema.data`. */
async function check(
  { mongodbUrl, httpUrl, database, schema }: CratedbContext,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<Checked> {
  const flags = [
    "--database",
    database,
    "--collection",
    "data",
    "--table",
    `${schema}.data`,
    "--shards",
    "1",
  ];
  const outcome = await run(["check", ...flags, ...args, "--json"], {
    env: { MONGODB_URL: mongodbUrl, CRATEDB_SQLALCHEMY_URL: httpUrl, ...env },
  });
  assert.notEqual(outcome.stdout, "", outcome.stderr);
  return { ...outcome, findings: JSON.parse(outcome.stdout).findings };
}

const wrongOf = ({ findings }: Checked) => findings.filter(({ level }) => level === "wrong");
const named = ({ findings }: Checked, probe: string) => findings.filter((each) => each.probe === probe);

/** The error that ends the relay. */
async function errorOf(context: CratedbContext): Promise<string> {
  const running = context.relay();
  assert.equal((await running.status).code, 1);
  return running.stderr.join("\n");
}

/** The statement in a hint, below its first line. */
const commandOf = ({ hint = "" }: Finding): string => hint.slice(hint.indexOf("\n")).trim().replace(/;$/, "");

cratedbTest(
  "check finds nothing wrong, changes nothing, and sees a relay and its position",
  async (context) => {
    const { mongodb, database, schema, sql, wireUrl } = context;
    await mongodb.db(database).collection("data").insertOne({ n: 1 });
    await mongodb.db(database).createCollection("seen", { viewOn: "data", pipeline: [] });
    const env = { CRATEDB_URL: wireUrl };
    const checked = await check(context, [], env);
    assert.deepEqual([checked.code, wrongOf(checked)], [0, []], checked.stdout);
    assert.deepEqual(
      named(checked, "CrateDB").map(({ level }) => level),
      ["ok", "ok"],
      "over both transports",
    );
    assert.match(named(checked, "position")[1]?.text ?? "", /No position is saved/);
    const tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = ?";
    assert.deepEqual(await sql(tables, [schema]), []);
    assert.deepEqual((await mongodb.db(database).listCollections().toArray()).length, 3);

    const scope = await check(context, ["--collection", "*", "--table", `${schema}.{collection}`]);
    assert.match(
      named(scope, "collections").map(({ text }) => text).join("\n"),
      /\.seen: a view has no change/,
    );
    const running = context.relay();
    await running.waitForLine(/Ready/);
    const beside = await check(context, ["--strict"]);
    assert.equal(beside.code, 4);
    assert.match(named(beside, "position")[0]?.text ?? "", /^Another relay \(.+\) follows this stream/);
    assert.match(named(beside, "position")[1]?.text ?? "", /A relay resumes from 20/);
    assert.equal((await running.kill()).code, 0);
  },
);

cratedbTest("check reports what ends a relay: a table with another key", async (context) => {
  await context.sql('CREATE TABLE "data" (id TEXT PRIMARY KEY) CLUSTERED INTO 1 SHARDS');
  const checked = await check(context);
  const [fault] = wrongOf(checked);
  assert.deepEqual([checked.code, wrongOf(checked).length, fault?.probe], [4, 1, "tables"], checked.stdout);
  assert.match(await errorOf(context), new RegExp(`^Error: ${escaped(fault?.text)}$`, "m"));
});

const escaped = (text = "") => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

const LEFT_OUT = ["DQL", "DML", "DDL"];
for (const type of LEFT_OUT) {
  cratedbTest(`check names the privilege ${type} of CrateDB, and its command grants it`, async (context) => {
    const { sql, schema, httpUrl } = context;
    await using users = new AsyncDisposableStack();
    const user = `${schema}_relay`;
    await sql(`CREATE USER "${user}" WITH (password = 'hush')`);
    users.defer(async () => void await sql(`DROP USER "${user}"`));
    const types = LEFT_OUT.filter((each) => each !== type).join(", ");
    await sql(`GRANT ${types} ON SCHEMA "${schema}" TO "${user}"`);
    await sql(`GRANT DQL ON TABLE sys.privileges TO "${user}"`);
    const env = { CRATEDB_SQLALCHEMY_URL: httpUrl.replace("//", `//${user}:hush@`) };
    const checked = await check(context, [], env);
    const [fault] = wrongOf(checked);
    assert.equal(fault?.text, `"${user}" lacks ${type} ON SCHEMA "${schema}"`, checked.stdout);
    await sql(commandOf(fault));
    for (const finding of named(checked, "cluster")) await sql(commandOf(finding));
    const again = await check(context, [], env);
    const levels = named(again, "cluster").map(({ level }) => level);
    assert.deepEqual([again.code, wrongOf(again), levels], [0, [], ["ok"]], again.stdout);
  });
}

for (const action of ["find", "changeStream"]) {
  ownMongodbTest(`check names the privilege ${action} of MongoDB, and its command grants it`, async (own) => {
    const { mongodb, database } = own;
    await mongodb.db(database).collection("data").insertOne({ n: 1 });
    const admin = mongodb.db("admin");
    const actions = ["find", "changeStream"].filter((each) => each !== action);
    const privileges = [{ resource: { db: database, collection: "data" }, actions }];
    await admin.command({ createRole: "cdc", privileges, roles: [] });
    await admin.command({ createUser: "relay", pwd: "hush", roles: ["cdc"] });
    const bare = own.mongodbUrl.replace(/\/\/.*@/, "//").replace("&authSource=admin", "");
    const env = { MONGODB_URL: urlOf(bare, { name: "relay", password: "hush" }) };
    const checked = await check(own, [], env);
    assert.equal(checked.code, 4);
    const missing = named(checked, "MongoDB privileges");
    const fault = missing.find(({ level }) => level === "wrong");
    assert.equal(fault?.text, `relay lacks ${action} on ${database}.data`);
    for (const { hint = "" } of missing) {
      const [, user, roles] = /getSiblingDB\("admin"\)\.grantRolesToUser\("(\w+)", (\[.*\])\)$/.exec(hint) ??
        [];
      await admin.command({ grantRolesToUser: user, roles: JSON.parse(roles ?? "") });
    }
    const again = await check(own, ["--strict"], env);
    assert.deepEqual([again.code, again.findings.filter(({ level }) => level !== "ok")], [0, []]);
  }, { binary: true, auth: true });
}

standaloneMongodbTest(
  "check reports what ends a relay: MongoDB without a replica set, and CrateDB away",
  async (context, url) => {
    const checked = await check(context, [], { MONGODB_URL: url });
    assert.equal(checked.code, 4);
    assert.match(wrongOf(checked).map(({ text }) => text).join("\n"), /^MongoDB runs without a replica set/m);
    const away = await check(context, [], { CRATEDB_SQLALCHEMY_URL: "crate://127.0.0.1:1" });
    assert.deepEqual(wrongOf(away).map(({ probe }) => probe), ["CrateDB"]);
    assert.ok(
      away.findings.some(({ probe, level }) => probe === "change stream" && level === "ok"),
      away.stdout,
    );
  },
);
