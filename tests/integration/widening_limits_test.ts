/** Columns that are not widened, and why. */
import assert from "node:assert/strict";
import type { Document } from "mongodb";
import { inStep } from "../support/compare.ts";
import { cratedbTest } from "../support/cratedb_harness.ts";
import { freshName } from "../support/mongodb_harness.ts";
import { assertNoLeftovers, collection, columnTypes } from "../support/widened.ts";

cratedbTest("relay() reports which privileges widening lacks, and widens with them", async (context) => {
  const { relay, sql, schema, httpUrl } = context;
  const data = collection(context);
  const user = freshName();
  await sql(`CREATE USER "${user}" WITH (password = 'secret')`);
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => void await sql(`DROP USER "${user}"`));
  await sql(`GRANT DQL, DML, DDL ON SCHEMA "${schema}" TO "${user}"`);
  const env = { CRATEDB_SQLALCHEMY_URL: httpUrl.replace("crate://", `crate://${user}:secret@`) };
  await data.insertMany([{ _id: 1, t: 20 }, { _id: 2, t: 21 }] as Document[]);

  const first = relay([], { env });
  await first.waitForLine(/Ready/);
  await data.insertOne({ _id: 3, t: 20.5 } as Document);
  const line = await first.waitForLine(/cannot store fractions/);
  const [, grant = ""] = /(GRANT DQL ON TABLE [\w., ]+) TO <user>/.exec(line) ?? [];
  await inStep(context);
  assert.equal((await first.kill()).code, 0);

  await sql(`${grant} TO "${user}"`);
  await relay([], { env }).waitForLine(/Ready/);
  await data.insertOne({ _id: 4, t: 20.25 } as Document);
  await inStep(context);
  assert.deepEqual(await columnTypes(context), { _id: "bigint", t: "double precision" });
});

interface Kept {
  readonly args?: readonly string[];
  /** The table made by the user; without one, the relay's. */
  readonly columns?: string;
  readonly type?: string;
  /** Of the one warning; none if the column is never widened. */
  readonly reason?: RegExp;
}

const KEPT: Readonly<Record<string, Kept>> = {
  "of a table with more rows than --widen-rows": {
    args: ["--widen-rows", "1"],
    reason: /it has 2 rows, more than --widen-rows/,
  },
  "of a table that cannot be made again from SHOW CREATE TABLE": {
    columns:
      `data OBJECT(DYNAMIC) AS (t BIGINT), overflow OBJECT(IGNORED), CONSTRAINT "is warm" CHECK (data['t'] > -274)`,
    reason: /CONSTRAINT/,
  },
  "that is a user's INTEGER": {
    columns: "data OBJECT(DYNAMIC) AS (t INTEGER), overflow OBJECT(IGNORED)",
    type: "integer",
  },
  "that is a user's REAL": {
    columns: "data OBJECT(DYNAMIC) AS (t REAL), overflow OBJECT(IGNORED)",
    type: "real",
  },
};

for (const [which, { args = [], columns, type = "bigint", reason }] of Object.entries(KEPT)) {
  cratedbTest(`relay() leaves a column as it is ${which}`, async (context) => {
    const { relay, sql, table } = context;
    const data = collection(context);
    if (columns) await sql(`CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, ${columns})`);
    const running = relay(args);
    await running.waitForLine(/Ready/);
    await data.insertMany([{ _id: 1, t: 20 }, { _id: 2, t: 21 }] as Document[]);
    await inStep(context);
    await data.insertOne({ _id: 3, t: 20.1 } as Document);
    await data.insertOne({ _id: 4, t: 20.2 } as Document);
    await inStep(context);
    assert.equal((await columnTypes(context)).t, type);
    const [counts] = await sql(`SELECT count(data['t']) AS t, count(overflow['t']) AS o FROM "${table}"`);
    assert.deepEqual(counts, { t: 2, o: 2 });
    const warnings = running.stderr.filter((line) => /cannot store fractions/.test(line));
    assert.equal(warnings.length, reason ? 1 : 0, warnings.join("\n"));
    if (reason) assert.match(warnings[0] ?? "", reason);
    await assertNoLeftovers(context);
  });
}
