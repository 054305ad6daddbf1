import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { documentKeyText, rowKeyOf } from "../../../lib/key/document_key.ts";
import { keyText } from "../../../lib/key/key_text.ts";

const text = (source: Document, shardKey: readonly string[]) =>
  documentKeyText(BSON.serialize(source), shardKey);

/** Sources that have the same key. */
const EQUAL: Readonly<
  Record<string, readonly [shardKey: readonly string[], sources: readonly Document[], text: string]>
> = {
  "a document and the key in its events": [
    ["region"],
    [{ _id: 1, n: 2, region: "x" }, { region: "x", _id: 1 }],
    '{"region":"x","_id":1}',
  ],
  "numbers of any type": [
    ["n"],
    [{ _id: 1, n: 2 }, { _id: new BSON.Double(1), n: BSON.Long.fromNumber(2) }],
    '{"n":2,"_id":1}',
  ],
  "a field inside of an object, and by its path": [
    ["a.b"],
    [{ _id: 1, a: { b: 2, c: 3 } }, { "a.b": 2, _id: 1 }, { a: { b: 2 }, _id: 1 }],
    '{"a.b":2,"_id":1}',
  ],
  "a field that is missing": [["region"], [{ _id: 1 }, { _id: 1, other: 1 }], '{"_id":1}'],
  "two fields": [["a", "b"], [{ b: 2, a: 1, _id: "k" }, { _id: "k", a: 1, b: 2 }], '{"a":1,"b":2,"_id":"k"}'],
  "a field below one that is no object": [
    ["a.b"],
    [{ _id: 1, a: 5 }, { _id: 1, a: [{ b: 1 }] }],
    '{"_id":1}',
  ],
};

for (const [what, [shardKey, sources, expected]] of Object.entries(EQUAL)) {
  Deno.test(`documentKeyText() of ${what}`, () => {
    for (const source of sources) assert.equal(text(source, shardKey), expected);
  });
}

Deno.test("rowKeyOf() has the _id of a document key, and of no other key", () => {
  const id = rowKeyOf('{"region":"x","_id":"k"}', ["region"]).id;
  assert.equal(id && keyText(id), "k");
  for (const other of ["k", "42", '{"a":1}', '{"$oid":"669683c2b0750b2c84893f3e"}', '{"$sha256":"00"}']) {
    assert.equal(rowKeyOf(other, ["region"]).id, undefined, other);
  }
});
