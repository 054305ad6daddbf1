/** Requests that read, repair and rebuild rows, with kills between their steps. */
import assert from "node:assert/strict";
import type { Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { compare, inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { countRows, oidsOf, startRelay } from "../support/follow.ts";
import { ends as endsWithin, request, requestRow } from "../support/control_rows.ts";
import { insertMixed, type Mixed, mixedLoad } from "../support/mixed_documents.ts";

const LEASE = ["--lease", "1s"];

const ends = (context: CratedbContext, id: string, state?: string) =>
  endsWithin(context, id, state, { timeout: 60_000 });

/** How often each request has ended, by the log of all relays. */
const endsOf = (id: string, ...logs: readonly (readonly string[])[]) =>
  logs.flat().filter((line) => line.includes("A request has ended") && line.includes(` id=${id} `)).length;

const COUNT = 3_000;

cratedbTest(
  "snapshot with a filter under load survives kill -9, and the table equals the collection",
  async (context) => {
    const { mongodb, database, relay, sql, table, verify } = context;
    const data = mongodb.db(database).collection<Mixed>("data");
    await insertMixed(data, COUNT);
    const collection = `${database}.data`;
    const first = relay(LEASE);
    await first.waitForLine(/Ready/);
    // Rows that the stream alone does not bring back, and one that only a filter could spare.
    await sql(`DELETE FROM "${table}" WHERE data['n'] % 3 = 0`);
    await sql(`INSERT INTO "${table}" (oid, data) VALUES ('stale', {n = 1})`);
    await sql(`REFRESH TABLE "${table}"`);
    const stop = new AbortController();
    const load = mixedLoad(data, { count: COUNT, signal: stop.signal, bulk: 20, pause: 50 });
    load.catch(() => {}); // It is awaited at the end.
    const filter = { n: { $mod: [3, 0] } };
    await request(context, "f", "snapshot", { collection, filter, rate: 300 });
    const logs = [first.stderr];
    let running = first;
    let read = 0;
    for (let kill = 0; kill < 2; kill++) {
      await eventually(async () => {
        const documents = Number.parseInt(String((await requestRow(context, "f"))?.progress));
        assert.ok(documents > read + 50, `${documents} documents`);
        read = documents;
      });
      assert.equal((await running.kill("SIGKILL")).signal, "SIGKILL");
      assert.equal((await requestRow(context, "f"))?.state, "running");
      running = relay(LEASE);
      logs.push(running.stderr);
    }
    assert.match(
      await ends(context, "f"),
      new RegExp(`^Read \\d+ documents of ${collection} that match the filter\\.$`),
    );
    await eventually(() => assert.equal(endsOf("f", ...logs), 1));
    stop.abort();
    assert.ok(await load > 200, "the load was too small");
    await sql(`REFRESH TABLE "${table}"`);
    assert.deepEqual(await sql(`SELECT oid FROM "${table}" WHERE oid = 'stale'`), [{ oid: "stale" }]);
    await sql(`DELETE FROM "${table}" WHERE oid = 'stale'`);
    const verified = await verify(LEASE);
    assert.equal(verified.code, 0, `${verified.stdout}\n${verified.stderr}`);

    await request(context, "bad", "snapshot", { collection, filter: { $bad: 1 } });
    await request(context, "other", "snapshot", { collection: "other.data", filter: {} });
    await request(context, "none", "snapshot", { filter: {} });
    assert.match(
      await ends(context, "bad", "refused"),
      /^MongoDB refuses the filter: unknown top level operator: \$bad/,
    );
    assert.match(await ends(context, "other", "refused"), /^The stream does not follow other\.data/);
    assert.match(await ends(context, "none", "refused"), /^collection is not the name of a collection/);
    assert.deepEqual(await compare(context), []);
  },
  { ownProcess: true },
);

cratedbTest(
  "snapshot reads a collection again, once for equal requests, and removes stale rows",
  async (context) => {
    const { mongodb, database, relay, sql, table } = context;
    const data = mongodb.db(database).collection<Document>("data");
    await data.insertMany(Array.from({ length: 600 }, (_, _id) => ({ _id })) as Document[]);
    const collection = `${database}.data`;
    const first = relay([...LEASE, "--snapshot-rate", "0"]);
    await first.waitForLine(/Ready/);
    await sql(`DELETE FROM "${table}" WHERE data['_id'] < 300`);
    await sql(`INSERT INTO "${table}" (oid, data) VALUES ('stale', {_id = 1})`);
    await request(context, "slow", "rate", { snapshot: 100 });
    await ends(context, "slow");
    await request(context, "a", "snapshot", { collection });
    await request(context, "b", "snapshot", { collection });
    await eventually(async () => assert.equal((await requestRow(context, "b"))?.state, "running"));
    await first.kill("SIGKILL");
    const second = relay(LEASE);
    assert.match(await ends(context, "a"), /^Read \d+ documents of /);
    await ends(context, "b");
    await inStep(context);
    await eventually(() => assert.equal(endsOf("a", first.stderr, second.stderr), 1));
    assert.equal(
      second.stderr.filter((line) => /Snapshot done/.test(line)).length,
      1,
      second.stderr.join("\n"),
    );
    // Found as if the relay had been killed before it saved the end.
    await second.kill("SIGKILL");
    await sql("UPDATE cdc_control SET state = 'running' WHERE id = 'a'");
    const third = relay(LEASE);
    await third.waitForLine(/A request has ended verb=snapshot id=a state=done/);
    await inStep(context);
  },
  { ownProcess: true },
);

cratedbTest("snapshot brings back one of three collections whose table cannot be used", async (context) => {
  const { mongodb, database, sql, schema } = context;
  const db = mongodb.db(database);
  const names = ["one", "three", "two"];
  for (const name of names) await db.collection<Document>(name).insertOne({ _id: 1 as never });
  const running = startRelay(context, [
    "--database",
    database,
    "--table",
    `${schema}.{collection}`,
    ...LEASE,
  ]);
  await running.waitForLine(/Ready/);
  await sql(`ALTER TABLE "three" ADD COLUMN overflow['n'] BIGINT`);
  for (const name of names) await db.collection<Document>(name).insertOne({ _id: 2 as never });
  const stateOfThree = async () =>
    (await sql("SELECT state, hint FROM cdc_collection WHERE collection = 'three'"))[0];
  await eventually(async () => {
    await sql("REFRESH TABLE cdc_collection");
    assert.equal((await stateOfThree())?.state, "failed");
  });
  await request(context, "early", "snapshot", { collection: `${database}.three` });
  assert.match(await ends(context, "early", "failed"), /^The collection has failed: /);
  for (const name of names) await db.collection<Document>(name).insertOne({ _id: 3 as never });
  for (const name of ["one", "two"]) {
    await eventually(async () => assert.deepEqual(await oidsOf(context, name), ["1", "2", "3"]));
  }
  await sql(`ALTER TABLE "three" DROP COLUMN overflow['n']`);
  await request(context, "late", "snapshot", { collection: `${database}.three` });
  assert.match(await ends(context, "late"), /^Read 3 documents of /);
  assert.deepEqual(await oidsOf(context, "three"), ["1", "2", "3"]);
});

cratedbTest("letters are listed, retried after the column was corrected, and discarded", async (context) => {
  const { mongodb, database, relay, sql, table } = context;
  const data =
    "data OBJECT(DYNAMIC) AS (n BIGINT), overflow OBJECT(IGNORED), CONSTRAINT small CHECK (data['n'] < 100)";
  await sql(`CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, ${data})`);
  const collection = `${database}.data`;
  const first = relay(LEASE);
  await first.waitForLine(/Ready/);
  const documents = Array.from({ length: 120 }, (_, _id) => ({ _id, n: 100 + _id }));
  await mongodb.db(database).collection<Document>("data").insertMany(documents as Document[]);
  const count = async () => {
    await sql("REFRESH TABLE cdc_dead_letter");
    return Number((await sql("SELECT count(*) AS n FROM cdc_dead_letter"))[0]?.n);
  };
  await eventually(async () => assert.equal(await count(), 120));
  assert.equal((await first.kill()).code, 0);
  const second = relay(LEASE);
  await second.waitForLine(/Ready/);
  assert.ok(!second.stderr.some((line) => /tried again/.test(line)), "no start retries them");

  await request(context, "list", "letters", { action: "list", collection });
  const listed = (await ends(context, "list")).split("\n");
  assert.equal(listed.length, 102);
  assert.equal(listed[0], "120 dead letters");
  assert.match(String(listed[1]), new RegExp(`^${collection} \\d+ 20.*small`));
  await request(context, "show", "letters", { action: "show", oid: ["7"] });
  assert.match(await ends(context, "show"), /\{"_id":\{"\$numberInt":"7"\},"n":\{"\$numberInt":"107"\}\}/);
  await request(context, "early", "letters", { action: "retry" });
  assert.equal(
    await ends(context, "early"),
    "Stored 0 of 120 dead letters. 120 stay, with the error of this attempt.",
  );
  await request(context, "discard", "letters", { action: "discard", oid: ["118", "119"] });
  assert.equal(await ends(context, "discard"), "Discarded 2 dead letters.");
  await request(context, "all", "letters", { action: "discard" });
  assert.match(await ends(context, "all", "refused"), /^discard needs a collection or keys/);

  await sql(`ALTER TABLE "${table}" DROP CONSTRAINT small`);
  await request(context, "some", "letters", { action: "retry", collection, oid: ["1", "2", "no"] });
  assert.equal(await ends(context, "some"), "Stored 2 of 2 dead letters.");
  await request(context, "rest", "letters", { action: "retry" });
  await eventually(async () => assert.notEqual((await requestRow(context, "rest"))?.state, "asked"));
  await second.kill("SIGKILL");
  const third = relay(LEASE);
  await third.waitForLine(/Ready/);
  assert.match(await ends(context, "rest"), /^Stored \d+ of \d+ dead letters?\.$/);
  assert.equal(await count(), 0);
  assert.equal(await countRows(context), 118);
  await request(context, "v", "verify", { collection, repair: true });
  assert.match(await ends(context, "v"), /: 2 repaired, equal now up to /);
  await inStep(context);
}, { ownProcess: true });

cratedbTest(
  "rebuild writes a table again while the relay keeps its lease, also after kill -9",
  async (context) => {
    const { mongodb, database, relay, sql, table } = context;
    const data = mongodb.db(database).collection<Mixed>("data");
    await insertMixed(data, 1_000);
    const collection = `${database}.data`;
    const first = relay(LEASE);
    await first.waitForLine(/Ready/);
    const stop = new AbortController();
    const load = mixedLoad(data, { count: 1_000, signal: stop.signal, bulk: 20, pause: 50 });
    load.catch(() => {}); // It is awaited at the end.
    await request(context, "r", "rebuild", { collection });
    await eventually(async () => assert.notEqual((await requestRow(context, "r"))?.state, "asked"), {
      interval: 5,
    });
    await first.kill("SIGKILL");
    const second = relay(LEASE);
    assert.match(await ends(context, "r"), new RegExp(`^Rebuilt .*"${table}": \\d+ rows in `));
    await eventually(() => assert.equal(endsOf("r", first.stderr, second.stderr), 1));
    stop.abort();
    await load;
    await inStep(context);
    const names = await sql("SELECT table_name FROM information_schema.tables WHERE table_name LIKE ?", [
      `${table}~%`,
    ]);
    assert.deepEqual(names, []);
    await request(context, "none", "rebuild", { collection: `${database}.none` });
    assert.match(await ends(context, "none", "refused"), /^The stream does not follow /);
  },
  { ownProcess: true },
);
