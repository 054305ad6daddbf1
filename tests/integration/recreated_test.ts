/** A collection is dropped and made again while its snapshot is taken. */
import assert from "node:assert/strict";
import { eventually } from "../../dev/servers/eventually.ts";
import { insert, stops, whole } from "../support/collections.ts";
import { compare, inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { countRows, oidsOf, startRelay } from "../support/follow.ts";
import { nightly } from "../support/nightly.ts";

type Document = { _id: string; n: number };

const collection = ({ mongodb, database }: CratedbContext) =>
  mongodb.db(database).collection<Document>("data");

/** @example IN: 2, "old" → OUT: [{_id: "old 0", n: 0}, {_id: "old 1", n: 1}] */
const documents = (count: number, name: string) =>
  Array.from({ length: count }, (_, n) => ({ _id: `${name} ${n}`, n }));

/** The first documents. */
const OLD = 2_000;
const fill = (context: CratedbContext) => collection(context).insertMany(documents(OLD, "old"));

const dropDatabase = ({ mongodb, database }: CratedbContext) => mongodb.db(database).dropDatabase();

/** Each of them ends with a collection of other documents. */
const CHANGES: Readonly<Record<string, (context: CratedbContext) => Promise<unknown>>> = {
  "drop and other documents": async (context) => {
    await collection(context).drop();
    await collection(context).insertMany(documents(100, "new"));
  },
  "drop and other documents of the same keys": async (context) => {
    await collection(context).drop();
    // Like `mongorestore --drop`.
    await context.mongodb.db(context.database).createCollection("data");
    await collection(context).insertMany(
      documents(OLD, "old").slice(OLD / 2).map(({ _id }) => ({ _id, n: -1 })),
    );
    await collection(context).createIndex({ n: 1 });
  },
  "dropDatabase and other documents": async (context) => {
    await dropDatabase(context);
    await collection(context).insertMany(documents(100, "new"));
  },
  "dropping it twice": async (context) => {
    await collection(context).drop();
    await fill(context);
    await collection(context).drop();
    await collection(context).insertMany(documents(100, "new"));
  },
  "drop, dropDatabase and an empty collection": async (context) => {
    await collection(context).drop();
    await fill(context);
    await dropDatabase(context);
    await context.mongodb.db(context.database).createCollection("data");
  },
};

/** Waits for the first rows. They are seen long before the last are written. */
const isUnderWay = (context: CratedbContext): Promise<void> =>
  eventually(async () => assert.ok(await countRows(context) > 0), { interval: 10 });

/** The collection is in the table; with `keep`, so are the rows that were there before. */
async function endsRight(context: CratedbContext, onDrop: string, before: readonly string[]): Promise<void> {
  if (onDrop !== "keep") return await inStep(context);
  await eventually(async () => {
    const wrong = (await compare(context)).filter(({ document }) => document !== undefined);
    assert.deepEqual(wrong, []);
  });
  const after = new Set(await oidsOf(context, "data"));
  assert.deepEqual(before.filter((oid) => !after.has(oid)), []);
}

const rowsOf = (context: CratedbContext) => oidsOf(context, "data").catch(() => []);

/** One collection, whose change stream a drop invalidates. */
const single = ({ database, schema }: CratedbContext) => [
  "--database",
  database,
  "--collection",
  "data",
  "--table",
  `${schema}.data`,
];

const INVALIDATING = ["drop and other documents", "dropDatabase and other documents"];

for (const onDrop of ["keep", "truncate", "drop"]) {
  const register = nightly(cratedbTest, onDrop !== "truncate");
  const flags = ["--on-drop", onDrop, "--batch-size", "20", "--refresh-interval", "200ms", "--lease", "1s"];
  for (const [what, change] of Object.entries(CHANGES)) {
    for (const [scope, scopeOf] of Object.entries({ "a database": whole, "one collection": single })) {
      if (scopeOf === single && !INVALIDATING.includes(what)) continue;
      register(
        `relay() of ${scope} ends right after ${what} amid its snapshot, --on-drop ${onDrop}`,
        async (context) => {
          await fill(context);
          await using running = startRelay(context, [...scopeOf(context), ...flags]);
          await isUnderWay(context);
          await change(context);
          const before = await rowsOf(context);
          await running.waitForLine(/Ready/);
          await insert(context, "data", "last");
          await endsRight(context, onDrop, before);
          await stops(running);
        },
      );
    }
  }

  register(
    `relay() ends right after a drop while it was down amid its snapshot, --on-drop ${onDrop}`,
    async (context) => {
      await fill(context);
      const start = () => startRelay(context, [...whole(context), ...flags]);
      await using first = start();
      await isUnderWay(context);
      await first.kill("SIGKILL");
      const before = await rowsOf(context);
      await collection(context).drop();
      await collection(context).insertMany(documents(100, "new"));
      await using second = start();
      await second.waitForLine(/Ready/);
      await endsRight(context, onDrop, before);
      await stops(second);
    },
    { ownProcess: true },
  );
}
