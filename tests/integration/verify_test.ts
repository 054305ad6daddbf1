import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { type Outcome, run } from "../support/program.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { postgresqlTest } from "../support/postgresql_harness.ts";
import { runUnread } from "../support/run_unread.ts";
import { insertMixed, mixedLoad } from "../support/mixed_documents.ts";

/** Positions of an idle stream are saved often. */
const env = { CDC_LEASE: "3s" };

const found = ({ stdout, stderr }: Outcome) => {
  assert.ok(stdout, stderr);
  const { outcome, collections: [{ stream: _, table: __, ...first }] } = JSON.parse(stdout);
  return { outcome, ...first };
};

/** Changes three rows, deletes three, and adds three without documents. */
async function tamper({ sql, table }: CratedbContext, oids: readonly string[]): Promise<void> {
  const [differing, deleted] = [oids.slice(0, 3), oids.slice(3, 6)];
  for (const oid of differing) {
    await sql(`UPDATE "${table}" SET data['n'] = 1234567 WHERE oid = ?`, [oid]);
  }
  for (const oid of deleted) await sql(`DELETE FROM "${table}" WHERE oid = ?`, [oid]);
  for (const oid of ["1.0", "nobody", "ffffffffffffffffffffffff"]) {
    await sql(`INSERT INTO "${table}" (oid, data) VALUES (?, {n = 1})`, [oid]);
  }
}

cratedbTest(
  "verify finds and repairs rows that were tampered with while a relay runs under load",
  async (context) => {
    const { mongodb, database, relay, verify, sql, table } = context;
    const data = mongodb.db(database).collection("data");
    await insertMixed(data as never, 500);
    await relay([], { env }).waitForLine(/Ready/);
    // The load leaves these alone.
    const still = Array.from(
      { length: 6 },
      (_, at) => ({ _id: at % 2 ? `still ${at}` : new BSON.ObjectId() }),
    );
    await data.insertMany(still as Document[]);
    await using load = underLoad(context);
    const oids = still.map(({ _id }) => String(_id));
    await eventually(async () => {
      await sql(`REFRESH TABLE "${table}"`);
      const [{ n } = {}] = await sql(`SELECT count(*) AS n FROM "${table}" WHERE oid = ANY(?)`, [oids]);
      assert.equal(n, 6);
    });
    await tamper(context, oids);

    const before = found(await verify(["--json"], { env }));
    assert.equal(before.relay, "passed");
    assert.deepEqual(
      [before.outcome, before.missing, before.extra, before.different, before.changing],
      ["different", 3, 3, 3, 0],
    );
    const kinds = Object.fromEntries(before.differences.map((each: Document) => [each.oid, each.kind]));
    assert.deepEqual(kinds, {
      ...Object.fromEntries(oids.map((oid, at) => [oid, at < 3 ? "different" : "missing"])),
      "1.0": "extra",
      nobody: "extra",
      ffffffffffffffffffffffff: "extra",
    });

    const repair = await verify(["--repair"], { env });
    assert.match(repair.stdout, /9 repaired, equal now up to 20\d\d-/, repair.stderr);
    assert.equal(repair.code, 0);
    const after = found(await verify(["--json"], { env }));
    assert.deepEqual([after.outcome, after.missing + after.extra + after.different], ["equal", 0]);
    assert.ok(after.documents > 0 && after.rows > 0);
    assert.ok(await load.operations() > 0);
    await sql("REFRESH TABLE cdc_control, cdc_verify");
    assert.deepEqual(await sql("SELECT DISTINCT verb, state, asked_by FROM cdc_control"), [
      { verb: "repair", state: "done", asked_by: "verify" },
    ]);
    const [saved] = await sql("SELECT * FROM cdc_verify");
    assert.deepEqual([saved?.collection, saved?.outcome, saved?.mode], [`${database}.data`, "equal", "full"]);
  },
);

function underLoad({ mongodb, database }: CratedbContext) {
  const enough = new AbortController();
  const data = mongodb.db(database).collection("data");
  const done = mixedLoad(data as never, { count: 500, signal: enough.signal, bulk: 10, pause: 50 });
  const operations = async () => {
    enough.abort();
    return await done;
  };
  return { operations, [Symbol.asyncDispose]: async () => void await operations() };
}

cratedbTest(
  "verify counts differences as found if no relay runs, and starts a relay to repair them",
  async (context) => {
    const { mongodb, database, relay, verify, sql, table } = context;
    const scope = ["--filter", '{"kind": {"$ne": "hidden"}}', "--omit", "secret"];
    await sql(
      `CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, ` +
        "data OBJECT(DYNAMIC) AS (n BIGINT CONSTRAINT small CHECK (data['n'] < 100)), overflow OBJECT(IGNORED))",
    );
    const data = mongodb.db(database).collection<Document>("data");
    await data.insertMany([
      { _id: 1, n: 1, secret: "s" },
      { _id: "1", n: 2, "a.b": [1, [2]] },
      { _id: 2, n: 3, kind: "hidden" },
      { _id: "poison", n: 100 },
      { _id: { region: "x", at: new Date(0) }, n: 4, nothing: null, list: [{ a: null, b: 1 }] },
      { _id: "long".repeat(1_000), n: 5, big: BSON.Long.MAX_VALUE, d: 1.5, zero: -0 },
    ] as Document[]);
    const running = relay([...scope, "--snapshot", "only"], { env });
    assert.equal((await running.status).code, 0, running.stderr.join("\n"));

    const first = found(await verify([...scope, "--json"], { env }));
    assert.deepEqual(first.differences, [{ oid: "poison", kind: "dead letter", paths: [] }]);
    // Most keys are texts, so that is the type of the column `_id`.
    assert.deepEqual(
      [first.outcome, first.documents, first.rows, first.overflowed, first.dead_letters],
      ["equal", 5, 4, 4, 1],
    );
    const counts = await verify([...scope, "--count-only"], { env });
    assert.match(counts.stdout, /equal counts up to .* \| 5 documents, 4 rows, 1 dead letter/);
    assert.equal(counts.code, 0);

    await data.updateOne({ _id: 1 } as Document, { $set: { n: 7, "deep.er": "x" } });
    await data.deleteOne({ _id: "1" } as Document);
    await data.insertOne({ _id: 3, n: 8 } as Document);
    await data.updateOne({ _id: { region: "x", at: new Date(0) } } as Document, { $set: { kind: "hidden" } });
    const differing = await verify([...scope, "--sample", "100"], { env });
    assert.equal(differing.code, 3, differing.stderr);
    assert.match(
      differing.stdout,
      /1 missing, 2 extra, 1 different \(no relay runs: differences count as found\)/,
    );
    assert.match(
      differing.stdout,
      /^ {2}different {4}1\n {4}deep: document {"er":"x"}, row has none\n {4}n: document 7, row 1$/m,
    );
    assert.match(differing.stdout, /^ {2}missing {6}3$/m);

    const repaired = found(await verify([...scope, "--repair", "--json"], { env }));
    assert.deepEqual([repaired.outcome, repaired.repaired, repaired.dead_letters], ["repaired", 4, 1]);
    assert.deepEqual([repaired.documents, repaired.rows], [4, 3], "counted after the repair");
    await sql("REFRESH TABLE cdc_position");
    const [{ owner } = {}] = await sql(
      "SELECT owner FROM cdc_position WHERE lease_until > CURRENT_TIMESTAMP",
    );
    assert.equal(owner, undefined, "the lease is given back");
    const last = await verify(scope, { env, transport: "wire" });
    assert.match(last.stdout, /: equal up to .* \| 4 documents, 3 rows,/);
    assert.equal(last.code, 0);

    const nothing = await verify(["--database", database, "--collection", "dta"], { env });
    assert.equal(nothing.code, 2, nothing.stdout);
    assert.match(nothing.stderr, /No collection matches dta; .*: data\nDid you mean --collection data\?/);
  },
);

cratedbTest("verify does not wait for a relay that makes no progress", async (context) => {
  const { mongodb, database, relay, verify } = context;
  const running = relay();
  await running.waitForLine(/Ready/);
  Deno.kill(running.pid, "SIGSTOP");
  await mongodb.db(database).collection<Document>("data").insertOne({ _id: 1 } as Document);
  const { stdout, code } = await verify(["--settle", "200ms"], { env });
  assert.match(stdout, /1 missing \(the relay makes no progress: differences count as found\)/);
  assert.equal(code, 3);
}, { ownProcess: true });

postgresqlTest("verify compares and repairs tables of PostgreSQL", async (context) => {
  const { mongodb, mongodbUrl, database, runRelay, sql, schema, table, url } = context;
  const data = mongodb.db(database).collection("data");
  await insertMixed(data as never, 100);
  await data.insertOne({ zero: -0.5 * 0, nul: "\0", big: 1e300, nested: [[1, null], { b: 1, a: 2 }] });
  assert.equal((await runRelay(["--snapshot", "only"])).code, 0);
  const scope = ["--database", database, "--collection", "data", "--table", `${schema}.${table}`];
  const servers = { MONGODB_URL: mongodbUrl, CRATEDB_URL: url };
  const verify = (...args: string[]) => run(["verify", ...scope, ...args], { env: { ...env, ...servers } });
  assert.match((await verify()).stdout, /: equal up to .* \| 101 documents, 101 rows, 1 row with overflow,/);

  await sql(
    `UPDATE "${schema}"."${table}" SET data = '{"_id": "key 17", "n": 9007199254740993}' WHERE oid = 'key 17'`,
  );
  await sql(`INSERT INTO "${schema}"."${table}" (oid, data) VALUES ('', '{}')`);
  const unread = await runUnread(["verify", ...scope, "--watch", "--json"], servers);
  assert.equal(unread, 3, "it ends when its output is closed, with the exit code of the result");
  const { stdout, code } = await verify("--sample", "1000");
  assert.match(stdout, /: 1 extra, 1 different \(no relay runs/);
  assert.match(stdout, /n: document 17, row 9007199254740993/);
  assert.equal(code, 3);
  assert.match((await verify("--repair")).stdout, /: 2 repaired, equal now up to/);
  assert.match((await verify("--count-only")).stdout, /: equal counts up to .* \| 101 documents, 101 rows,/);

  const stream = `${database}.data -> ${schema}.${table}`;
  const forgotten = await run(["forget", "--stream", stream, "--yes"], { env: { CRATEDB_URL: url } });
  assert.match(
    forgotten.stdout,
    /^Forgotten: .*\nDeleted: 1 position, 1 collection, 1 control request, \d+ events, 1 list of settings, 1 verify result\n$/,
    forgotten.stderr,
  );
  for (const name of ["cdc_position", "cdc_collection", "cdc_verify"]) {
    assert.deepEqual(await sql(`SELECT stream FROM "${schema}"."${name}"`), []);
  }
  const [{ n } = {}] = await sql(`SELECT count(*)::int AS n FROM "${schema}"."${table}"`);
  assert.equal(n, 101, "rows of documents stay");
});
