import assert from "node:assert/strict";
import { type Column, MAX_DEPTH } from "../lib/row/columns.ts";
import { UnstorableError } from "../lib/row/json.ts";
import type { Kind } from "../lib/row/kinds.ts";
import { place, type Placed } from "../lib/row/place.ts";
import { documentOf, type Raw, raw } from "./properties/bson.ts";

const of = (kind: Kind): Column => ({ kind });
const list = (element: Column): Column => ({ kind: "array", element });
const object = (children: Readonly<Record<string, Column>> = {}): Column => ({
  kind: "object",
  children: new Map(Object.entries(children)),
});

const MISSING = undefined;
const data = (json: string): Placed => ({ data: json, overflow: null, misfits: false, missing: false });
const placed = (flags: Pick<Placed, "misfits" | "missing">) => (json: string, rest = "{}"): Placed => ({
  data: rest,
  overflow: json,
  ...flags,
});
const overflow = placed({ misfits: true, missing: false });
const missing = placed({ misfits: true, missing: true });
const nulls = placed({ misfits: false, missing: false });

/** A value `v` and the column that is there for it. */
const PLACES: readonly (readonly [string, Raw, Column | undefined, Placed])[] = [
  ["text in TEXT", raw.string("x"), of("text"), data('{"v":"x"}')],
  ["a number in TEXT", raw.int32(1), of("text"), overflow('{"v":1}')],
  ["text in BIGINT", raw.string("1"), of("bigint"), overflow('{"v":"1"}')],
  ["a fraction in BIGINT", raw.double(20.5), of("bigint"), overflow('{"v":20.5}')],
  ["a Double without fraction in BIGINT", raw.double(2), of("bigint"), data('{"v":2}')],
  ["an integer in DOUBLE", raw.int32(2), of("double"), data('{"v":2.0}')],
  ["infinity in DOUBLE", raw.double(Infinity), of("double"), data('{"v":"Infinity"}')],
  ["the text NaN in DOUBLE", raw.string("NaN"), of("double"), overflow('{"v":"NaN"}')],
  [
    "an end of the range in BIGINT",
    raw.int64(-(2n ** 63n)),
    of("bigint"),
    overflow('{"v":-9223372036854775808}'),
  ],
  ["null in any column", raw.null(), of("bigint"), nulls('{"v":null}')],
  ["null in a column that takes nothing", raw.null(), of("unfit"), nulls('{"v":null}')],
  ["text in a column that takes nothing", raw.string("x"), of("unfit"), overflow('{"v":"x"}')],
  ["nested arrays in a column that takes all", raw.array([raw.array([])]), of("ignored"), data('{"v":[[]]}')],
  ["a value without a column", raw.int32(1), MISSING, missing('{"v":1}')],
  ["null without a column", raw.null(), MISSING, nulls('{"v":null}')],
  ["an array of nulls without a column", raw.array([raw.null()]), MISSING, data('{"v":[null]}')],
  ["an empty object without a column", raw.document([]), MISSING, missing('{"v":{}}')],
  ["an array in a scalar", raw.array([raw.int32(1)]), of("bigint"), overflow('{"v":[1]}')],
  ["an empty array in a scalar", raw.array([]), of("bigint"), overflow('{"v":[]}')],
  ["a scalar in an array", raw.int32(1), list(of("bigint")), overflow('{"v":1}')],
  ["an object in a scalar", raw.document([]), of("text"), overflow('{"v":{}}')],
  ["a scalar in an object", raw.string("x"), object(), overflow('{"v":"x"}')],
  [
    "ints among doubles",
    raw.array([raw.int32(1), raw.double(0.5)]),
    list(of("double")),
    data('{"v":[1.0,0.5]}'),
  ],
  ["mixed types", raw.array([raw.int32(1), raw.string("x")]), list(of("bigint")), overflow('{"v":[1,"x"]}')],
  [
    "one value of an object",
    raw.document([["a", raw.int32(1)], ["b", raw.double(0.5)]]),
    object({ a: of("bigint"), b: of("bigint") }),
    overflow('{"v":{"b":0.5}}', '{"v":{"a":1}}'),
  ],
  [
    "a value in an array of objects: the whole array",
    raw.array([raw.document([["a", raw.int32(1)]]), raw.document([["a", raw.double(0.5)]])]),
    list(object({ a: of("bigint") })),
    overflow('{"v":[{"a":1},{"a":0.5}]}'),
  ],
  [
    "a null in an array of objects: the array stays, and is in overflow too",
    raw.array([raw.document([["a", raw.null()], ["b", raw.int32(1)]])]),
    list(object({ a: of("bigint"), b: of("bigint") })),
    nulls('{"v":[{"a":null,"b":1}]}', '{"v":[{"b":1}]}'),
  ],
  [
    "a new name in an array of objects",
    raw.array([raw.document([["new", raw.int32(1)]])]),
    list(object()),
    missing('{"v":[{"new":1}]}'),
  ],
  [
    "a timestamp",
    raw.timestamp(1, 2),
    object({ t: of("bigint"), i: of("bigint") }),
    data('{"v":{"t":1,"i":2}}'),
  ],
  ["text too long", raw.string("x".repeat(32_767)), of("text"), overflow(`{"v":"${"x".repeat(32_767)}"}`)],
];

for (const [what, value, column, expected] of PLACES) {
  Deno.test(`place() ${what}`, () => {
    assert.deepEqual(place(documentOf([["v", value]]), object(column && { v: column })), expected);
  });
}

for (const name of ["", "a.b", "x[1]", "a\tb"]) {
  Deno.test(`place() puts the name ${JSON.stringify(name)} into overflow, null too`, () => {
    const json = JSON.stringify({ [name]: null });
    assert.deepEqual(place(documentOf([[name, raw.null()]]), object()), nulls(json));
  });
}

Deno.test("place() puts what lies deeper than columns go into overflow", () => {
  const nested = (levels: number): Raw =>
    levels === 0 ? raw.string("end") : raw.document([["o", nested(levels - 1)]]);
  const columns = (levels: number): Column =>
    object({ ...levels > 0 && { o: columns(levels - 1) }, end: of("text") });
  const { data, overflow } = place(nested(MAX_DEPTH + 5).bytes, columns(MAX_DEPTH + 10));
  assert.ok(!data.includes("end"));
  assert.ok(overflow?.includes('"end"'));
});

Deno.test("place() refuses equal keys wherever they are", () => {
  const twice = [["a", raw.int32(1)], ["a", raw.int32(2)]] as const;
  const documents = [documentOf(twice), documentOf([["v", raw.document(twice)]])];
  for (const document of documents) {
    for (const columns of [object(), of("ignored"), object({ v: of("text") }), object({ v: object() })]) {
      assert.throws(() => place(document, columns), UnstorableError);
    }
  }
});
