import assert from "node:assert/strict";
import { keyText } from "../../../lib/key/key_text.ts";
import { latin1, type Raw, raw, valueOf } from "../../support/raw_bson.ts";

const oid = (value: Raw): string => keyText(valueOf(value));
const bytes12 = Uint8Array.from({ length: 12 }, (_, index) => index + 0xa0);
const HEX = "a0a1a2a3a4a5a6a7a8a9aaab";

const TEXTS: readonly (readonly [string, Raw, string])[] = [
  ["an ObjectId", raw.objectId(bytes12), HEX],
  ["a string", raw.string("foo"), "foo"],
  ["a string with dots and spaces", raw.string("a.b c"), "a.b c"],
  ["an Int32", raw.int32(-42), "-42"],
  ["an Int64", raw.int64(9007199254740993n), "9007199254740993"],
  ["a Double without fraction", raw.double(42), "42"],
  ["a Double with fraction", raw.double(0.5), "0.5"],
  ["a Double beyond 64 bits", raw.double(2 ** 70), String(2n ** 70n)],
  ["negative zero", raw.double(-0), "0"],
  ["NaN", raw.double(NaN), "NaN"],
  ["infinity", raw.double(-Infinity), "-Infinity"],
  ["a boolean", raw.boolean(true), "true"],
  ["null", raw.null(), "null"],
  [
    "a UUID",
    raw.binary(new Uint8Array(16), 4),
    '{"$binary":{"base64":"AAAAAAAAAAAAAAAAAAAAAA==","subType":"04"}}',
  ],
  ["a date", raw.date(-1n), '{"$date":{"$numberLong":"-1"}}'],
  ["MinKey", raw.minKey(), '{"$minKey":1}'],
];

for (const [what, value, text] of TEXTS) {
  Deno.test(`keyText() of ${what}`, () => assert.equal(oid(value), text));
}

const NOT_UTF8: Readonly<Record<string, Raw>> = {
  "a string": raw.string("caf~"),
  "a string in an object": raw.document([["a", raw.string("caf~")]]),
  "a name in an object": raw.document([["caf~", raw.int32(1)]]),
  "an expression": raw.document([["a", raw.regex("caf~", "i")]]),
  "code with a scope": raw.codeWithScope("caf~", raw.document([["a~", raw.int32(1)]]).bytes),
  "a reference": raw.dbPointer("caf~", bytes12),
  "another string": raw.string("~"),
};

for (const [what, { type, bytes }] of Object.entries(NOT_UTF8)) {
  Deno.test(`keyText() is made of the bytes of ${what} that is no UTF-8`, () =>
    assert.match(oid({ type, bytes: latin1(bytes) }), /^\{"\$bson":"[\w+/]+=*"\}$/));
}

Deno.test("keyText() distinguishes keys that are not UTF-8", () => {
  const texts = Object.values(NOT_UTF8).map(({ type, bytes }) => oid({ type, bytes: latin1(bytes) }));
  assert.equal(new Set(texts).size, texts.length);
  const [first = ""] = texts;
  const alike = raw.document([["$bson", raw.string(JSON.parse(first).$bson)]]);
  assert.notEqual(oid(alike), first);
});

const AMBIGUOUS = [
  HEX,
  HEX.toUpperCase(),
  "",
  "42",
  "-1",
  "1e3",
  "NaN",
  "Infinity",
  "-Infinity",
  "true",
  "false",
  "null",
  '{"$minKey":1}',
  '"foo"',
  "[1]",
];
for (const text of AMBIGUOUS) {
  Deno.test(`keyText() quotes the string ${JSON.stringify(text)}`, () =>
    assert.equal(oid(raw.string(text)), JSON.stringify(text)));
}

/** Pairs that MongoDB 7 refuses to store both of. */
const SAME: readonly (readonly [string, Raw, Raw])[] = [
  ["Int32 and Int64", raw.int32(1), raw.int64(1n)],
  ["Int32 and Double", raw.int32(1), raw.double(1)],
  ["the zeros", raw.int32(0), raw.double(-0)],
  ["Int64 and Double at 2^53", raw.int64(2n ** 53n), raw.double(2 ** 53)],
  ["Int32 and Decimal128", raw.int32(1), raw.decimal("1")],
  ["Decimal128 of different exponents", raw.decimal("1"), raw.decimal("1.0")],
  ["Double and Decimal128 with a fraction", raw.double(0.5), raw.decimal("0.5")],
  ["NaN of both kinds", raw.double(NaN), raw.decimal("NaN")],
  ["infinity of both kinds", raw.double(Infinity), raw.decimal("Infinity")],
  ["zero and negative Decimal128 zero", raw.int32(0), raw.decimal("-0")],
  ["string and symbol", raw.string("a"), raw.symbol("a")],
  ["nested numbers", raw.document([["a", raw.int32(1)]]), raw.document([["a", raw.double(1)]])],
  ["nested zeros", raw.document([["a", raw.double(0)]]), raw.document([["a", raw.double(-0)]])],
  [
    "nested string and symbol",
    raw.document([["a", raw.string("a")]]),
    raw.document([["a", raw.symbol("a")]]),
  ],
];

/** Pairs that MongoDB 7 stores side by side. */
const DIFFERENT: readonly (readonly [string, Raw, Raw])[] = [
  ["an ObjectId and its hex digits", raw.objectId(bytes12), raw.string(HEX)],
  ["a number and its digits", raw.int32(42), raw.string("42")],
  ["a boolean and its text", raw.boolean(true), raw.string("true")],
  ["null and its text", raw.null(), raw.string("null")],
  ["a string and itself in quotes", raw.string("42"), raw.string('"42"')],
  ["a date and its Extended JSON", raw.date(1n), raw.string('{"$date":{"$numberLong":"1"}}')],
  ["code and string", raw.code("a"), raw.string("a")],
  ["an Int64 beyond 2^53 and the nearest Double", raw.int64(2n ** 53n + 1n), raw.double(2 ** 53)],
  ["the largest Int64 and 2^63", raw.int64(2n ** 63n - 1n), raw.double(2 ** 63)],
  ["0.1 as Double and as Decimal128", raw.double(0.1), raw.decimal("0.1")],
  ["UUID subtypes", raw.binary(new Uint8Array(16), 3), raw.binary(new Uint8Array(16), 4)],
  ["date and timestamp", raw.date(0n), raw.timestamp(0, 0)],
  [
    "objects of different order",
    raw.document([["b", raw.int32(1)], ["a", raw.int32(2)]]),
    raw.document([["a", raw.int32(2)], ["b", raw.int32(1)]]),
  ],
  [
    "objects of different order, with names like numbers",
    raw.document([["b", raw.int32(1)], ["1", raw.int32(2)]]),
    raw.document([["1", raw.int32(2)], ["b", raw.int32(1)]]),
  ],
  [
    "objects with and without equal names",
    raw.document([["a", raw.int32(1)], ["a", raw.int32(2)]]),
    raw.document([["a", raw.int32(2)]]),
  ],
  ["dates beyond JavaScript's", raw.date(9_000_000_000_000_000n), raw.date(9_000_000_000_000_001n)],
  [
    "nested undefined and null",
    raw.document([["a", raw.undefined()]]),
    raw.document([["a", raw.null()]]),
  ],
  [
    "nested options of regular expressions",
    raw.document([["a", raw.regex("x", "im")]]),
    raw.document([["a", raw.regex("x", "mi")]]),
  ],
];

for (const [what, one, other] of SAME) {
  Deno.test(`keyText() is the same for keys that MongoDB holds equal: ${what}`, () =>
    assert.equal(oid(one), oid(other)));
}
for (const [what, one, other] of DIFFERENT) {
  Deno.test(`keyText() differs for keys that MongoDB distinguishes: ${what}`, () =>
    assert.notEqual(oid(one), oid(other)));
}

Deno.test("keyText() fits a key column, and distinguishes long keys", () => {
  const texts = ["a", "b"].map((end) => oid(raw.string("x".repeat(40_000) + end)));
  for (const text of texts) {
    assert.ok(new TextEncoder().encode(text).length <= 32_766, `${text.length} letters`);
  }
  assert.equal(new Set(texts).size, 2);
});
