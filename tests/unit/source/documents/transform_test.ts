import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import {
  changesId,
  parseFilter,
  parsePaths,
  parsePipeline,
  type TransformOptions,
  transformStages,
} from "../../../../lib/source/documents/transform.ts";

const NOTHING: TransformOptions = { filter: undefined, only: [], omit: [], pipeline: undefined };

/** As MongoDB gets it. */
const sent = (value: unknown): unknown => BSON.EJSON.parse(BSON.EJSON.stringify(value, { relaxed: true }));

const STAGES: readonly (readonly [string, Partial<TransformOptions>, Document[]])[] = [
  ["nothing", {}, []],
  ["a filter", { filter: { active: true } }, [{ $match: { active: true } }]],
  ["a filter that all match", { filter: {} }, [{ $match: {} }]],
  ["fields", { only: ["a", "b.c"] }, [{ $project: { a: 1, "b.c": 1 } }]],
  ["fields with odd names", { only: ["__proto__", "0"] }, [{ $project: { 0: 1, ["__proto__"]: 1 } }]],
  ["fields left out", { omit: ["a", "b.c"] }, [{ $unset: ["a", "b.c"] }]],
  ["a pipeline", { pipeline: [{ $set: { a: "$b" } }] }, [{ $set: { a: "$b" } }]],
  ["an empty pipeline", { pipeline: [] }, []],
  [
    "all, the filter first and the pipeline last",
    { filter: { a: 1 }, only: ["a", "b"], omit: ["a.b"], pipeline: [{ $unset: "c" }] },
    [{ $match: { a: 1 } }, { $project: { a: 1, b: 1 } }, { $unset: ["a.b"] }, { $unset: "c" }],
  ],
];

for (const [what, options, stages] of STAGES) {
  Deno.test(`transformStages() of ${what}`, () =>
    assert.deepEqual(sent(transformStages({ ...NOTHING, ...options })), stages));
}

Deno.test("parseFilter() reads Extended JSON with its types", () => {
  const filter = parseFilter(
    '{"_id": {"$oid": "669683c2b0750b2c84893f3e"}, "at": {"$gt": {"$date": "2024-07-16T00:00:00Z"}}, ' +
      '"n": 1, "d": 1.5, "l": {"$numberLong": "9007199254740993"}}',
  );
  assert.deepEqual(
    BSON.serialize(filter),
    BSON.serialize({
      _id: new BSON.ObjectId("669683c2b0750b2c84893f3e"),
      at: { $gt: new Date("2024-07-16") },
      n: new BSON.Int32(1),
      d: new BSON.Double(1.5),
      l: BSON.Long.fromString("9007199254740993"),
    }),
  );
});

for (
  const text of [
    "",
    "status: open",
    "{'a': 1}",
    '{"a": 1',
    "[]",
    '[{"a": 1}]',
    "null",
    "1",
    '"a"',
    '{"$oid": "669683c2b0750b2c84893f3e"}',
    '{"$date": "2024-07-16T00:00:00Z"}',
    '{"_id": {"$oid": "short"}}',
    '{"at": {"$date": "no"}}',
  ]
) {
  Deno.test(`parseFilter() refuses ${JSON.stringify(text)}`, () =>
    assert.throws(() => parseFilter(text), RangeError));
}

Deno.test("parsePipeline() takes the stages that make one document of one", () => {
  const stages = [
    { $match: {} },
    { $project: { a: 1 } },
    { $addFields: { b: 1 } },
    { $set: { c: 1 } },
    { $unset: "d" },
    { $replaceRoot: { newRoot: "$$ROOT" } },
    { $replaceWith: "$$ROOT" },
    { $redact: "$$KEEP" },
  ];
  assert.deepEqual(sent(parsePipeline(JSON.stringify(stages))), stages);
});

/** Text, and the error. */
const REFUSED: readonly (readonly [string, RegExp])[] = [
  ["", /is not Extended JSON/],
  ["$match", /is not Extended JSON/],
  ['{"$match": {}}', /is not a list of stages/],
  ['["$match"]', /is not a list of stages/],
  ["[null]", /is not a list of stages/],
  ["[[]]", /is not a list of stages/],
  ["[{}]", /has a stage \(none\); supported are \$match, /],
  ['[{"$match": {}, "$set": {}}]', /has a stage/],
  ['[{"match": {}}]', /has a stage match;/],
  ['[{"toString": {}}]', /has a stage toString;/],
  ...[
    "$unwind",
    "$group",
    "$lookup",
    "$out",
    "$merge",
    "$limit",
    "$skip",
    "$sort",
    "$sample",
    "$facet",
    "$unionWith",
    "$count",
    "$changeStream",
    "$changeStreamSplitLargeEvent",
  ].map((stage) => [`[{"$set": {}}, {"${stage}": {}}]`, new RegExp(`has a stage \\${stage};`)] as const),
];

for (const [text, message] of REFUSED) {
  Deno.test(`parsePipeline() refuses ${text || "nothing"}`, () =>
    assert.throws(() => parsePipeline(text), (error) => {
      assert.ok(error instanceof RangeError);
      assert.match(error.message, message);
      return true;
    }));
}

const PATHS: readonly (readonly [string, readonly string[]])[] = [
  ["", []],
  ["a", ["a"]],
  ["a,b.c", ["a", "b.c"]],
  [" a , b.c ,", ["a", "b.c"]],
  ["_ids,a._id,x y,é,a.0", ["_ids", "a._id", "x y", "é", "a.0"]],
];

for (const [text, paths] of PATHS) {
  Deno.test(`parsePaths() ${JSON.stringify(text)}`, () => assert.deepEqual(parsePaths(text), paths));
}

for (const text of ["_id", "a,_id", "$a", ".", ".a", "a.", "a..b", "a,b."]) {
  Deno.test(`parsePaths() refuses ${JSON.stringify(text)}`, () =>
    assert.throws(() => parsePaths(text), RangeError));
}

/** A pipeline, and whether a document may have another `_id` after it. */
const CHANGES: readonly (readonly [string, boolean])[] = [
  ["[]", false],
  ['[{"$match": {"_id": 1}}]', false],
  ['[{"$set": {"ids": "$_id", "a._id": 1}}, {"$unset": ["a", "b._id"]}]', false],
  ['[{"$project": {"a": 1}}]', false],
  ['[{"$project": {"_id.a": 1}}]', true],
  ['[{"$set": {"a": 1}}, {"$set": {"_id": "$a"}}]', true],
  ['[{"$addFields": {"_id.a": 1}}]', true],
  ['[{"$unset": "_id.a"}]', true],
  ['[{"$unset": ["a", "_id"]}]', true],
  ['[{"$replaceRoot": {"newRoot": "$a"}}]', true],
  ['[{"$replaceWith": "$$ROOT"}]', true],
  ['[{"$redact": "$$KEEP"}]', true],
];

for (const [pipeline, changes] of CHANGES) {
  Deno.test(`changesId() ${pipeline}`, () =>
    assert.equal(changesId(transformStages({ ...NOTHING, pipeline: parsePipeline(pipeline) })), changes));
}
