import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { startRelay } from "../support/follow.ts";
import { rows, seen } from "../support/table_rows.ts";

const collectionOf = ({ mongodb, database }: CratedbContext) =>
  mongodb.db(database).collection<Document>("data");

cratedbTest("relay() lets documents flip in and out of --filter", async (context) => {
  const data = collectionOf(context);
  await data.insertMany([
    { _id: "in", on: true, n: 1 },
    { _id: "out", on: false, n: 1 },
    { _id: "none", n: 1 },
  ] as never);
  const flags = ["--filter", '{"on": true}'];
  const running = context.relay(flags);
  await running.waitForLine(/Ready/);
  await seen(context, { in: { _id: "in", on: true, n: 1 } });
  const id = (_id: string) => ({ _id }) as never;
  await data.updateOne(id("out"), { $set: { on: true } });
  await data.updateOne(id("in"), { $set: { on: false } });
  await data.replaceOne(id("none"), { on: true, n: 2 });
  await data.insertOne({ _id: "new", on: true } as never);
  await data.insertOne({ _id: "never", on: 1 } as never);
  const after = {
    new: { _id: "new", on: true },
    none: { _id: "none", on: true, n: 2 },
    out: { _id: "out", on: true, n: 1 },
  };
  await seen(context, after);
  await data.replaceOne(id("none"), { n: 3 });
  await data.deleteOne(id("new"));
  await seen(context, { out: after.out });
  assert.equal((await running.kill()).code, 0);

  await data.updateOne(id("out"), { $set: { on: false } });
  await data.updateOne(id("in"), { $set: { on: true, n: 9 } });
  const again = context.relay(flags);
  await seen(context, { in: { _id: "in", on: true, n: 9 } });
  assert.equal((await again.kill()).code, 0);
});

cratedbTest("relay() copies and follows alike while many documents flip", async (context) => {
  const data = collectionOf(context);
  const count = 6_000;
  await data.insertMany(Array.from({ length: count }, (_, n) => ({ _id: n, n, on: n % 2 === 0 })) as never);
  const running = context.relay(["--filter", '{"on": true}', "--omit", "n", "--batch-size", "200"]);
  for (let at = 0; at < 60; at++) {
    const from = Math.floor(Math.random() * count);
    await data.updateMany({ _id: { $gte: from, $lt: from + 300 } } as never, [{
      $set: { on: { $not: "$on" } },
    }]);
    if (at % 10 === 0) await data.deleteMany({ _id: { $gte: from, $lt: from + 20 } } as never);
  }
  await running.waitForLine(/Snapshot done/);
  const expected = (await data.find({ on: true }).toArray()).map(({ _id }) => String(_id)).sort();
  await eventually(async () => assert.deepEqual(Object.keys(await rows(context)).sort(), expected), {
    interval: 250,
  });
  const [first] = Object.values(await rows(context));
  assert.deepEqual(Object.keys(first as object).sort(), ["_id", "on"]);
  assert.equal((await running.kill()).code, 0);
});

const WHEN = new Date("2024-07-12T01:17:42.123Z");
const ID = new BSON.ObjectId("669683c2b0750b2c84893f3e");

/** A filter, and the `_id`s of the documents that match it. */
const FILTERS: Readonly<Record<string, readonly string[]>> = {
  '{"at": {"$gte": {"$date": "2024-07-12T01:17:42.123Z"}}}': ["a"],
  '{"ref": {"$oid": "669683c2b0750b2c84893f3e"}}': ["a"],
  '{"n": {"$numberLong": "9007199254740993"}}': ["b"],
  '{"text": {"$regex": "^X", "$options": "i"}}': ["a"],
  '{"text": {"$regularExpression": {"pattern": "^y", "options": ""}}}': ["b"],
  '{"$or": [{"tags": "red"}, {"items.n": {"$gt": 5}}]}': ["a", "b"],
  '{"$expr": {"$gt": ["$n", 1]}}': ["b"],
  '{"missing": null, "_id": {"$ne": "b"}}': ["a"],
  "{}": ["a", "b"],
};

const fixture = [
  { _id: "a", at: WHEN, ref: ID, n: 1, text: "x", tags: ["red"] },
  {
    _id: "b",
    at: new Date(0),
    n: BSON.Long.fromString("9007199254740993"),
    text: "y",
    items: [{ n: 1 }, { n: 6 }],
  },
];

cratedbTest("relay() takes what --filter matches, as copy and as change", async (context) => {
  const { mongodb, database, sql, schema } = context;
  await Promise.all(
    Object.entries(FILTERS).map(async ([filter, expected], at) => {
      const name = `c${at}`;
      const collection = mongodb.db(database).collection(name);
      const oids = async () => {
        await sql(`REFRESH TABLE "${schema}"."${name}"`);
        return (await sql(`SELECT oid FROM "${schema}"."${name}" ORDER BY oid`)).map(({ oid }) => oid);
      };
      await collection.insertMany(fixture as never);
      await using running = startRelay(context, [
        "--database",
        database,
        "--collection",
        name,
        "--table",
        `${schema}.${name}`,
        "--filter",
        filter,
      ]);
      await running.waitForLine(/Ready/);
      assert.deepEqual(await oids(), expected, filter);
      await collection.deleteMany({});
      await eventually(async () => assert.deepEqual(await oids(), [], filter));
      await collection.insertMany(fixture as never);
      await eventually(async () => assert.deepEqual(await oids(), expected, filter));
    }),
  );
});

interface Shape {
  readonly flags: readonly string[];
  readonly expected: unknown;
}

const SHAPES: Readonly<Record<string, Shape>> = {
  "--only": { flags: ["--only", "a.x,list.p"], expected: { a: { x: 1 }, list: [{ p: 1 }, { p: 3 }] } },
  "--only, given twice": { flags: ["--only", "s", "--only", "a.y"], expected: { s: "text", a: { y: 2 } } },
  "--omit": { flags: ["--omit", "a,list.q"], expected: { s: "text", list: [{ p: 1 }, { p: 3 }] } },
  "--omit of what is not there": {
    flags: ["--omit", "nothing.here,a,list"],
    expected: { s: "text" },
  },
  "--only and --omit": { flags: ["--only", "a,s", "--omit", "a.y"], expected: { a: { x: 1 }, s: "text" } },
  "--pipeline": {
    flags: [
      "--pipeline",
      '[{"$match": {"s": "text"}}, {"$set": {"sum": {"$add": ["$a.x", "$a.y"]}}}, {"$unset": ["a", "list"]}]',
    ],
    expected: { s: "text", sum: 3 },
  },
  "--filter, --omit and --pipeline": {
    flags: [
      "--filter",
      '{"a.x": 1}',
      "--omit",
      "a,list",
      "--pipeline",
      '[{"$replaceWith": {"_id": "$_id", "up": {"$toUpper": "$s"}}}]',
    ],
    expected: { up: "TEXT" },
  },
};

const whole = { s: "text", a: { x: 1, y: 2 }, list: [{ p: 1, q: 2 }, { p: 3, q: 4 }] };

for (const [what, { flags, expected }] of Object.entries(SHAPES)) {
  cratedbTest(`relay() shapes documents by ${what}, as copy and as change`, async (context) => {
    const data = collectionOf(context);
    await data.insertOne({ _id: "copied", ...whole } as never);
    await context.relay(flags).waitForLine(/Ready/);
    await data.insertOne({ _id: "inserted", ...whole } as never);
    await data.insertOne({ _id: "replaced", s: "other" } as never);
    await data.replaceOne({ _id: "replaced" } as never, whole);
    await seen(
      context,
      Object.fromEntries(
        ["copied", "inserted", "replaced"].map((_id) => [_id, { _id, ...expected as object }]),
      ),
    );
  });
}

/** Flags that may and that may not change `_id`, as far as the relay can find out. */
const KEEPING = [["--omit", "x"], ["--pipeline", '[{"$replaceWith": "$$ROOT"}]']] as const;

for (const flags of KEEPING) {
  cratedbTest(
    `relay() distinguishes keys that are equal in a collation, with ${flags[0]}`,
    async (context) => {
      const { mongodb, database } = context;
      const data = await mongodb.db(database).createCollection<Document>("data", {
        collation: { locale: "en", strength: 2 },
      });
      const ids = (...ids: string[]) => ids.map((_id) => ({ _id, n: 1 })) as never[];
      await data.insertMany(ids("a", "B", "c", "ü"));
      // A single event, so that the document which has the equal key is not asked for with it.
      const start = () => context.relay([...flags, "--batch-size", "1"]);
      const first = start();
      await first.waitForLine(/Ready/);
      assert.equal((await first.kill()).code, 0, first.stderr.join("\n"));
      await data.deleteMany({ _id: { $in: ["a", "b"] } } as never);
      await data.insertMany(ids("A", "b"));
      const again = start();
      await seen(context, Object.fromEntries(["A", "b", "c", "ü"].map((_id) => [_id, { _id, n: 1 }])));
      assert.equal((await again.kill()).code, 0, again.stderr.join("\n"));
    },
  );
}

interface Refusal {
  readonly flags: readonly string[];
  readonly code: 1 | 2;
  readonly message: RegExp;
}

const REFUSALS: Readonly<Record<string, Refusal>> = {
  "a filter that is no JSON": {
    flags: ["--filter", "{on: true"],
    code: 2,
    message: /--filter.*Extended JSON/,
  },
  "a filter that is a list": { flags: ["--filter", "[]"], code: 2, message: /--filter.*query/ },
  "a filter that MongoDB refuses": {
    flags: ["--filter", '{"n": {"$nope": 1}}'],
    code: 2,
    message: /MongoDB refuses --filter.*unknown operator: \$nope/,
  },
  "a stage that makes other documents": {
    flags: ["--pipeline", '[{"$group": {"_id": "$n"}}]'],
    code: 2,
    message: /--pipeline.*\$group/,
  },
  "a stage that makes several of one": {
    flags: ["--pipeline", '[{"$unwind": "$list"}]'],
    code: 2,
    message: /--pipeline.*\$unwind/,
  },
  "two stages in one": {
    flags: ["--pipeline", '[{"$set": {"a": 1}, "$unset": "b"}]'],
    code: 2,
    message: /--pipeline/,
  },
  "a pipeline that is no list": {
    flags: ["--pipeline", '{"$set": {}}'],
    code: 2,
    message: /--pipeline.*list/,
  },
  "a pipeline that MongoDB refuses": {
    flags: ["--pipeline", '[{"$set": {"a": {"$nope": 1}}}]'],
    code: 2,
    message: /MongoDB refuses .*--pipeline.*\$nope/,
  },
  "a pipeline that takes _id away": {
    flags: ["--pipeline", '[{"$unset": "_id"}]'],
    code: 1,
    message: /^Error: .*`?_id`?/m,
  },
  "a pipeline that changes _id": {
    flags: ["--pipeline", '[{"$set": {"_id": "other"}}]'],
    code: 1,
    message: /^Error: .*changes `?_id/m,
  },
  "a pipeline that gives _id another document's value": {
    flags: ["--pipeline", '[{"$replaceWith": {"$mergeObjects": ["$$ROOT", {"_id": "$n"}]}}]'],
    code: 1,
    message: /^Error: .*changes `?_id/m,
  },
  "paths that cannot be had together": {
    flags: ["--only", "a,a.b"],
    code: 2,
    message: /--only.*Path collision/,
  },
  "--omit of _id": { flags: ["--omit", "n,_id"], code: 2, message: /--omit.*_id/ },
  "no path": { flags: ["--only", "a..b"], code: 2, message: /--only.*path/ },
  "post-images of documents that it shapes": {
    flags: ["--full-document", "required", "--omit", "n"],
    code: 2,
    message: /--full-document required cannot be given with .*--omit/,
  },
  "an unknown way to full documents": {
    flags: ["--full-document", "sometimes"],
    code: 2,
    message: /--full-document.*lookup, updateLookup, whenAvailable, required/,
  },
};

for (const [what, { flags, code, message }] of Object.entries(REFUSALS)) {
  cratedbTest(`relay() refuses ${what}`, async (context) => {
    await collectionOf(context).insertOne({ _id: "a", n: 1, list: [1, 2] } as never);
    const running = context.relay(flags);
    assert.equal((await running.status).code, code, running.stderr.join("\n"));
    await running.waitForLine(/Error/);
    const text = running.stderr.join("\n");
    assert.match(text, message);
    assert.doesNotMatch(text, /^ +at /m);
    assert.doesNotMatch(text, /Uncaught/);
  });
}

cratedbTest(
  "relay() refuses a filter that MongoDB refuses, before the collection exists",
  async (context) => {
    await using running = startRelay(context, [
      "--database",
      context.database,
      "--filter",
      '{"n": {"$nope": 1}}',
    ]);
    assert.equal((await running.status).code, 2, running.stderr.join("\n"));
    await running.waitForLine(/^Error: .*unknown operator: \$nope/);
  },
);

cratedbTest("relay() asks for post-images with --full-document required", async (context) => {
  const { mongodb, database } = context;
  const data = collectionOf(context);
  const flags = ["--full-document", "required"];
  await data.insertOne({ _id: "a", n: 1 } as never);
  const running = context.relay(flags);
  await running.waitForLine(/Ready/);
  await data.updateOne({ _id: "a" } as never, { $set: { n: 2 } });
  assert.equal((await running.status).code, 1);
  await running.waitForLine(/^Error: .*post-image/);
  await running.waitForLine(/collMod: '.*changeStreamPreAndPostImages/);
  assert.ok(!running.stderr.some((line) => /^ +at |Uncaught/.test(line)), running.stderr.join("\n"));

  await mongodb.db(database).command({ collMod: "data", changeStreamPreAndPostImages: { enabled: true } });
  const available = context.relay(["--full-document", "whenAvailable"]);
  await seen(context, { a: { _id: "a", n: 2 } });
  await data.updateOne({ _id: "a" } as never, { $set: { n: 3 } });
  await seen(context, { a: { _id: "a", n: 3 } });
  assert.equal((await available.kill()).code, 0);
  const required = context.relay(flags);
  await required.waitForLine(/Ready/);
  await data.updateOne({ _id: "a" } as never, { $set: { n: 4 } });
  await seen(context, { a: { _id: "a", n: 4 } });
  assert.equal((await required.kill()).code, 0);
});
