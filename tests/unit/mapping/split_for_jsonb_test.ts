import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { BsonType } from "../../../lib/bson/bson.ts";
import { documentOf, type Raw, raw } from "../../support/raw_bson.ts";
import { splitTextForJsonb } from "../../support/row_text.ts";

const placed = (bytes: Uint8Array) =>
  splitTextForJsonb({ type: BsonType.document, bytes, offset: 0, length: bytes.length });

const of = (entries: Readonly<Record<string, Raw>>): Uint8Array => documentOf(Object.entries(entries));

const nul = raw.string("\0");
const zero = raw.double(-0);
const one = raw.int32(1);

interface Case {
  readonly document: Uint8Array;
  readonly data: string;
  readonly overflow: string | null;
}

const CASES: Readonly<Record<string, Case>> = {
  "nothing": { document: of({}), data: "{}", overflow: null },
  "what JSONB keeps": {
    document: of({ a: one, b: raw.double(1), c: raw.string("x"), d: raw.null(), e: raw.double(NaN) }),
    data: '{"a":1,"b":1.0,"c":"x","d":null,"e":"NaN"}',
    overflow: null,
  },
  "text that only looks like a NUL": {
    document: of({ a: raw.string(String.raw`\u0000`), b: raw.string("-0.0") }),
    data: String.raw`{"a":"\\u0000","b":"-0.0"}`,
    overflow: null,
  },
  "a NUL": {
    document: of({ a: nul, b: one }),
    data: '{"b":1}',
    overflow: String.raw`{"a":"\u0000"}`,
  },
  "a negative zero": { document: of({ a: zero, b: one }), data: '{"b":1}', overflow: '{"a":-0.0}' },
  "a negative zero of a decimal, which is text": {
    document: of({ a: raw.decimal("-0.0") }),
    data: '{"a":"-0.0"}',
    overflow: null,
  },
  "a number that ends like one": {
    document: of({ a: raw.double(-0.05), b: raw.double(1e-10) }),
    data: '{"a":-0.05,"b":1e-10}',
    overflow: null,
  },
  "both in objects, the smallest value each": {
    document: of({ a: raw.document([["b", nul], ["c", one]]), d: raw.document([["e", zero], ["f", one]]) }),
    data: '{"a":{"c":1},"d":{"f":1}}',
    overflow: String.raw`{"a":{"b":"\u0000"},"d":{"e":-0.0}}`,
  },
  "an object with only this, which becomes empty": {
    document: of({ a: raw.document([["b", nul]]) }),
    data: '{"a":{}}',
    overflow: String.raw`{"a":{"b":"\u0000"}}`,
  },
  "an array, as a whole": {
    document: of({ a: raw.array([one, raw.document([["b", zero]])]), c: raw.array([one]) }),
    data: '{"c":[1]}',
    overflow: '{"a":[1,{"b":-0.0}]}',
  },
  "code beside its scope": {
    document: of({ a: raw.codeWithScope("\0", documentOf([["x", one]])) }),
    data: '{"a":{"scope":{"x":1}}}',
    overflow: String.raw`{"a":{"code":"\u0000"}}`,
  },
  "equal keys, with the object that they are in": {
    document: of({ a: raw.document([["b", nul], ["c", one], ["b", one]]), d: one }),
    data: '{"d":1}',
    overflow: String.raw`{"a":{"b":{"$duplicateKey":["\u0000",1]},"c":1}}`,
  },
  "equal keys at the top": {
    document: documentOf([["a", nul], ["a", one]]),
    data: "{}",
    overflow: String.raw`{"a":{"$duplicateKey":["\u0000",1]}}`,
  },
};

for (const [what, { document, ...expected }] of Object.entries(CASES)) {
  Deno.test(`splitForJsonb() of ${what}`, () => assert.deepEqual(placed(document), expected));
}

Deno.test("splitForJsonb() takes a document's key out like any other value", () => {
  const document = BSON.serialize({ _id: "a\0b", n: new BSON.Int32(1) });
  assert.deepEqual(placed(document), { data: '{"n":1}', overflow: String.raw`{"_id":"a\u0000b"}` });
});
