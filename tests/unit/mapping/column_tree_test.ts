import assert from "node:assert/strict";
import { additions, type Column } from "../../../lib/mapping/column_tree.ts";
import type { Kind } from "../../../lib/mapping/column_types.ts";

const of = (kind: Kind): Column => ({ kind });
const list = (element: Column): Column => ({ kind: "array", element });
const object = (children: Readonly<Record<string, Column>> = {}): Column => ({
  kind: "object",
  children: new Map(Object.entries(children)),
});

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
