import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { eventually } from "../../dev/servers/eventually.ts";
import { inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { oidsOf, runRelay, startRelay, tablesOf } from "../support/follow.ts";
import { ownMongodbTest } from "../support/own_mongodb.ts";

type Document = { _id: number; n?: number };

/** Collections that are made while the relay starts. */
const EARLY = 25;

/** A template by which all tables are in the test's own schema, and of one shard, as there are many. */
const template = (
  { schema }: CratedbContext,
  name = "{collection}",
) => ["--table", `${schema}.${name}`];

ownMongodbTest("relay() follows a whole deployment, and collections that appear later", async (context) => {
  const { mongodb, schema, follow } = context;
  const flags = ["--database", "*", ...template(context, "{database}~{collection}")];
  const [databases, each] = [["one", "two", "three", "four", "five"], 10];
  const documents = Array.from({ length: 20 }, (_, _id) => ({ _id, n: _id }));
  const expected = new Set<string>();
  const fill = async (database: string, collection: string) => {
    await mongodb.db(database).collection<Document>(collection).insertMany(documents);
    expected.add(`${database}~${collection}`);
  };
  for (const database of databases) {
    for (let at = 0; at < each; at++) await fill(database, `c${at}`);
  }
  const running = follow(flags);
  let started = false;
  const ready = running.waitForLine(/Ready/, { timeout: 90_000 }).finally(() => started = true);
  for (let at = 0; !started; at++) {
    if (at < EARLY) await fill(databases[at % databases.length] ?? "", `early${at}`);
    await delay(100);
  }
  await ready;
  await fill("one", "late");
  await fill("six", "late");
  await mongodb.db("one").collection<Document>("c0").updateOne({ _id: 1 }, { $set: { n: -1 } });
  await mongodb.db("two").collection<Document>("c1").deleteOne({ _id: 2 });

  await eventually(async () => assert.deepEqual(await tablesOf(context, schema), [...expected].sort()), {
    interval: 250,
  });
  for (const name of expected) {
    const [database = "", collection = ""] = name.split("~");
    await inStep({ ...context, database, table: name }, { collections: [collection], timeout: 5_000 })
      .catch((error) => assert.fail(`${name}: ${error.message}`));
  }
  assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));

  await fill("seven", "offline");
  const again = follow(flags);
  await inStep({ ...context, database: "seven", table: "seven~offline" }, { collections: ["offline"] });
  assert.equal((await again.kill()).code, 0, again.stderr.join("\n"));
});

ownMongodbTest("relay() names tables after database and collection", async (context) => {
  const { mongodb, sql, follow, schema } = context;
  await mongodb.db("testdrive").collection<Document>("data").insertOne({ _id: 1 });
  const other = `other_${schema}`;
  await mongodb.db(other).collection<Document>("data").insertOne({ _id: 2 });
  try {
    await follow(["--database", "*"]).waitForLine(/Ready/);
    assert.deepEqual(await oidsOf(context, "cdc-testdrive"), ["1"]);
    assert.deepEqual(await tablesOf(context, other), ["data"]);
    assert.deepEqual(await oidsOf({ ...context, schema: other }, "data"), ["2"]);
  } finally {
    await sql(`DROP TABLE IF EXISTS "${other}"."data"`);
  }
});

interface Choice {
  /** Flags; the databases that there are have the test's name and `a` or `b` at the end. */
  readonly flags: (database: string) => string[];
  readonly tables: readonly string[];
}

const COLLECTIONS = ["orders", "order_lines", "users", "tmp_1", "tmp_2", "a.b"];

const CHOICES: Readonly<Record<string, Choice>> = {
  "one database": {
    flags: (database) => ["--database", `${database}a`],
    tables: ["a/a_b", "a/order_lines", "a/orders", "a/tmp_1", "a/tmp_2", "a/users"],
  },
  "two collections, named twice": {
    flags: (database) => ["--database", `${database}a`, "--collection", "users", "--collection", "tmp_1"],
    tables: ["a/tmp_1", "a/users"],
  },
  "a collection of two databases": {
    flags: (database) => ["--database", `${database}a,${database}b`, "--collection", "users"],
    tables: ["a/users", "b/users"],
  },
  "patterns": {
    flags: (database) => ["--database", `${database}?`, "--collection", "order*,tmp_?"],
    tables: [
      "a/order_lines",
      "a/orders",
      "a/tmp_1",
      "a/tmp_2",
      "b/order_lines",
      "b/orders",
      "b/tmp_1",
      "b/tmp_2",
    ],
  },
  "all but some": {
    flags: (database) => [
      "--database",
      `${database}*`,
      "--exclude",
      `tmp_*,${database}b.*`,
      "--exclude",
      "*.a.b",
    ],
    tables: ["a/order_lines", "a/orders", "a/users"],
  },
};

for (const [what, { flags, tables }] of Object.entries(CHOICES)) {
  cratedbTest(
    `relay() follows what --database, --collection and --exclude name: ${what}`,
    async (context) => {
      const { mongodb, database, schema } = context;
      const databases = [`${database}a`, `${database}b`];
      const fill = async (_id: number) => {
        for (const name of databases) {
          for (const collection of COLLECTIONS) {
            await mongodb.db(name).collection<Document>(collection).insertOne({ _id });
          }
        }
      };
      const seen = async (): Promise<string[]> =>
        (await tablesOf(context, schema)).map((name) => name.replace(`${database}`, "").replace("~", "/"))
          .sort();
      try {
        await fill(1);
        const table = template(context, "{database}~{collection}");
        await using running = startRelay(context, [...flags(database), ...table]);
        await running.waitForLine(/Ready/);
        assert.deepEqual(await seen(), tables);
        await fill(2);
        for (const name of tables) {
          await eventually(async () =>
            assert.deepEqual(await oidsOf(context, `${database}${name.replace("/", "~")}`), ["1", "2"])
          );
        }
        assert.deepEqual(await seen(), tables);
        assert.equal((await running.kill()).code, 0);
      } finally {
        for (const name of databases) await mongodb.db(name).dropDatabase();
      }
    },
  );
}

/** Names of collections and of their tables. */
const NAMES: Readonly<Record<string, string>> = {
  "dots.in.it": "dots_in_it",
  "a space": "a_space",
  "hash#": "hash_",
  "UPPER Case": "UPPER_Case",
  'quote"': "quote_",
  "back\\slash/slash": "back_slash_slash",
  "star*?<>|,": "star______",
  "it's": "it's",
  "tab\tnew\nline": "tab_new_line",
  "日本語": "日本語",
  "percent%{database}": "percent%{database}",
};

cratedbTest("relay() makes tables for names that CrateDB refuses", async (context) => {
  const { mongodb, database } = context;
  const db = mongodb.db(database);
  for (const name of Object.keys(NAMES)) await db.collection<Document>(name).insertOne({ _id: 1, n: 1 });
  await using running = startRelay(context, ["--database", database, ...template(context)]);
  await running.waitForLine(/Ready/);
  for (const name of Object.keys(NAMES)) await db.collection<Document>(name).insertOne({ _id: 2, n: 1 });
  for (const [collection, table] of Object.entries(NAMES)) {
    await inStep({ ...context, table }, { collections: [collection] }).catch((error) =>
      assert.fail(`${JSON.stringify(collection)} in ${table}: ${error.message}`)
    );
  }
});

for (
  const name of ["_private", "x".repeat(200), "-dash", "+plus", "cdc_position", "control\u0001", "a:b"]
) {
  cratedbTest(
    `relay() finds a table for collection ${JSON.stringify(name)}, or says why not`,
    async (context) => {
      const { mongodb, database } = context;
      await mongodb.db(database).collection<Document>(name).insertOne({ _id: 1, n: 1 });
      const { code, stderr } = await runRelay(context, [
        "--database",
        database,
        ...template(context),
        "--snapshot",
        "only",
      ]);
      assert.doesNotMatch(stderr, /^ {4}at /m);
      if (code === 0) {
        const tables = await tablesOf(context, context.schema);
        assert.equal(tables.length, 1, stderr);
        assert.deepEqual(await oidsOf(context, tables[0] ?? ""), ["1"]);
      } else {
        assert.match(stderr, /^Error: /m);
        assert.match(stderr, /--(?:exclude|table)/);
        assert.doesNotMatch(stderr, /RENAME TO/);
      }
    },
  );
}

const COLLISIONS: Readonly<Record<string, readonly [string, string]>> = {
  "a dot": ["a.b", "a_b"],
  "a space": ["a b", "a#b"],
};

for (const [what, names] of Object.entries(COLLISIONS)) {
  cratedbTest(`relay() leaves out one of two collections for one table: ${what}`, async (context) => {
    const { mongodb, database } = context;
    for (const [at, name] of names.entries()) {
      await mongodb.db(database).collection<Document>(name).insertOne({ _id: at });
    }
    const flags = ["--database", database, ...template(context), "--snapshot", "only"];
    const { code, stderr } = await runRelay(context, flags);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /WARN .*left out.*Two collections would share/);
    for (const name of names) assert.ok(stderr.includes(`${database}.${name}`), stderr);
    assert.match(stderr, /^Error: 1 of the collections were not read: .*\n.*Two collections would share/m);
    const [table = ""] = await tablesOf(context, context.schema);
    assert.equal((await oidsOf(context, table)).length, 1);
  });
}

for (const onDrop of ["keep", "truncate", "drop"]) {
  for (const isLive of [true, false]) {
    cratedbTest(
      `relay() reads a collection that was left out once its table is free, with --on-drop ${onDrop}, ` +
        (isLive ? "while it runs" : "after a restart"),
      async (context) => {
        const { mongodb, database } = context;
        const [older, newer] = ["a_b", "a.b"].map((name) => mongodb.db(database).collection<Document>(name));
        assert.ok(older && newer);
        const flags = ["--database", database, "--on-drop", onDrop, "--lease", "1s", ...template(context)];
        await older.insertOne({ _id: 1 });
        await using first = startRelay(context, flags);
        await first.waitForLine(/Ready/);
        await newer.insertMany([{ _id: 1 }, { _id: 2 }]);
        await first.waitForLine(/WARN .*left out.*Two collections would share/);
        await older.insertOne({ _id: 6 });
        await eventually(async () => assert.deepEqual(await oidsOf(context, "a_b"), ["1", "6"]));
        if (!isLive) await first.kill("SIGKILL");
        await older.deleteMany({ _id: { $in: [1, 6] } });
        await newer.insertOne({ _id: 3 });
        await older.insertOne({ _id: 4 });
        await older.drop();

        await using second = isLive ? first : startRelay(context, flags);
        await newer.insertOne({ _id: 5 });
        const kept = onDrop === "keep" ? ["4"] : [];
        await eventually(async () =>
          assert.deepEqual(await oidsOf(context, "a_b"), ["1", "2", "3", ...kept, "5"])
        );
        await newer.updateOne({ _id: 5 }, { $set: { n: 7 } });
        await newer.deleteOne({ _id: 2 });
        await eventually(async () =>
          assert.deepEqual(await oidsOf(context, "a_b"), ["1", "3", ...kept, "5"])
        );
        assert.equal((await second.kill()).code, 0);
      },
    );
  }
}

const WRONG: Readonly<Record<string, readonly [readonly string[], RegExp]>> = {
  "the one collection left out": [
    ["--database", "a", "--collection", "b", "--exclude", "b"],
    /Collection a\.b is left out\..*--exclude/s,
  ],
  "one table for a database": [["--database", "a", "--table", "x.y"], /\{collection\}/],
  "one table for two collections": [
    ["--database", "a", "--collection", "b,c", "--table", "x"],
    /\{collection\}/,
  ],
  "one table for a pattern": [["--database", "a", "--collection", "b*", "--table", "x"], /\{collection\}/],
  "no database in the table's name": [["--database", "*", "--table", "x.{collection}"], /\{database\}/],
  "a database of MongoDB's own": [["--database", "admin"], /own/],
};

for (const [what, [flags, message]] of Object.entries(WRONG)) {
  cratedbTest(`relay() is wrong usage with ${what}`, async (context) => {
    const { code, stderr } = await runRelay(context, flags);
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
  });
}
