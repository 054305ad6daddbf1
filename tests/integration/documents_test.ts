import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { variants } from "../support/nightly.ts";

const { Double, Int32, Long } = BSON;

/** Kinds that do not fit into one column. */
const KINDS: readonly unknown[] = [
  new Int32(1),
  new Double(1.5),
  "text",
  { a: new Int32(1) },
  { a: "text", b: { c: new Int32(1) } },
  [new Int32(1)],
  ["text"],
  [{ a: new Int32(1) }],
  true,
  new Date(0),
  Long.MAX_VALUE,
  new Double(1e300),
];

/** One path for each kind that can be the first there. */
const conflicting = KINDS.map((_, n) =>
  Object.fromEntries(KINDS.map((_, first) => {
    const value = KINDS[(first + n) % KINDS.length];
    return [`from ${first}`, { value, in: [{ value }] }];
  }))
);

const HOSTILE: readonly Document[] = [
  { "a.b": 1, "a": { "b": 2 } },
  { "x[0]": 1, "]": 2, "['y']": 3 },
  { "": 1, "in": { "": { "": 2 } } },
  { "\t": 1, "\n": 2, "\r\n": 3, "\u0001": 4, "\u007f": 5 },
  { "deep": { "er": { "a.b": { "c": [1, 2] }, "fine": 1 } } },
  { "list": [{ "a.b": 1 }, { "fine": 2 }] },
  { "'; DROP TABLE data; --": 1, '"': 2, "--": 3, "array(": 4 },
  { "`": 1, "in": { "a`b": 2 } },
  { "K": 1, "k": "other", "é": 2, "e\u0301": 3, "😀": 4 },
  {
    "oid": 1,
    "data": { "data": 2 },
    "overflow": { "overflow": 3 },
    "_source": 4,
    "_id ": 5,
    "in ": { "_id": 6 },
  },
  { "constructor": 1, ["__proto__"]: { "x": 2 }, "toString": 3, "in  ": { ["__proto__"]: 4 } },
  { [`long ${"k".repeat(2_000)}`]: 1 },
  { "in$": { "$dollar": 1, "$set": 2 } },
];

const ARRAYS: readonly unknown[] = [
  [],
  [null],
  [[]],
  [[1, 2], [3]],
  [[[1]], [[2, 3]]],
  [[1], ["text"]],
  [1, "text", { b: 1 }, [2], null, true],
  [{ a: 1 }, { a: "text" }],
  [{ a: 1 }, { a: 2.5 }],
  [{ a: [1] }, { a: [2.5] }, { a: [] }, {}],
  [{ a: { b: 1 } }, { a: 2 }],
  [1, 2.5, Long.fromString("9007199254740993")],
  [{ a: [{ b: [{ c: 1 }] }] }],
  [{}, null, {}],
  [["text"], [], null],
];

const nested = (depth: number): Document => depth === 0 ? { n: 1 } : { in: nested(depth - 1) };

const LONG: readonly Document[] = [
  { text: "short" },
  { text: "a".repeat(32_766) },
  { text: "a".repeat(32_767) },
  { text: "a".repeat(40_000) },
  { text: "é".repeat(20_000) },
  { text: "\u0000".repeat(10_000) },
  { list: ["short", "a".repeat(40_000)] },
  { list: [{ text: "a".repeat(40_000) }] },
  { in: { text: "a".repeat(40_000), n: 1 } },
  { binary: new Uint8Array(40_000) },
  { large: "a".repeat(5_000_000) },
  nested(60),
  Object.fromEntries(Array.from({ length: 1_200 }, (_, n) => [`column${n}`, n])),
];

const DOCUMENTS: Readonly<Record<string, readonly Document[]>> = {
  "values whose kinds conflict": conflicting,
  "values whose kinds conflict, the other way round": conflicting.toReversed(),
  "hostile keys": HOSTILE,
  "keys with a backslash": [{ "a\\c": 1, "\\": 2, "in": { "a\\b": 3 } }, { "fine": 1 }],
  "nested and mixed arrays": [
    ...ARRAYS.map((list, n) => ({ [`own${n}`]: list })),
    ...ARRAYS.map((list) => ({ list, in: { list } })),
  ],
  "long texts, deep documents and many keys": LONG,
};

async function landWhole(context: CratedbContext, write: () => Promise<unknown>): Promise<void> {
  await write();
  await inStep(context, { interval: 100 });
  assert.deepEqual(await context.sql("SELECT oid, error FROM cdc_dead_letter"), []);
}

for (const transport of variants(["http"], ["wire"])) {
  for (const [what, documents] of Object.entries(DOCUMENTS)) {
    cratedbTest(`relay() stores ${what} whole, over ${transport}`, async (context) => {
      const { mongodb, database, relay } = context;
      const data = mongodb.db(database).collection<Document>("data");
      await relay([], { transport }).waitForLine(/Ready/);
      await landWhole(
        context,
        () => data.insertMany(documents.map((document, _id) => ({ _id, ...document }) as Document)),
      );
      await landWhole(context, async () => {
        for (const [_id, document] of documents.toReversed().entries()) {
          await data.replaceOne({ _id } as Document, document);
        }
      });
    });
  }
}

cratedbTest("relay() stores kinds of one batch after the other whole", async (context) => {
  const { mongodb, database, relay } = context;
  const data = mongodb.db(database).collection<Document>("data");
  await relay().waitForLine(/Ready/);
  for (const [_id, document] of conflicting.entries()) {
    await landWhole(context, () => data.insertOne({ _id, ...document } as Document));
  }
});

cratedbTest("relay() stores nulls in places that have a column", async (context) => {
  const { mongodb, database, relay } = context;
  const data = mongodb.db(database).collection<Document>("data");
  await relay().waitForLine(/Ready/);
  await landWhole(context, () => data.insertOne({ n: 1, in: { n: 1 }, list: [{ n: 1 }], texts: ["text"] }));
  await landWhole(
    context,
    () => data.insertOne({ n: null, in: { n: null }, list: [{ n: null }], texts: null }),
  );
});
