import { SavedCollections } from "../../lib/sink/metadata/saved_collections.ts";
import { parseSinkUrl } from "../../lib/sink/connection/url.ts";
import { openTransport } from "../../lib/sink/connection/open_transport.ts";
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
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { countRows, oidsOf, startRelay, tablesOf } from "../support/follow.ts";
import { nightly, variants } from "../support/nightly.ts";

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

const CASES = variants(
  [["keep", "running"], ["truncate", "stopped"], ["drop", "running"]],
  [["keep", "stopped"], ["truncate", "running"], ["drop", "stopped"]],
);

for (const [onDrop, when] of CASES) {
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
      // A collection that exists briefly may leave no row in its table.
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

  cratedbTest(`relay() follows dropDatabase with --on-drop ${onDrop}`, async (context) => {
    const { mongodb, database } = context;
    for (const [name, ids] of Object.entries(before)) await insert(context, name, ...ids);
    await using running = startRelay(context, [...whole(context), "--on-drop", onDrop]);
    await running.waitForLine(/Ready/);
    await mongodb.db(database).dropDatabase();
    await insert(context, "one", "new");
    await seen(context, "one", onDrop === "keep" ? ["a", "b", "new"] : ["new"]);
    await tablesAre(context, onDrop === "drop" ? ["one"] : ["one", "two"]);
    if (onDrop !== "drop") await seen(context, "two", onDrop === "keep" ? ["c"] : []);
    await stops(running);
  });
}

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
  nightly(cratedbTest, what !== "rename")(
    `relay() recognises its deployment after ${what} onto the collection`,
    async (context) => {
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
    },
  );
}

/** With these a copy takes three seconds. */
const [LARGE, SLOW] = [600, ["--snapshot-rate", "200"]];

const fill = (context: CratedbContext, name: string) =>
  collectionOf(context, name).insertMany(Array.from({ length: LARGE }, (_, n) => ({ _id: `key ${n}`, n })));

const hasRows = (context: CratedbContext, table: string) =>
  eventually(async () => assert.ok(await countRows({ ...context, table }) > 0), { interval: 10 });

/** Each of them happens to a collection while it is copied. */
const AMID: Readonly<Record<string, (context: CratedbContext, name: string) => Promise<unknown>>> = {
  dropped: (context, name) => collectionOf(context, name).drop(),
  renamed: (context, name) => collectionOf(context, name).rename("larger"),
  replaced: async (context, name) => {
    await insert(context, "other", "a", "b");
    await collectionOf(context, "other").rename(name, { dropTarget: true });
  },
};

async function copiesOn(
  context: CratedbContext,
  names: readonly string[],
  change: (name: string) => unknown,
): Promise<void> {
  for (const name of names) await fill(context, name);
  await insert(context, "small", "a");
  const flags = [...whole(context), "--on-drop", "truncate", "--batch-size", "20", ...SLOW];
  await using running = startRelay(context, flags);
  await Promise.all(names.map(async (name) => {
    await hasRows(context, name);
    assert.ok(!running.stderr.some((line) => /Snapshot done/.test(line)), running.stderr.join("\n"));
    await change(name);
    await insert(context, name, "new");
  }));
  await running.waitForLine(/Ready/);
  const { mongodb, database } = context;
  for (const { name } of await mongodb.db(database).listCollections().toArray()) {
    await inStep({ ...context, table: name }, { collections: [name] }).catch((error) =>
      assert.fail(`${name}: ${error.message}\n${running.stderr.join("\n")}`)
    );
  }
  await stops(running);
}

cratedbTest(
  "relay() copies on after a collection is dropped, renamed or replaced in the middle of it",
  (context) => copiesOn(context, Object.keys(AMID), (name) => AMID[name]?.(context, name)),
);

cratedbTest(
  "relay() copies on after dropDatabase in the middle of the copy",
  (context) => copiesOn(context, ["large"], () => context.mongodb.db(context.database).dropDatabase()),
);

cratedbTest(
  "relay() keeps rows of a collection that was dropped while it was copied again",
  async (context) => {
    await fill(context, "one");
    const flags = [...whole(context), "--on-drop", "keep", "--batch-size", "20", "--lease", "1s"];
    await using first = startRelay(context, [...flags, ...SLOW]);
    await first.waitForLine(/Ready/);
    await collectionOf(context, "one").rename("two");
    await hasRows(context, "two");
    await first.kill("SIGKILL");
    await collectionOf(context, "two").drop();
    const before = (await oidsOf(context, "two")).length;
    assert.ok(before < LARGE);
    await using second = startRelay(context, flags);
    await second.waitForLine(/Ready/);
    await settled(context);
    assert.equal((await oidsOf(context, "two")).length, before, second.stderr.join("\n"));
    await stops(second);
  },
  { ownProcess: true },
);

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

cratedbTest("relay() forgets all dropped collections whose names give one emptied table", async (context) => {
  const { database, httpUrl, schema, sql } = context;
  const args = ["--database", database, "--table", `${schema}.{collection}`, "--on-drop", "drop"];
  const runs = async () => {
    const running = startRelay(context, args);
    await running.waitForLine(/Ready/);
    assert.equal((await running.kill()).code, 0);
  };
  await runs();
  const [{ stream } = {}] = await sql("SELECT stream FROM cdc_position");
  await using transport = await openTransport(parseSinkUrl(httpUrl));
  const open = () => new SavedCollections(transport, { schema, stream: String(stream) });
  const saved = open();
  for (const collection of ["a.b", "a_b"]) {
    await saved.setTable({ database, collection }, { schema, name: "a_b" });
  }
  await sql("CREATE TABLE a_b (oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC), overflow OBJECT(IGNORED))");
  await runs();
  assert.deepEqual(await tablesOf(context, schema), []);
  assert.deepEqual(await open().list(), []);
});
