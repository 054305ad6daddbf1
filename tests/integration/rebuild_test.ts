/** `rebuild`: a table gets the design of its settings, and its rows still equal the documents. */
import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { type Outcome, run, type Running, start } from "../support/program.ts";
import { inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest, type TransportName } from "../support/cratedb_harness.ts";
import { fileOf, versionOf } from "../support/designed_table.ts";
import { type HoldingCratedb, holdingCratedb } from "../support/holding_cratedb.ts";
import { assertNoLeftovers, columnTypes, leftovers } from "../support/widened.ts";
import { nightly, variants } from "../support/nightly.ts";

const { Decimal128, Double, Long, ObjectId, Timestamp } = BSON;
const LEASE = ["--lease", "1s"];
const BY_DAY = ["--partition-by", "day=at"];

/** More than are read at once. */
const COUNT = 2_300;

const documents = (): Document[] =>
  Array.from({ length: COUNT }, (_, n) => ({
    _id: n % 3 === 0 ? ObjectId.createFromTime(1_760_000_000 + n) : n,
    ...n % 10 > 0 && { at: new Date(Date.UTC(2026, 0, 1 + n % 7, 5)) },
    n: n % 5 === 0 ? `text ${n}` : n,
    big: Long.fromString("9007199254740993"),
    d: new Double(n),
    amount: Decimal128.fromString("1.10"),
    nothing: null,
    o: { list: [{ at: new Date(n), x: null }, { y: [] }], "a.b": new Timestamp({ t: 1, i: n }), 1: true },
    ...n === 7 && { d: NaN, at: new Date(8.64e15) },
  }));

const names = ({ database, schema, table }: CratedbContext) => [
  ...["--database", database, "--collection", "data"],
  ...["--table", `${schema}.${table}`, ...LEASE],
];

interface RebuildOptions {
  readonly url?: string;
  readonly transport?: TransportName;
}

function rebuildCall(context: CratedbContext, flags: readonly string[], options: RebuildOptions = {}) {
  const { httpUrl, wireUrl, database } = context;
  const { transport, url = transport === "wire" ? wireUrl : httpUrl } = options;
  const variable = transport === "wire" ? "CRATEDB_URL" : "CRATEDB_SQLALCHEMY_URL";
  const args = ["rebuild", `${database}.data`, ...names(context), ...flags];
  return { args, env: { [variable]: url, MONGODB_URL: "mongodb://nowhere.invalid:1/" } };
}

async function rebuilt(
  context: CratedbContext,
  flags: readonly string[],
  options: RebuildOptions = {},
): Promise<Outcome> {
  const { args, env } = rebuildCall(context, flags, options);
  const outcome = await run(args, { env });
  assert.equal(outcome.code, 0, `${outcome.stdout}\n${outcome.stderr}`);
  return outcome;
}

async function assertVerified(context: CratedbContext, flags: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await context.verify([...LEASE, ...flags]);
  assert.equal(code, 0, `${stdout}\n${stderr}`);
}

/** A table of these documents, whose relay has ended. */
async function filled(context: CratedbContext, flags: readonly string[] = []): Promise<void> {
  await context.mongodb.db(context.database).collection("data").insertMany(documents());
  const relay = context.relay([...LEASE, ...flags]);
  await relay.waitForLine(/Ready/);
  await inStep(context);
  assert.equal((await relay.kill()).code, 0, relay.stderr.join("\n"));
}

async function partitions({ sql, table, schema }: CratedbContext): Promise<unknown> {
  const [row] = await sql(
    "SELECT count(*) AS n FROM information_schema.table_partitions WHERE table_schema = ? AND table_name = ?",
    [schema, table],
  );
  return row?.n;
}

for (const transport of variants(["http"], ["wire"])) {
  cratedbTest(
    `rebuild makes a plain table a partitioned one, and back, over ${transport}`,
    async (context) => {
      const data = context.mongodb.db(context.database).collection<Document>("data");
      await filled(context);
      const { stdout } = await rebuilt(context, BY_DAY, { transport });
      assert.match(stdout, new RegExp(`^Rebuilt .*: ${COUNT} rows in `));
      // A day each, that of rows without one, and the last date of JavaScript is none.
      assert.equal(await partitions(context), 8);
      await assertNoLeftovers(context);
      await assertVerified(context, BY_DAY);

      const relay = context.relay([...LEASE, ...BY_DAY]);
      await relay.waitForLine(/Ready/);
      await data.updateMany({ n: { $mod: [4, 0] } }, { $set: { at: new Date(Date.UTC(2026, 5, 1)) } });
      await data.deleteMany({ n: { $mod: [11, 0] } });
      await inStep(context);
      const { args, env } = rebuildCall(context, []);
      const refused = await run(args, { env });
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /Another relay \(.+\) follows this stream/);
      assert.equal((await relay.kill()).code, 0, relay.stderr.join("\n"));

      await rebuilt(context, [], { transport });
      assert.equal(await partitions(context), 0);
      await assertNoLeftovers(context);
      await assertVerified(context, []);
      const last = context.relay(LEASE);
      await last.waitForLine(/Ready/);
      await data.insertOne({ _id: -1, at: new Date() } as Document);
      await inStep(context);
    },
  );
}

cratedbTest(
  "a relay of another collection stops if a rebuild gives the table other partitions",
  async (context) => {
    const { mongodb, database, relay, sql } = context;
    await mongodb.db(database).collection("data").insertOne({ n: 1 });
    const own = relay(LEASE);
    const other = relay(["--collection", "other", ...LEASE]);
    for (const each of [own, other]) await each.waitForLine(/Ready/);
    assert.equal((await own.kill()).code, 0);
    await rebuilt(context, BY_DAY);
    await mongodb.db(database).collection("other").insertOne({ n: 2 });
    assert.equal((await other.status).code, 1);
    assert.match(other.stderr.join("\n"), /cannot be used: `oid` is not its primary key/);
    await sql("REFRESH TABLE cdc_dead_letter");
    assert.deepEqual(await sql("SELECT oid FROM cdc_dead_letter"), []);
  },
);

cratedbTest("rebuild partitions by the time in _id", async (context) => {
  await filled(context);
  const flags = ["--partition-by", "hour=$id"];
  await rebuilt(context, flags);
  await assertVerified(context, flags);
});

cratedbTest(
  "rebuild gives columns other types: what fits moves to data, the rest to overflow",
  async (context) => {
    await context.mongodb.db(context.database).collection("data").insertMany(documents());
    await using plain = await fileOf(context, {});
    const relay = plain.relay();
    await relay.waitForLine(/Ready/);
    await inStep(context);
    assert.equal((await relay.kill()).code, 0);
    const isNewer = await versionOf(context) >= 6.02;
    const types = { "n": "text", ...isNewer && { d: "numeric(20,4)" } };
    await using file = await fileOf(context, { types, shards: 2 });
    const planned = await file.run("plan");
    assert.match(planned.stdout, /data\['n'\] is BIGINT, not TEXT/);
    assert.match(planned.stdout, /rebuild/);
    const { code, stdout, stderr } = await file.run("rebuild", `${context.database}.data`);
    assert.equal(code, 0, `${stdout}\n${stderr}`);
    const found = await columnTypes(context);
    assert.equal(found.n, "text");
    if (isNewer) assert.match(String(found.d), /^numeric/);
    const [texts] = await context.sql(`SELECT count(data['n']) AS n FROM "${context.table}"`);
    assert.equal(texts?.n, COUNT / 5);
    const verified = await file.run("verify");
    assert.equal(verified.code, 0, `${verified.stdout}\n${verified.stderr}`);
  },
);

/** The steps of a rebuild, each with the next statement. */
const STEPS = {
  "the table is closed to writing": /"CREATE TABLE [^(]*~/,
  "the new table exists": /INSERT INTO [^(]*~/,
  "the new table has rows": /"ALTER CLUSTER SWAP TABLE /,
  "the tables are swapped": /"DROP TABLE [^(]*~/,
};

async function heldAt(context: CratedbContext, cratedb: HoldingCratedb, next: RegExp): Promise<Running> {
  const { args, env } = rebuildCall(context, BY_DAY, { url: cratedb.url });
  const arrived = cratedb.hold(next);
  const running = start(args, { env, ownProcess: true });
  await arrived;
  return running;
}

for (const [step, next] of Object.entries(STEPS)) {
  nightly(cratedbTest, step !== "the tables are swapped")(
    `rebuild is run again when it was killed as soon as ${step}`,
    async (context) => {
      await filled(context);
      await using cratedb = holdingCratedb(context);
      await using killed = await heldAt(context, cratedb, next);
      assert.equal((await killed.kill("SIGKILL")).signal, "SIGKILL");
      assert.notDeepEqual(await leftovers(context), [], "it was killed in the midst of it");
      await rebuilt(context, BY_DAY);
      await assertNoLeftovers(context);
      await assertVerified(context, BY_DAY);
    },
    { ownProcess: true },
  );
}

cratedbTest("rebuild adds the column cdc, and leaves out a shape that CrateDB refuses", async (context) => {
  const area = { type: "Polygon", coordinates: [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]] };
  const data = context.mongodb.db(context.database).collection<Document & { _id: number }>("data");
  await data.insertMany([{ _id: 1, area }, { _id: 2 }]);
  const types = { area: "geo_shape" };
  await using file = await fileOf(context, { types });
  assert.equal((await file.run("cdc-relay", "--snapshot", "only")).code, 0);
  await using marking = await fileOf(context, { types, deletes: "soft" });
  const { code, stderr } = await marking.run("rebuild", `${context.database}.data`);
  assert.equal(code, 0, stderr);
  const relay = marking.relay();
  await relay.waitForLine(/Ready/);
  await data.deleteOne({ _id: 2 });
  const verified = await marking.run("verify", "--settle", "60s");
  assert.equal(verified.code, 0, verified.stdout);
  assert.deepEqual(await context.sql("SELECT oid FROM data WHERE cdc['op'] = 'delete'"), [{ oid: "2" }]);
});

cratedbTest("rebuild needs a table", async (context) => {
  const { args, env } = rebuildCall(context, []);
  const { code, stderr } = await run(args, { env });
  assert.equal(code, 2);
  assert.match(stderr, /does not exist/);
});
