import assert from "node:assert/strict";
import {
  isStreamOf,
  parsePart,
  partsOfStream,
  siblingsOf,
  streamKey,
  streamOfPart,
} from "../../../lib/key/stream_name.ts";

/** Names of one stream. */
const ALIKE: readonly (readonly [string, ...string[]])[] = [
  ["shop.* -> {database}.{collection}"],
  ["shop.{orders,users} -> {database}.{collection}", "shop.{users,orders,users} -> {database}.{collection}"],
  ["{a,b}.{c,d} -> doc.t", "{b,a}.{c,d} -> doc.t", "{a,b}.{d,c} -> doc.t"],
  ["a.* -> {database}.{collection}", "{a,a}.* -> {database}.{collection}"],
  ["*.* without a,b.* -> doc.t", "*.* without b.*,a -> doc.t", "*.* without a,b.*,a -> doc.t"],
  ["a.{b,c} -> doc.t (worker 1/2)", "a.{c,b} -> doc.t (worker 1/2)"],
];

for (const [name, ...others] of ALIKE) {
  Deno.test(`streamKey() of ${name}`, () => {
    for (const each of [name, ...others]) assert.equal(streamKey(each), name);
  });
}

Deno.test("streamKey() keeps streams apart that list other names", () => {
  const names = ["a.{b,c} -> doc.t", "a.{b,d} -> doc.t", "a.{b,c} -> doc.u", "a.{b,c} without c -> doc.t"];
  assert.equal(new Set(names.map(streamKey)).size, names.length);
});

const WHOLE = "shop.* -> {database}.{collection}";
const part = (text: string) => streamOfPart(WHOLE, parsePart(text));

Deno.test("parsePart() reads K/N", () => {
  assert.deepEqual(parsePart("0/1"), { index: 0, count: 1 });
  assert.deepEqual(parsePart("3/4"), { index: 3, count: 4 });
  for (const text of ["4/4", "0/0", "-1/2", "1", "1/2/3", "a/b", "1 / 2"]) {
    assert.throws(() => parsePart(text), RangeError, text);
  }
});

Deno.test("partsOfStream() reads what streamOfPart() writes", () => {
  assert.equal(part("1/4"), `${WHOLE} (worker 1/4)`);
  assert.deepEqual(partsOfStream(part("1/4")), { whole: WHOLE, part: { index: 1, count: 4 } });
  assert.equal(streamOfPart(WHOLE, undefined), WHOLE);
  assert.deepEqual(partsOfStream(WHOLE), { whole: WHOLE, part: undefined });
});

Deno.test("siblingsOf() are all parts of a stream", () => {
  assert.deepEqual(siblingsOf(part("1/3")), [part("0/3"), part("1/3"), part("2/3")]);
  assert.deepEqual(siblingsOf(WHOLE), [WHOLE]);
});

Deno.test("isStreamOf() is true of a stream and of its parts", () => {
  assert.ok(isStreamOf(WHOLE, WHOLE));
  assert.ok(isStreamOf(part("1/3"), WHOLE));
  assert.ok(isStreamOf(part("1/3"), part("1/3")));
  assert.ok(!isStreamOf(part("0/3"), part("1/3")));
  assert.ok(!isStreamOf(WHOLE, part("1/3")));
  assert.ok(!isStreamOf("shop.orders -> shop.orders", WHOLE));
});
