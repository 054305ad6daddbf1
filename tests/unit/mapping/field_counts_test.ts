import assert from "node:assert/strict";
import { classify, MAX_DEPTH } from "../../../lib/mapping/classify.ts";
import type { Column } from "../../../lib/mapping/column_tree.ts";
import type { Kind } from "../../../lib/mapping/column_types.ts";
import { countFields, inferColumns } from "../../../lib/mapping/field_counts.ts";
import { documentOf, type Raw, raw, valueOf } from "../../support/raw_bson.ts";

const of = (kind: Kind): Column => ({ kind });
const list = (element: Column): Column => ({ kind: "array", element });
const object = (children: Readonly<Record<string, Column>> = {}): Column => ({
  kind: "object",
  children: new Map(Object.entries(children)),
});

const documents = (...values: readonly Raw[]) => values.map((value) => documentOf([["v", value]]));
const chosen = (...values: readonly Raw[]) => inferColumns(documents(...values))?.children?.get("v");
const times = (count: number, value: Raw) => Array.from({ length: count }, () => value);

Deno.test("inferColumns() stores most values, in any order", () => {
  const values = [raw.string("x"), ...times(3, raw.int32(1)), raw.string("y")];
  assert.deepEqual(chosen(...values), { kind: "bigint" });
});

Deno.test("inferColumns() adds integers and doubles up, which one column stores", () => {
  const values = [...times(4, raw.string("x")), ...times(3, raw.int32(1)), ...times(2, raw.double(0.5))];
  assert.deepEqual(chosen(...values), { kind: "double" });
});

Deno.test("inferColumns() does not depend on the order of the documents", () => {
  const values = [raw.boolean(true), raw.string("x"), raw.int32(1)];
  for (const order of [values, values.toReversed()]) assert.deepEqual(chosen(...order), { kind: "bigint" });
});

Deno.test("inferColumns() has frequent fields first, then those that are mostly in front", () => {
  const sample = [
    documentOf([["rare", raw.int32(1)], ["often", raw.int32(1)], ["always", raw.int32(1)]]),
    documentOf([["never", raw.null()], ["often", raw.int32(2)], ["always", raw.int32(1)], [
      "less",
      raw.int32(1),
    ]]),
  ];
  for (const order of [sample, sample.toReversed()]) {
    const columns = inferColumns(order)?.children?.keys() ?? [];
    assert.deepEqual([...columns], ["often", "always", "rare", "less"]);
  }
});

Deno.test("inferColumns() has the same order of fields whatever the order of the documents", () => {
  const fields = ["a", "b", "c"].map((name) => [name, raw.int32(1)] as const);
  const sample = [fields, fields, fields.toReversed()].map(documentOf);
  for (const order of [sample, sample.toReversed()]) {
    assert.deepEqual([...inferColumns(order)?.children?.keys() ?? []], ["a", "b", "c"]);
  }
});

Deno.test("inferColumns() counts the items of all arrays", () => {
  const values = [raw.array([raw.string("x")]), raw.array([raw.int32(1), raw.int32(2)]), raw.null()];
  assert.deepEqual(chosen(...values), { kind: "array", element: { kind: "bigint" } });
});

Deno.test("inferColumns() has no column for nulls, empty arrays and names that are refused", () => {
  assert.equal(chosen(raw.null(), raw.array([]), raw.array([raw.null()])), undefined);
  const refused = inferColumns([documentOf([["a.b", raw.int32(1)]])]);
  assert.deepEqual(refused, { kind: "object", children: new Map() });
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
  Deno.test(`inferColumns() ${what}`, () => assert.deepEqual(chosen(value), shape));
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
  assert.equal(depth(chosen(nested(MAX_DEPTH - 1))), MAX_DEPTH - 1);
  assert.equal(depth(chosen(nested(MAX_DEPTH + 10))), MAX_DEPTH - 1);
});

Deno.test("countFields() counts types by name, and tells text that no column takes", () => {
  const counts = countFields(documents(raw.string("x".repeat(40_000)), raw.string("x"), raw.decimal("1")));
  assert.deepEqual(
    counts.children.get("v")?.types,
    new Map([["long text", 1], ["string", 1], ["decimal128", 1]]),
  );
});
