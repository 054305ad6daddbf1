import assert from "node:assert/strict";
import { eventually } from "../../dev/servers/eventually.ts";
import { inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { oidsOf, runRelay, startRelay, tablesOf } from "../support/follow.ts";
import { ownMongodbTest } from "../support/own_mongodb.ts";
import { variants } from "../support/nightly.ts";

type Document = { _id: number; n?: number };

/** Collections that are made while the relay starts. */
const EARLY = 10;

/** A template with which all tables are in the test's schema. */
const template = (
  { schema }: CratedbContext,
  name = "{collection}",
) => ["--table", `${schema}.${name}`];

ownMongodbTest("relay() follows a whole deployment, and collections that appear later", async (context) => {
  const { mongodb, schema, follow } = context;
  const flags = ["--database", "*", ...template(context, "{database}~{collection}")];
  const [databases, each] = [["one", "two", "three", "four", "five"], 5];
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
  await running.waitForLine(/Following/);
  for (let at = 0; at < EARLY; at++) await fill(databases[at % databases.length] ?? "", `early${at}`);
  await running.waitForLine(/Ready/, { timeout: 90_000 });
  await fill("one", "late");
  await fill("six", "late");
  await mongodb.db("one").collection<Document>("c0").updateOne({ _id: 1 }, { $set: { n: -1 } });
  await mongodb.db("two").collection<Document>("c1").deleteOne({ _id: 2 });

  await eventually(async () => assert.deepEqual(await tablesOf(context, schema), [...expected].sort()), {
    interval: 250,
  });
  for (const name of expected) {
    const [database = "", collection = ""] = name.split("~");
    await inStep({ ...context, database, table: name }, { collections: [collection] })
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
  /** Flags; the databases have the test's name and `a` or `b` at the end. */
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

cratedbTest("relay() follows what --database, --collection and --exclude name", async (context) => {
  const { mongodb, database, schema } = context;
  const databases = [`${database}a`, `${database}b`];
  const fill = async (_id: number) => {
    for (const name of databases) {
      for (const collection of COLLECTIONS) {
        await mongodb.db(name).collection<Document>(collection).insertOne({ _id });
      }
    }
  };
  /** For each relay, the tables that it has made. */
  const seen = async () => {
    const tables = (await tablesOf(context, schema)).map((name) => name.split("~"));
    return Object.keys(CHOICES).map((_, at) =>
      tables.filter(([prefix]) => prefix === `${at}`)
        .map(([, name = "", collection]) => `${name.replace(database, "")}/${collection}`).sort()
    );
  };
  await using stack = new AsyncDisposableStack();
  for (const name of databases) stack.defer(async () => void await mongodb.db(name).dropDatabase());
  await fill(1);
  const relays = Object.values(CHOICES).map(({ flags }, at) =>
    stack.use(
      startRelay(context, [...flags(database), ...template(context, `${at}~{database}~{collection}`)]),
    )
  );
  for (const running of relays) await running.waitForLine(/Ready/);
  const expected = Object.values(CHOICES).map(({ tables }) => tables);
  assert.deepEqual(await seen(), expected);
  await fill(2);
  for (const [at, [what, { tables }]] of Object.entries(CHOICES).entries()) {
    for (const table of tables) {
      const name = `${at}~${database}${table.replace("/", "~")}`;
      await eventually(async () => assert.deepEqual(await oidsOf(context, name), ["1", "2"], what));
    }
  }
  assert.deepEqual(await seen(), expected);
  for (const running of relays) assert.equal((await running.kill()).code, 0);
});

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

const ODD_NAMES = ["_private", "x".repeat(200), "-dash", "+plus", "cdc_position", "control\u0001", "a:b"];

cratedbTest("relay() has a table for each collection with an odd name, or says why not", async (context) => {
  const { mongodb, database, schema } = context;
  for (const [_id, name] of ODD_NAMES.entries()) {
    await mongodb.db(database).collection<Document>(name).insertOne({ _id, n: 1 });
  }
  const flags = ["--database", database, ...template(context), "--snapshot", "only"];
  const { code, stderr } = await runRelay(context, flags);
  assert.doesNotMatch(stderr, /^ {4}at |RENAME TO/m);
  const tables = await tablesOf(context, schema);
  const stored = new Set((await Promise.all(tables.map((table) => oidsOf(context, table)))).flat());
  assert.equal(stored.size, tables.length, stderr);
  const excluded = ODD_NAMES.filter((_, _id) => !stored.has(`${_id}`));
  for (const name of excluded) {
    const line = stderr.split("\n").find((line) => line.includes(`${database}.${name}`) && /WARN/.test(line));
    assert.match(line ?? "", /--(?:exclude|table)/, stderr);
  }
  assert.equal(code, excluded.length > 0 ? 1 : 0, stderr);
});

/** Names of collections that have the same table, two by two. */
const COLLISIONS = [["a.b", "a_b"], ["c d", "c#d"]] as const;

cratedbTest("relay() leaves out one of two collections for one table", async (context) => {
  const { mongodb, database } = context;
  for (const [_id, name] of COLLISIONS.flat().entries()) {
    await mongodb.db(database).collection<Document>(name).insertOne({ _id });
  }
  const flags = ["--database", database, ...template(context), "--snapshot", "only"];
  const { code, stderr } = await runRelay(context, flags);
  assert.equal(code, 1, stderr);
  for (const pair of COLLISIONS) {
    const line = stderr.split("\n").find((line) =>
      pair.every((name) => line.includes(`${database}.${name}`))
    );
    assert.match(line ?? "", /WARN .*collection failed.*Two collections would share/, stderr);
  }
  assert.match(stderr, /^Error: Not all collections were read, because .*\n.*Two collections would share/m);
  const tables = await tablesOf(context, context.schema);
  assert.deepEqual(tables, ["a_b", "c_d"]);
  for (const table of tables) assert.equal((await oidsOf(context, table)).length, 1);
});

const REUSED = ["keep", "truncate", "drop"] as const;

for (const isLive of variants([true], [false])) {
  const when = isLive ? "while it runs" : "after a restart";
  cratedbTest(
    `relay() reads a collection that was left out once its table is free, ${when}`,
    async (context) => {
      await Promise.all(REUSED.map((onDrop) => reuses({ ...context, table: `${onDrop}_b` }, onDrop, isLive)));
    },
    { ownProcess: !isLive },
  );
}

/** A table of two collections, the older of which is dropped. */
async function reuses(
  context: CratedbContext,
  onDrop: typeof REUSED[number],
  isLive: boolean,
): Promise<void> {
  const { mongodb, database, table } = context;
  const names = [`${onDrop}_b`, `${onDrop}.b`];
  const [older, newer] = names.map((name) => mongodb.db(database).collection<Document>(name));
  assert.ok(older && newer);
  const flags = [
    "--database",
    database,
    "--collection",
    names.join(","),
    "--on-drop",
    onDrop,
    "--lease",
    "1s",
  ];
  const start = () => startRelay(context, [...flags, ...template(context)]);
  await older.insertOne({ _id: 1 });
  await using first = start();
  await first.waitForLine(/Ready/);
  await newer.insertMany([{ _id: 1 }, { _id: 2 }]);
  await first.waitForLine(/WARN .*collection failed.*Two collections would share/);
  await older.insertOne({ _id: 6 });
  const seen = (oids: readonly string[]) =>
    eventually(async () => assert.deepEqual(await oidsOf(context, table), oids, onDrop));
  await seen(["1", "6"]);
  if (!isLive) await first.kill("SIGKILL");
  await older.deleteMany({ _id: { $in: [1, 6] } });
  await newer.insertOne({ _id: 3 });
  await older.insertOne({ _id: 4 });
  await older.drop();

  await using second = isLive ? first : start();
  await newer.insertOne({ _id: 5 });
  const kept = onDrop === "keep" ? ["4"] : [];
  await seen(["1", "2", "3", ...kept, "5"]);
  await newer.updateOne({ _id: 5 }, { $set: { n: 7 } });
  await newer.deleteOne({ _id: 2 });
  await seen(["1", "3", ...kept, "5"]);
  assert.equal((await second.kill()).code, 0);
}
