import assert from "node:assert/strict";
import { eventually } from "../../dev/servers/eventually.ts";
import {
  collectionOf,
  type Document,
  insert,
  seen,
  settled,
  stops,
  tablesAre,
  whole,
} from "../support/collections.ts";
import { inStep } from "../support/compare.ts";
import { cratedbTest } from "../support/cratedb_harness.ts";
import { oidsOf, runRelay, startRelay, tablesOf } from "../support/follow.ts";
import { variants } from "../support/nightly.ts";

cratedbTest("relay() follows all collections of a database, empty and new ones too", async (context) => {
  const { mongodb, database, sql, schema } = context;
  await insert(context, "full", "a", "b");
  await mongodb.db(database).createCollection("empty");
  await using running = startRelay(context, whole(context));
  await running.waitForLine(/Ready/);
  assert.deepEqual(await tablesOf(context, schema), ["empty", "full"]);
  await mongodb.db(database).createCollection("later");
  await tablesAre(context, ["empty", "full", "later"]);
  await insert(context, "implicit", "c");
  await insert(context, "empty", "d");
  for (const name of ["full", "empty", "implicit", "later"]) {
    await inStep({ ...context, table: name }, { collections: [name] });
  }
  const shards = await sql(
    "SELECT DISTINCT number_of_shards AS n FROM information_schema.tables " +
      "WHERE table_schema = ? AND table_name IN ('empty', 'full', 'implicit', 'later')",
    [schema],
  );
  assert.deepEqual(shards, [{ n: 1 }]);
  await stops(running);
});

cratedbTest("relay() warns about what has no change stream, and skips it", async (context) => {
  const { mongodb, database } = context;
  const db = mongodb.db(database);
  await insert(context, "plain", "a");
  await db.createCollection("early_view", { viewOn: "plain", pipeline: [] });
  await db.createCollection("early_series", { timeseries: { timeField: "at" } });
  await db.createCollection("capped", { capped: true, size: 4096, max: 2 });
  await db.collection("early_series").insertOne({ at: new Date() });
  await insert(context, "capped", "a");
  await using running = startRelay(context, whole(context));
  await running.waitForLine(/Ready/);
  await running.waitForLine(/WARN .*early_view.*a view has no change stream/);
  await running.waitForLine(/WARN .*early_series.*a time-series collection has no change stream/);
  await db.createCollection("late_view", { viewOn: "plain", pipeline: [] });
  await db.createCollection("late_series", { timeseries: { timeField: "at" } });
  await db.collection("late_series").insertOne({ at: new Date() });
  await insert(context, "capped", "b", "c");
  await insert(context, "plain", "b");
  await seen(context, "plain", ["a", "b"]);
  // Newer versions of MongoDB report what a capped collection removes.
  await eventually(async () => assert.deepEqual((await oidsOf(context, "capped")).slice(-2), ["b", "c"]));
  assert.deepEqual(await tablesOf(context, context.schema), ["capped", "plain"]);
  await stops(running);
});

for (const kind of ["view", "time-series collection"]) {
  cratedbTest(`relay() reports that --collection is a ${kind}`, async (context) => {
    const { mongodb, database } = context;
    await mongodb.db(database).createCollection(
      "it",
      kind === "view" ? { viewOn: "plain", pipeline: [] } : { timeseries: { timeField: "at" } },
    );
    const { code, stderr } = await runRelay(context, [...whole(context), "--collection", "it"]);
    assert.equal(code, 1, stderr);
    assert.match(stderr, new RegExp(`^Error: .*${kind.slice(0, 4)}`, "mi"));
    assert.doesNotMatch(stderr, /^ {4}at /m);
  });
}

cratedbTest("relay() makes no tables for what MongoDB holds for a moment", async (context) => {
  const { mongodb, database } = context;
  await insert(context, "source", "a", "b", "c");
  await using running = startRelay(context, whole(context));
  await running.waitForLine(/Ready/);
  for (let round = 0; round < 2; round++) {
    await collectionOf(context, "source").aggregate([{ $out: "out" }]).toArray();
    await seen(context, "out", ["a", "b", "c"]);
  }
  const other = `${database}_2`;
  try {
    await mongodb.db(other).collection<Document>("moved").insertMany([{ _id: "x" }, { _id: "y" }]);
    await mongodb.db("admin").command({
      renameCollection: `${other}.moved`,
      to: `${database}.moved`,
    });
    await seen(context, "moved", ["x", "y"]);
  } finally {
    await mongodb.db(other).dropDatabase();
  }
  await settled(context);
  assert.deepEqual(await tablesOf(context, context.schema), ["moved", "out", "source", "zz"]);
  await stops(running);
});

for (const onDrop of variants(["drop"], ["truncate"])) {
  cratedbTest(
    `relay() leaves rows of another relay in the same table, with --on-drop ${onDrop}`,
    async (context) => {
      const { mongodb, database, schema } = context;
      const other = `${database}_2`;
      await using stack = new AsyncDisposableStack();
      stack.defer(async () => void await mongodb.db(other).dropDatabase());
      await insert(context, "one", "a", "b");
      await insert({ ...context, database: other }, "one", "c");
      const flags = (
        name: string,
      ) => ["--database", name, "--table", `${schema}.{collection}`, "--on-drop", onDrop];
      const first = stack.use(startRelay(context, flags(database)));
      await first.waitForLine(/Ready/);
      const second = stack.use(startRelay(context, flags(other)));
      await second.waitForLine(/Ready/);
      await stops(first);

      const { code, stderr } = await runRelay(context, [...flags(database), "--snapshot", "only"]);
      assert.equal(code, 0, stderr);
      assert.match(stderr, new RegExp(`WARN .*stays?.* another stream .*other="?${other}`));
      assert.deepEqual(await oidsOf(context, "one"), ["a", "b", "c"]);

      const again = stack.use(startRelay(context, flags(database)));
      await again.waitForLine(/Ready/);
      await collectionOf(context, "one").drop();
      await again.waitForLine(/WARN .*Rows of a dropped collection stay/);
      await insert({ ...context, database: other }, "one", "d");
      await seen(context, "one", ["a", "b", "c", "d"]);
      await stops(again);
      await stops(second);
    },
  );
}

cratedbTest(
  "relay() ignores tables of others that have the names of its metadata tables",
  async (context) => {
    const { sql, schema, database } = context;
    const other = `${schema}_2`;
    await using stack = new AsyncDisposableStack();
    for (const name of ["cdc_collection", "cdc_position"]) {
      await sql(`CREATE TABLE "${other}"."${name}" (name TEXT)`);
      stack.defer(async () => void await sql(`DROP TABLE "${other}"."${name}"`));
    }
    await insert(context, "one", "a", "b");
    await insert(context, "two", "c");
    const flags = [...whole(context), "--on-drop", "drop", "--snapshot", "always"];
    const running = stack.use(startRelay(context, flags));
    await running.waitForLine(/Ready/);
    await context.mongodb.db(database).dropCollection("two");
    await tablesAre(context, ["one"]);
    await stops(running);
  },
);

for (const onDrop of variants(["drop"], ["truncate"])) {
  cratedbTest(
    `relay() leaves tables that a view has the name of, with --on-drop ${onDrop}`,
    async (context) => {
      const { mongodb, database, sql } = context;
      const db = mongodb.db(database);
      await insert(context, "one", "a");
      for (const name of ["mine", "cdc_position", "none"]) {
        await db.createCollection(name, { viewOn: "one", pipeline: [] });
      }
      await sql("CREATE TABLE mine (oid TEXT PRIMARY KEY, data OBJECT, overflow OBJECT(IGNORED))");
      await sql("INSERT INTO mine (oid) VALUES ('x')");
      await using running = startRelay(context, [...whole(context), "--on-drop", onDrop]);
      await running.waitForLine(/Ready/);
      for (const name of ["mine", "cdc_position", "none"]) {
        await db.collection(name).drop();
      }
      await settled(context);
      assert.deepEqual(await oidsOf(context, "mine"), ["x"]);
      assert.deepEqual(await tablesOf(context, context.schema), ["mine", "one", "zz"]);
      await stops(running);
    },
  );
}

cratedbTest("relay() starts if a view has the name of one of its metadata tables", async (context) => {
  const { sql, schema } = context;
  await insert(context, "one", "a");
  await using first = startRelay(context, whole(context));
  await first.waitForLine(/Ready/);
  await stops(first);
  await using stack = new AsyncDisposableStack();
  await sql(
    `CREATE VIEW "${schema}_2".cdc_position AS SELECT stream, token, saved_at FROM "${schema}".cdc_position`,
  );
  stack.defer(async () => void await sql(`DROP VIEW "${schema}_2".cdc_position`));
  const second = stack.use(startRelay(context, whole(context)));
  await second.waitForLine(/Ready/);
  await stops(second);
});

cratedbTest("relay() copies no view that has taken the name of a collection", async (context) => {
  const { mongodb, database } = context;
  const db = mongodb.db(database);
  await insert(context, "one", "a");
  await insert(context, "a.b", "old");
  await insert(context, "two", "c");
  await using first = startRelay(context, [...whole(context), "--on-drop", "drop"]);
  await first.waitForLine(/Ready/);
  await stops(first);
  await collectionOf(context, "one").rename("three");
  await collectionOf(context, "three").drop();
  await collectionOf(context, "a.b").drop();
  for (const name of ["three", "a.b"]) await db.createCollection(name, { viewOn: "two", pipeline: [] });
  await insert(context, "a_b", "new");
  await using second = startRelay(context, [...whole(context), "--on-drop", "drop"]);
  await second.waitForLine(/Ready/);
  await settled(context);
  assert.deepEqual(await tablesOf(context, context.schema), ["a_b", "two", "zz"]);
  await seen(context, "a_b", ["new"]);
  await stops(second);
});

cratedbTest("relay() makes no table for what convertToCapped makes on its way", async (context) => {
  await insert(context, "log", "a", "b");
  await using running = startRelay(context, whole(context));
  await running.waitForLine(/Ready/);
  await context.mongodb.db(context.database).command({ convertToCapped: "log", size: 1_000_000 });
  await insert(context, "log", "c");
  await settled(context);
  await inStep({ ...context, table: "log" }, { collections: ["log"] });
  assert.deepEqual(await tablesOf(context, context.schema), ["log", "zz"]);
  await stops(running);
});
