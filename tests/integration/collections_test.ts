import assert from "node:assert/strict";
import { eventually } from "../../lib/testdrive/eventually.ts";
import { inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { countRows, oidsOf, runRelay, startRelay, tablesOf } from "../support/follow.ts";
import type { Running } from "../support/program.ts";

type Document = { _id: string; n?: number };

/** Flags: all collections of the test's database, each in the table of its name in the test's schema. */
const whole = ({ database, schema }: CratedbContext) => [
  "--database",
  database,
  "--table",
  `${schema}.{collection}`,
];

const collectionOf = ({ mongodb, database }: CratedbContext, name: string) =>
  mongodb.db(database).collection<Document>(name);

const insert = (context: CratedbContext, name: string, ...ids: string[]) =>
  collectionOf(context, name).insertMany(ids.map((_id) => ({ _id, n: 1 })));

const seen = (context: CratedbContext, table: string, oids: readonly string[]) =>
  eventually(async () => assert.deepEqual(await oidsOf(context, table), oids), { interval: 50 });

const tablesAre = (context: CratedbContext, tables: readonly string[]) =>
  eventually(async () => assert.deepEqual(await tablesOf(context, context.schema), tables), { interval: 50 });

/** Everything before this has been landed. */
async function settled(context: CratedbContext): Promise<void> {
  await insert(context, "zz", crypto.randomUUID());
  await inStep({ ...context, table: "zz" }, { collections: ["zz"] });
}

const stops = async (running: Running) =>
  assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));

cratedbTest("relay() follows all collections of a database, empty and new ones too", async (context) => {
  const { mongodb, database } = context;
  await insert(context, "full", "a", "b");
  await mongodb.db(database).createCollection("empty");
  await using running = startRelay(context, whole(context));
  await running.waitForLine(/Ready/);
  assert.deepEqual(await tablesOf(context, context.schema), ["empty", "full"]);
  await mongodb.db(database).createCollection("later");
  await tablesAre(context, ["empty", "full", "later"]);
  await insert(context, "implicit", "c");
  await insert(context, "empty", "d");
  for (const name of ["full", "empty", "implicit", "later"]) {
    await inStep({ ...context, table: name }, { collections: [name] });
  }
  await stops(running);
});

cratedbTest("relay() tells of what has no change stream, and leaves it out", async (context) => {
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
  // Newer versions of MongoDB tell of what falls out of a capped collection.
  await eventually(async () => assert.deepEqual((await oidsOf(context, "capped")).slice(-2), ["b", "c"]));
  assert.deepEqual(await tablesOf(context, context.schema), ["capped", "plain"]);
  await stops(running);
});

for (const kind of ["view", "time-series collection"]) {
  cratedbTest(`relay() says so when --collection is a ${kind}`, async (context) => {
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

type OnDrop = "keep" | "truncate" | "drop";

interface Change {
  readonly change: (context: CratedbContext, name: (short: string) => string) => Promise<unknown>;
  /** Keys in the tables afterwards. */
  readonly expected: Readonly<Record<OnDrop, Readonly<Record<string, readonly string[]>>>>;
}

const before = { one: ["a", "b"], two: ["c"] };

/** What happens to collections `one` (a, b) and `two` (c). */
const CHANGES: Readonly<Record<string, Change>> = {
  drop: {
    change: (context, name) => collectionOf(context, name("one")).drop(),
    expected: {
      keep: before,
      truncate: { one: [], two: ["c"] },
      drop: { two: ["c"] },
    },
  },
  again: {
    change: async (context, name) => {
      await collectionOf(context, name("one")).drop();
      await insert(context, name("one"), "d");
    },
    expected: {
      keep: { one: ["a", "b", "d"], two: ["c"] },
      truncate: { one: ["d"], two: ["c"] },
      drop: { one: ["d"], two: ["c"] },
    },
  },
  rename: {
    change: (context, name) => collectionOf(context, name("one")).rename(name("three")),
    expected: {
      keep: { ...before, three: ["a", "b"] },
      truncate: { one: [], two: ["c"], three: ["a", "b"] },
      drop: { two: ["c"], three: ["a", "b"] },
    },
  },
  onto: {
    change: (context, name) => collectionOf(context, name("one")).rename(name("two"), { dropTarget: true }),
    expected: {
      keep: { one: ["a", "b"], two: ["a", "b"] },
      truncate: { one: [], two: ["a", "b"] },
      drop: { two: ["a", "b"] },
    },
  },
  alike: {
    change: async (context, name) => {
      await insert(context, name("one"), "d");
      await collectionOf(context, name("one")).rename("alike.one");
      await insert(context, "alike.one", "e");
    },
    expected: {
      keep: { one: ["a", "b", "d", "e"], two: ["c"] },
      truncate: { one: ["a", "b", "d", "e"], two: ["c"] },
      drop: { one: ["a", "b", "d", "e"], two: ["c"] },
    },
  },
  out: {
    change: (context, name) => collectionOf(context, name("one")).rename(name("hidden")),
    expected: {
      keep: before,
      truncate: { one: [], two: ["c"] },
      drop: { two: ["c"] },
    },
  },
  into: {
    change: async (context, name) => {
      await insert(context, name("hidden"), "x");
      await collectionOf(context, name("hidden")).rename(name("three"));
    },
    expected: {
      keep: { ...before, three: ["x"] },
      truncate: { ...before, three: ["x"] },
      drop: { ...before, three: ["x"] },
    },
  },
  back: {
    change: async (context, name) => {
      await collectionOf(context, name("one")).rename(name("three"));
      await insert(context, name("three"), "d");
      await collectionOf(context, name("three")).rename(name("one"));
      await collectionOf(context, name("one")).deleteOne({ _id: "a" });
    },
    expected: {
      keep: { one: ["b", "d"], two: ["c"], three: ["d"] },
      truncate: { one: ["b", "d"], two: ["c"], three: [] },
      drop: { one: ["b", "d"], two: ["c"] },
    },
  },
  swap: {
    change: async (context, name) => {
      await collectionOf(context, name("one")).rename(name("hidden"));
      await collectionOf(context, name("two")).rename(name("one"));
      await collectionOf(context, name("hidden")).rename(name("two"));
    },
    expected: {
      keep: { one: ["c"], two: ["a", "b"] },
      truncate: { one: ["c"], two: ["a", "b"] },
      drop: { one: ["c"], two: ["a", "b"] },
    },
  },
  away: {
    change: ({ mongodb, database }, name) =>
      mongodb.db("admin").command({
        renameCollection: `${database}.${name("one")}`,
        to: `${database}_2.${name("one")}`,
      }),
    expected: {
      keep: before,
      truncate: { one: [], two: ["c"] },
      drop: { two: ["c"] },
    },
  },
};

for (const onDrop of ["keep", "truncate", "drop"] as const) {
  for (const when of ["running", "stopped"] as const) {
    cratedbTest(
      `relay() follows drops and renames with --on-drop ${onDrop}, while ${when}`,
      async (context) => {
        const { mongodb, database } = context;
        for (const what of Object.keys(CHANGES)) {
          for (const [short, ids] of Object.entries(before)) {
            await insert(context, `${what}_${short}`, ...ids);
          }
        }
        const flags = [...whole(context), "--exclude", "*_hidden", "--on-drop", onDrop];
        await using stack = new AsyncDisposableStack();
        stack.defer(async () => void await mongodb.db(`${database}_2`).dropDatabase());
        let running = stack.use(startRelay(context, flags));
        await running.waitForLine(/Ready/);
        if (when === "stopped") await stops(running);
        for (const [what, { change }] of Object.entries(CHANGES)) {
          await change(context, (short) => `${what}_${short}`);
        }
        if (when === "stopped") running = stack.use(startRelay(context, flags));
        const expected = Object.entries(CHANGES).flatMap(([what, { expected }]) =>
          Object.entries(expected[onDrop]).map(([short, oids]) => [`${what}_${short}`, oids] as const)
        );
        // What is gone by the time that it is looked at may have left no row in the table of its name.
        const isPassing = (table: string) => onDrop === "keep" && table === "back_three";
        await eventually(async () => {
          assert.deepEqual(
            await tablesOf(context, context.schema),
            expected.map(([table]) => table).sort(),
            running.stderr.join("\n"),
          );
          for (const [table, oids] of expected) {
            if (!isPassing(table)) assert.deepEqual(await oidsOf(context, table), oids, table);
          }
        }, { interval: 100 });
        await settled(context);
        await stops(running);
      },
    );
  }

  cratedbTest(`relay() follows dropDatabase with --on-drop ${onDrop}`, async (context) => {
    const { mongodb, database } = context;
    for (const [name, ids] of Object.entries(before)) await insert(context, name, ...ids);
    await using running = startRelay(context, [...whole(context), "--on-drop", onDrop]);
    await running.waitForLine(/Ready/);
    await mongodb.db(database).dropDatabase();
    await insert(context, "one", "new");
    await seen(context, "one", onDrop === "keep" ? ["a", "b", "new"] : ["new"]);
    await tablesAre(context, onDrop === "drop" ? ["one"] : ["one", "two"]);
    if (onDrop !== "drop") assert.deepEqual(await oidsOf(context, "two"), onDrop === "keep" ? ["c"] : []);
    await stops(running);
  });
}

for (const onDrop of ["truncate", "drop"]) {
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
      assert.match(stderr, new RegExp(`WARN .*stays?.* another stream .*stream="?${other}`));
      assert.deepEqual(await oidsOf(context, "one"), ["a", "b", "c"]);

      const again = stack.use(startRelay(context, flags(database)));
      await again.waitForLine(/Ready/);
      await collectionOf(context, "one").drop();
      await again.waitForLine(/WARN .*collection that is gone stay/);
      await insert({ ...context, database: other }, "one", "d");
      await seen(context, "one", ["a", "b", "c", "d"]);
      await stops(again);
      await stops(second);
    },
  );
}

cratedbTest(
  "relay() passes over tables that have the names of its own and are somebody else's",
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

for (const onDrop of ["truncate", "drop"]) {
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

cratedbTest("relay() starts where a view has the name of one of its own tables", async (context) => {
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

for (const when of ["running", "stopped"]) {
  cratedbTest(
    `relay() keeps rows in a table that another collection takes over, while ${when}`,
    async (context) => {
      await insert(context, "order_lines", "a", "b");
      let running = startRelay(context, whole(context));
      await running.waitForLine(/Ready/);
      if (when === "stopped") await stops(running);
      await collectionOf(context, "order_lines").drop();
      await insert(context, "order.lines", "c");
      if (when === "stopped") running = startRelay(context, whole(context));
      await settled(context);
      await seen(context, "order_lines", ["a", "b", "c"]);
      await stops(running);
    },
  );
}

/** What makes another collection of one that is followed. */
const REPLACED: Readonly<Record<string, (context: CratedbContext) => Promise<unknown>>> = {
  rename: (context) => collectionOf(context, "other").rename("data", { dropTarget: true }),
  "$out": (context) => collectionOf(context, "other").aggregate([{ $out: "data" }]).toArray(),
};

for (const [what, replace] of Object.entries(REPLACED)) {
  cratedbTest(`relay() knows its deployment again after ${what} onto the collection`, async (context) => {
    await insert(context, "data", "a", "b");
    await insert(context, "other", "b", "c");
    const flags = ["--on-drop", "truncate", "--on-history-lost", "fail"];
    const first = context.relay(flags);
    await first.waitForLine(/Ready/);
    await replace(context);
    await seen(context, "data", ["b", "c"]);
    await stops(first);
    const second = context.relay(flags);
    await second.waitForLine(/Ready/);
    await insert(context, "data", "d");
    await seen(context, "data", ["b", "c", "d"]);
    await stops(second);
  });
}

/** Each of them happens to the collection while it is copied. */
const AMID: Readonly<Record<string, (context: CratedbContext) => Promise<unknown>>> = {
  drop: (context) => collectionOf(context, "large").drop(),
  rename: (context) => collectionOf(context, "large").rename("larger"),
  "another one in its place": async (context) => {
    await insert(context, "other", "a", "b");
    await collectionOf(context, "other").rename("large", { dropTarget: true });
  },
  dropDatabase: ({ mongodb, database }) => mongodb.db(database).dropDatabase(),
};

for (const [what, change] of Object.entries(AMID)) {
  cratedbTest(`relay() copies on after ${what} in the middle of the copy`, async (context) => {
    const { database, mongodb } = context;
    await collectionOf(context, "large").insertMany(
      Array.from({ length: 6_000 }, (_, n) => ({ _id: `key ${n}`, n })),
    );
    await insert(context, "small", "a");
    const flags = [...whole(context), "--on-drop", "truncate", "--batch-size", "20"];
    await using running = startRelay(context, flags);
    await eventually(async () => assert.ok(await countRows({ ...context, table: "large" }) > 0), {
      interval: 10,
    });
    await change(context);
    await insert(context, "large", "new");
    await running.waitForLine(/Ready/);
    for (const { name } of await mongodb.db(database).listCollections().toArray()) {
      await inStep({ ...context, table: name }, { collections: [name] }).catch((error) =>
        assert.fail(`${name}: ${error.message}\n${running.stderr.join("\n")}`)
      );
    }
    await stops(running);
  });
}

cratedbTest("relay() keeps rows of a collection that went while it was copied again", async (context) => {
  await collectionOf(context, "one").insertMany(
    Array.from({ length: 2_000 }, (_, n) => ({ _id: `key ${n}`, n })),
  );
  const flags = [...whole(context), "--on-drop", "keep", "--batch-size", "20", "--lease", "1s"];
  await using first = startRelay(context, flags);
  await first.waitForLine(/Ready/);
  await collectionOf(context, "one").rename("two");
  await eventually(async () => assert.ok(await countRows({ ...context, table: "two" }) > 0), {
    interval: 10,
  });
  await first.kill("SIGKILL");
  await collectionOf(context, "two").drop();
  const before = (await oidsOf(context, "two")).length;
  await using second = startRelay(context, flags);
  await second.waitForLine(/Ready/);
  await settled(context);
  assert.equal((await oidsOf(context, "two")).length, before, second.stderr.join("\n"));
  await stops(second);
});

cratedbTest("relay() moves what is renamed to another database it follows", async (context) => {
  const { mongodb, database, schema } = context;
  const other = `${database}_2`;
  await insert(context, "one", "a", "b");
  await mongodb.db(other).collection<Document>("two").insertOne({ _id: "c" });
  const flags = ["--database", `${database},${other}`, "--table", `${schema}.{database}~{collection}`];
  try {
    await using running = startRelay(context, [...flags, "--on-drop", "drop"]);
    await running.waitForLine(/Ready/);
    await mongodb.db("admin").command({ renameCollection: `${database}.one`, to: `${other}.one` });
    await mongodb.db(other).collection<Document>("one").insertOne({ _id: "d" });
    await seen(context, `${other}~one`, ["a", "b", "d"]);
    await tablesAre(context, [`${other}~one`, `${other}~two`]);
    await mongodb.db(other).dropDatabase();
    await tablesAre(context, []);
    await mongodb.db(other).collection<Document>("two").insertOne({ _id: "e" });
    await seen(context, `${other}~two`, ["e"]);
    await stops(running);
  } finally {
    await mongodb.db(other).dropDatabase();
  }
});

cratedbTest("relay() follows one collection that another one is renamed to", async (context) => {
  const running = context.relay(["--on-drop", "truncate"]);
  await insert(context, "data", "a");
  await seen(context, "data", ["a"]);
  await insert(context, "fresh", "b", "c");
  await collectionOf(context, "fresh").rename("data", { dropTarget: true });
  await insert(context, "data", "d");
  await seen(context, "data", ["b", "c", "d"]);
  await collectionOf(context, "data").updateOne({ _id: "b" }, { $set: { n: 2 } });
  await inStep(context);
  await stops(running);
});
