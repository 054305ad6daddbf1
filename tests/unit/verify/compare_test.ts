import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { isEqual, isOverflowed, pathDifferences } from "../../../lib/verify/compare.ts";

const { Double, Int32, Long } = BSON;

/** A document, the row's `data` and `overflow`, and whether they are equal. */
const PAIRS: readonly (readonly [object, string, string | null, boolean])[] = [
  [{ a: new Int32(1), b: "x" }, '{"b":"x","a":1}', null, true],
  [{ a: new Double(1) }, '{"a":1}', null, true],
  [{ a: new Double(20.5) }, '{"a":20}', null, false],
  [{ a: Long.fromBigInt(9007199254740993n) }, '{"a":9007199254740993}', null, true],
  [{ a: Long.fromBigInt(9007199254740993n) }, '{"a":9007199254740992}', null, false],
  [{ a: Long.fromBigInt(9007199254740993n) }, '{"a":9007199254740993.0000}', null, true],
  [{ a: new Double(367019248342341400) }, '{"a":3.670192483423414E17}', null, true],
  [{ a: new Double(367019248342341400) }, '{"a":367019248342341400}', null, true],
  [{ a: new Double(367019248342341400) }, '{"a":3.670192483423415E17}', null, false],
  [{ a: new Double(-0) }, '{"a":-0.0}', null, true],
  [{ a: new Double(-0) }, '{"a":0}', null, false],
  [{ a: new Double(0) }, '{"a":0.0}', null, true],
  [{ a: { b: new Int32(1) } }, '{"a":{"b":1,"c":2}}', null, false],
  [{ a: { b: new Int32(1), c: new Int32(2) } }, '{"a":{"b":1}}', '{"a":{"c":2}}', true],
  [{ a: { b: new Int32(1) } }, "{}", null, false],
  [{ a: null }, "{}", '{"a":null}', true],
  [{ a: null }, "{}", null, false],
  [{ a: [1, 2] }, '{"a":[2,1]}', null, false],
  [{ a: [1, 2] }, '{"a":[1]}', null, false],
  [{ a: [] }, '{"a":{}}', null, false],
  [{ a: "1" }, '{"a":1}', null, false],
  [{ list: [{ a: null, b: 1 }] }, '{"list":[{"b":1}]}', '{"list":[{"a":null,"b":1}]}', true],
  [{ toString: "x" }, '{"other":"x"}', null, false],
];

for (const [document, data, overflow, expected] of PAIRS) {
  Deno.test(`isEqual() of ${BSON.EJSON.stringify(document)} and ${data}, ${overflow}`, () => {
    assert.equal(isEqual(BSON.serialize(document), { data, overflow }), expected);
  });
}

Deno.test("isEqual() distinguishes a field called __proto__ from others", () => {
  const document = BSON.serialize(new Map([["__proto__", {}]]));
  assert.equal(isEqual(document, { data: '{"__proto__":{}}', overflow: null }), true);
  assert.equal(isEqual(document, { data: '{"other":{}}', overflow: null }), false);
});

Deno.test("pathDifferences() names paths, of objects and of arrays", () => {
  assert.deepEqual(
    pathDifferences(
      '{"_id":1,"a":{"b":1,"c":2},"list":[1,{"x":2},3]}',
      '{"_id":1,"a":{"b":2},"list":[1,{"x":3}],"z":0}',
    ),
    [
      { path: "a.b", document: "1", row: "2" },
      { path: "a.c", document: "2", row: undefined },
      { path: "list[1].x", document: "2", row: "3" },
      { path: "list[2]", document: "3", row: undefined },
      { path: "z", document: undefined, row: "0" },
    ],
  );
});

Deno.test("pathDifferences() cuts long values and long lists", () => {
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`f${at}`, "x".repeat(10_000)]));
  const found = pathDifferences(JSON.stringify(many), "{}");
  assert.equal(found.length, 5);
  assert.ok(JSON.stringify(found).length < 2_000);
});

const OVERFLOWS: readonly (readonly [string, string | null, boolean])[] = [
  ["{}", null, false],
  ["{}", '{"a":null,"b":{"c":null}}', false],
  ["{}", '{"a":{"b":1}}', true],
  ["{}", '{"a":[1,[2]]}', true],
  ['{"a":[{"b":1}]}', '{"a":[{"b":1,"c":null}]}', false],
];

for (const [data, overflow, expected] of OVERFLOWS) {
  Deno.test(`isOverflowed() of ${data}, ${overflow}`, () => {
    assert.equal(isOverflowed({ data, overflow }), expected);
  });
}
