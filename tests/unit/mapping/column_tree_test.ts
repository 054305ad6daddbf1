import assert from "node:assert/strict";
import { additions, type Column, inferColumns, mergeColumns } from "../../../lib/mapping/column_tree.ts";
import { classify, MAX_DEPTH } from "../../../lib/mapping/classify.ts";
import type { Kind } from "../../../lib/mapping/column_types.ts";
import { documentOf, type Raw, raw, valueOf } from "../../support/raw_bson.ts";

const of = (kind: Kind): Column => ({ kind });
const list = (element: Column): Column => ({ kind: "array", element });
const object = (children: Readonly<Record<string, Column>> = {}): Column => ({
  kind: "object",
  children: new Map(Object.entries(children)),
});

const SHAPES: readonly (readonly [string, Raw, Column | undefined])[] = [
  ["a string", raw.string("x"), of("text")],
  ["text too long for a column", raw.string("x".repeat(32_767)), undefined],
  ["an ObjectId", raw.objectId(new Uint8Array(12)), of("text")],
  ["an Int32", raw.int32(1), of("bigint")],
  ["an Int64", raw.int64(1n), of("bigint")],
  ["a Double without fraction", raw.double(1), of("double")],
  ["Decimal128", raw.decimal("1"), of("text")],
  ["a boolean", raw.boolean(true), of("boolean")],
  ["a date", raw.date(0n), of("timestamp")],
  ["null", raw.null(), undefined],
  ["undefined", raw.undefined(), undefined],
  ["a timestamp", raw.timestamp(1, 2), object({ t: of("bigint"), i: of("bigint") })],
  ["a regular expression", raw.regex("a", "i"), object({ pattern: of("text"), options: of("text") })],
  [
    "code with scope",
    raw.codeWithScope("f", documentOf([["n", raw.int32(1)]])),
    object({ code: of("text"), scope: object({ n: of("bigint") }) }),
  ],
  ["an empty document", raw.document([]), object()],
  ["a document of nulls", raw.document([["a", raw.null()]]), object()],
  ["an empty array", raw.array([]), undefined],
  ["an array of nulls", raw.array([raw.null()]), undefined],
  ["an array", raw.array([raw.null(), raw.string("x")]), list(of("text"))],
  ["ints among doubles", raw.array([raw.int32(1), raw.double(0.5), raw.int32(2)]), list(of("double"))],
  ["nested arrays", raw.array([raw.array([raw.int32(1)])]), list(list(of("bigint")))],
  [
    "an array of objects",
    raw.array([raw.document([["a", raw.int32(1)]]), raw.document([["a", raw.double(1)], ["b", raw.null()]])]),
    list(object({ a: of("double") })),
  ],
  [
    "equal keys",
    raw.document([["a", raw.int32(1)], ["c", raw.int32(1)], ["a", raw.int32(1)]]),
    object({ c: of("bigint") }),
  ],
  [
    "names that are refused",
    raw.document([["a.b", raw.int32(1)], ["c", raw.int32(1)]]),
    object({ c: of("bigint") }),
  ],
];

for (const [what, value, shape] of SHAPES) {
  Deno.test(`inferColumns() ${what}`, () => assert.deepEqual(inferColumns(valueOf(value)), shape));
  Deno.test(`classify() ${what}`, () =>
    assert.equal(classify(valueOf(value), 0) === "column", shape !== undefined));
}

Deno.test("inferColumns() ends at the depth that columns are created to", () => {
  const nested = (levels: number): Raw =>
    levels === 0 ? raw.int32(1) : raw.document([["o", nested(levels - 1)]]);
  const depth = (column: Column | undefined): number => {
    const child = column?.children?.get("o");
    return child ? 1 + depth(child) : 0;
  };
  assert.equal(depth(inferColumns(valueOf(nested(MAX_DEPTH)))), MAX_DEPTH);
  assert.equal(depth(inferColumns(valueOf(nested(MAX_DEPTH + 10)))), MAX_DEPTH);
});

const MERGED: readonly (readonly [string, Column | undefined, Column | undefined, Column | undefined])[] = [
  ["nothing", undefined, undefined, undefined],
  ["one only", of("text"), undefined, of("text")],
  ["the other only", undefined, of("text"), of("text")],
  ["BIGINT, DOUBLE", of("bigint"), of("double"), of("double")],
  ["DOUBLE, BIGINT", of("double"), of("bigint"), of("double")],
  ["kinds that exclude each other", of("text"), of("bigint"), of("text")],
  ["scalar and array", of("bigint"), list(of("bigint")), of("bigint")],
  ["arrays", list(of("bigint")), list(of("double")), list(of("double"))],
  [
    "objects",
    object({ a: of("bigint"), b: of("text") }),
    object({ a: of("double"), c: of("boolean") }),
    object({ a: of("double"), b: of("text"), c: of("boolean") }),
  ],
];

for (const [what, one, other, expected] of MERGED) {
  Deno.test(`mergeColumns() of ${what}`, () => assert.deepEqual(mergeColumns(one, other), expected));
}

const ADDITIONS: readonly (readonly [string, Column, Column, ReturnType<typeof additions>])[] = [
  ["what is there", object({ a: of("bigint") }), object({ a: of("bigint") }), []],
  ["a kind that differs", object({ a: of("bigint") }), object({ a: of("text") }), []],
  ["a new column", object(), object({ a: of("text") }), [{ path: ["a"], column: of("text") }]],
  [
    "a new object with all below",
    object({ a: of("bigint") }),
    object({ o: object({ b: of("text") }) }),
    [{ path: ["o"], column: object({ b: of("text") }) }],
  ],
  [
    "a new column in an object",
    object({ o: object({ b: of("text") }) }),
    object({ o: object({ c: of("text") }) }),
    [{ path: ["o", "c"], column: of("text") }],
  ],
  [
    "a new column below an array of objects",
    object({ l: list(object({ b: of("text") })) }),
    object({ l: list(object({ c: of("text") })) }),
    [{ path: ["l", "c"], column: of("text") }],
  ],
  ["an object where a scalar is", object({ a: of("text") }), object({ a: object({ b: of("text") }) }), []],
  [
    "a new column in a closed object",
    object({ o: { ...object({ b: of("text") }), closed: true } }),
    object({ o: object({ c: of("text") }), p: of("text") }),
    [{ path: ["p"], column: of("text") }],
  ],
  [
    "a new column in an open object of a closed one",
    { ...object({ o: object() }), closed: true },
    object({ o: object({ c: of("text") }), p: of("text") }),
    [{ path: ["o", "c"], column: of("text") }],
  ],
  [
    "columns below one that is ignored",
    object({ a: of("ignored") }),
    object({ a: object({ b: of("text") }) }),
    [],
  ],
];

for (const [what, columns, shape, expected] of ADDITIONS) {
  Deno.test(`additions() of ${what}`, () => assert.deepEqual(additions(columns, shape), expected));
}
