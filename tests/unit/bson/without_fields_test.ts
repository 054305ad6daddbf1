import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { isMongodbPath, withoutFields } from "../../../lib/bson/without_fields.ts";
import { documentOf, latin1, raw } from "../../support/raw_bson.ts";

/** Paths, the document before, and after. */
const CASES: Readonly<
  Record<string, readonly [paths: readonly string[], before: Document, after: Document]>
> = {
  "a name with a dot": [["card.number"], { _id: 1, "card.number": "4111", x: 1 }, { _id: 1, x: 1 }],
  "what MongoDB has left out itself, or made again": [["a"], { a: 1, b: 2 }, { a: 1, b: 2 }],
  "a name with a dollar sign": [["$pin"], { "$pin": 1, pin: 2 }, { pin: 2 }],
  "a name with a dollar sign inside": [["a.$pin"], { a: { "$pin": 1, b: 2 } }, { a: { b: 2 } }],
  "what is below a name with a dot": [["card"], { "card.number": 1, cards: 2, "card": 3 }, {
    cards: 2,
    card: 3,
  }],
  "a name with a dot inside": [["a.b.c"], { a: { "b.c": 1, b: { d: 1 } } }, { a: { b: { d: 1 } } }],
  "a field below a name with a dot": [["a.b.c"], { "a.b": { c: 1, d: 2 } }, { "a.b": { d: 2 } }],
  "fields of objects in arrays": [["a.b.c"], { a: [{ "b.c": 1 }, 2, [{ "b.c": 1, d: 1 }]] }, {
    a: [{}, 2, [{ d: 1 }]],
  }],
  "nothing that only begins alike": [["a.b"], { "a.bc": 1, "xa.b": 2 }, { "a.bc": 1, "xa.b": 2 }],
  "an object below": [["a"], { "a.b": { c: { d: 1 } }, e: 1 }, { e: 1 }],
  "several paths": [["a.b", "$c"], { "a.b": 1, "$c": 2, d: 3 }, { d: 3 }],
  "no paths": [[], { "a.b": 1 }, { "a.b": 1 }],
};

for (const [what, [paths, before, after]] of Object.entries(CASES)) {
  Deno.test(`withoutFields() leaves out ${what}`, () => {
    assert.deepEqual(BSON.deserialize(withoutFields(BSON.serialize(before), paths)), after);
  });
}

Deno.test("withoutFields() returns the same bytes if no field is removed", () => {
  const document = BSON.serialize({ a: { b: [1, { c: 2 }] }, d: "x" });
  assert.equal(withoutFields(document, ["a.b.c", "x.y"]), document);
});

Deno.test("withoutFields() keeps every other byte: equal names, types of long ago, what is no UTF-8", () => {
  const kept = [
    ["x", raw.symbol("s")],
    ["x", raw.undefined()],
    ["~", raw.string("~")],
    ["list", raw.array([raw.minKey(), raw.document([["~", raw.int64(2n ** 60n)]])])],
  ] as const;
  const before = latin1(documentOf([...kept, ["a.b", raw.int32(1)]]));
  assert.deepEqual(withoutFields(before, ["a.b", "list.q"]), latin1(documentOf(kept)));
});

const PATHS = [["card.number", true], ["$pin", false], ["a.$pin", false], ["a$.b$", true]] as const;

for (const [path, expected] of PATHS) {
  Deno.test(`isMongodbPath() of ${path}`, () => assert.equal(isMongodbPath(path), expected));
}
