import assert from "node:assert/strict";
import { inferColumnsOfAll } from "../../../lib/mapping/column_tree.ts";
import { columnOfMost, countFields } from "../../../lib/mapping/field_counts.ts";
import { documentOf, type Raw, raw } from "../../support/raw_bson.ts";

const documents = (...values: readonly Raw[]) => values.map((value) => documentOf([["v", value]]));
const chosen = (...values: readonly Raw[]) =>
  columnOfMost(countFields(documents(...values)))?.children?.get("v");
const times = (count: number, value: Raw) => Array.from({ length: count }, () => value);

Deno.test("columnOfMost() stores most values, in any order", () => {
  const values = [raw.string("x"), ...times(3, raw.int32(1)), raw.string("y")];
  assert.deepEqual(chosen(...values), { kind: "bigint" });
});

Deno.test("columnOfMost() adds integers and doubles up, which one column stores", () => {
  const values = [...times(4, raw.string("x")), ...times(3, raw.int32(1)), ...times(2, raw.double(0.5))];
  assert.deepEqual(chosen(...values), { kind: "double" });
});

Deno.test("columnOfMost() does not depend on the order of the documents", () => {
  const values = [raw.boolean(true), raw.string("x"), raw.int32(1)];
  for (const order of [values, values.toReversed()]) assert.deepEqual(chosen(...order), { kind: "bigint" });
});

Deno.test("columnOfMost() has frequent fields first, then those that are mostly in front", () => {
  const sample = [
    documentOf([["rare", raw.int32(1)], ["often", raw.int32(1)], ["always", raw.int32(1)]]),
    documentOf([["never", raw.null()], ["often", raw.int32(2)], ["always", raw.int32(1)], [
      "less",
      raw.int32(1),
    ]]),
  ];
  for (const order of [sample, sample.toReversed()]) {
    const columns = columnOfMost(countFields(order))?.children?.keys() ?? [];
    assert.deepEqual([...columns], ["often", "always", "rare", "less"]);
  }
});

Deno.test("columnOfMost() has the same order of fields whatever the order of the documents", () => {
  const fields = ["a", "b", "c"].map((name) => [name, raw.int32(1)] as const);
  const sample = [fields, fields, fields.toReversed()].map(documentOf);
  for (const order of [sample, sample.toReversed()]) {
    assert.deepEqual([...columnOfMost(countFields(order))?.children?.keys() ?? []], ["a", "b", "c"]);
  }
});

Deno.test("columnOfMost() counts the items of all arrays", () => {
  const values = [raw.array([raw.string("x")]), raw.array([raw.int32(1), raw.int32(2)]), raw.null()];
  assert.deepEqual(chosen(...values), { kind: "array", element: { kind: "bigint" } });
});

Deno.test("columnOfMost() has no column for nulls, empty arrays and names that are refused", () => {
  assert.equal(chosen(raw.null(), raw.array([]), raw.array([raw.null()])), undefined);
  const refused = columnOfMost(countFields([documentOf([["a.b", raw.int32(1)]])]));
  assert.deepEqual(refused, { kind: "object", children: new Map() });
});

const AGREED: readonly (readonly Uint8Array[])[] = [
  documents(raw.int32(1), raw.double(0.5), raw.null()),
  documents(raw.array([raw.array([raw.int32(1)])]), raw.array([])),
  documents(raw.document([["a", raw.date(0n)]]), raw.document([["b", raw.regex("x", "i")]])),
  [documentOf([["a", raw.int32(1)], ["b", raw.int32(1)], ["a", raw.int32(2)]])],
];

for (const [at, sample] of AGREED.entries()) {
  Deno.test(`columnOfMost() equals inferColumnsOfAll() if no kinds exclude each other, ${at + 1}`, () => {
    assert.deepEqual(columnOfMost(countFields(sample)), inferColumnsOfAll(sample));
  });
}

Deno.test("countFields() counts types by name, and tells text that no column takes", () => {
  const counts = countFields(documents(raw.string("x".repeat(40_000)), raw.string("x"), raw.decimal("1")));
  assert.deepEqual(
    counts.children.get("v")?.types,
    new Map([["long text", 1], ["string", 1], ["decimal128", 1]]),
  );
});
