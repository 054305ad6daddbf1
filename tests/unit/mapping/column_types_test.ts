import assert from "node:assert/strict";
import { fieldsOf } from "../../../lib/bson/fields.ts";
import { UnstorableError } from "../../../lib/util/errors.ts";
import { jsonOf, writeRepeat } from "../../../lib/mapping/bson_to_json.ts";
import { type Kind, MAX_TEXT_BYTES, needsWidening, SCALARS } from "../../../lib/mapping/column_types.ts";
import { jsonOfBytes, JsonWriter } from "../../../lib/util/json_writer.ts";
import { documentOf, type Raw, raw, valueOf } from "../../support/raw_bson.ts";

const json = (value: Raw): string => jsonOf(valueOf(value));

function written(write: (json: JsonWriter) => unknown): string {
  const json = new JsonWriter();
  write(json);
  return jsonOfBytes(json.take());
}

const UUID = Uint8Array.from({ length: 16 }, (_, index) => index * 17);
const bytes12 = Uint8Array.from({ length: 12 }, (_, index) => index);

const TEXTS: readonly (readonly [string, Raw, string])[] = [
  ["a string", raw.string('ä\n"\0'), '"ä\\n\\"\\u0000"'],
  ["the empty string", raw.string(""), '""'],
  ["a symbol", raw.symbol("s"), '"s"'],
  ["code", raw.code("x => 1"), '"x => 1"'],
  ["an ObjectId", raw.objectId(bytes12), '"000102030405060708090a0b"'],
  ["the smallest Int32", raw.int32(-(2 ** 31)), "-2147483648"],
  ["an Int64 beyond 2^53", raw.int64(9007199254740993n), "9007199254740993"],
  ["the smallest Int64", raw.int64(-(2n ** 63n)), "-9223372036854775808"],
  ["the largest Int64", raw.int64(2n ** 63n - 1n), "9223372036854775807"],
  ["a Double", raw.double(20.5), "20.5"],
  ["a Double without fraction", raw.double(1), "1.0"],
  ["negative zero", raw.double(-0), "-0.0"],
  ["NaN", raw.double(NaN), '"NaN"'],
  ["infinity", raw.double(Infinity), '"Infinity"'],
  ["negative infinity", raw.double(-Infinity), '"-Infinity"'],
  ["Decimal128", raw.decimal("1.50"), '"1.50"'],
  [
    "all digits of a Decimal128",
    raw.decimal("1234567890123456789012345678901234"),
    '"1234567890123456789012345678901234"',
  ],
  ["Decimal128 NaN", raw.decimal("NaN"), '"NaN"'],
  ["true", raw.boolean(true), "true"],
  ["false", raw.boolean(false), "false"],
  ["a date with milliseconds", raw.date(1720739862123n), "1720739862123"],
  ["a date before 1970", raw.date(-1n), "-1"],
  ["a date beyond JavaScript's", raw.date(2n ** 63n - 1n), "9223372036854775807"],
  ["a timestamp", raw.timestamp(2 ** 32 - 1, 7), '{"t":4294967295,"i":7}'],
  ["a UUID", raw.binary(UUID, 4), '"00112233-4455-6677-8899-aabbccddeeff"'],
  ["a UUID of the old subtype", raw.binary(UUID, 3), '"00112233-4455-6677-8899-aabbccddeeff"'],
  ["a UUID of the wrong length", raw.binary(Uint8Array.of(1, 2), 4), '"AQI="'],
  ["binary", raw.binary(Uint8Array.of(0, 255)), '"AP8="'],
  ["binary of the old subtype", raw.binary(Uint8Array.of(2, 0, 0, 0, 0, 255), 2), '"AP8="'],
  ["empty binary", raw.binary(new Uint8Array()), '""'],
  ["a regular expression", raw.regex("^a/b\\d$", "im"), '{"pattern":"^a/b\\\\d$","options":"im"}'],
  ["an empty regular expression", raw.regex("", ""), '{"pattern":"","options":""}'],
  [
    "code with scope",
    raw.codeWithScope("f", documentOf([["n", raw.int32(1)]])),
    '{"code":"f","scope":{"n":1}}',
  ],
  ["a DBPointer", raw.dbPointer("c", bytes12), '{"$ref":"c","$id":"000102030405060708090a0b"}'],
  [
    "a DBRef",
    raw.document([["$ref", raw.string("c")], ["$id", raw.int32(1)], ["$db", raw.string("d")]]),
    '{"$ref":"c","$id":1,"$db":"d"}',
  ],
  ["MinKey", raw.minKey(), '"MinKey"'],
  ["MaxKey", raw.maxKey(), '"MaxKey"'],
  ["null", raw.null(), "null"],
  ["undefined", raw.undefined(), "null"],
  ["an empty array", raw.array([]), "[]"],
  ["nested arrays", raw.array([raw.array([raw.int32(1)]), raw.null()]), "[[1],null]"],
  ["an empty document", raw.document([]), "{}"],
  [
    "a document with its order of keys",
    raw.document([["b", raw.int32(1)], ["2", raw.int32(2)], ["1", raw.int32(3)], ["", raw.null()]]),
    '{"b":1,"2":2,"1":3,"":null}',
  ],
  [
    "equal keys",
    raw.document([["a", raw.int32(1)], ["b", raw.null()], ["a", raw.string("x")], ["a", raw.null()]]),
    '{"a":{"$duplicateKey":[1,"x",null]},"b":null}',
  ],
  [
    "equal keys further down",
    raw.array([
      raw.document([["", raw.document([["o", raw.null()], ["o", raw.null()]])], ["", raw.array([])]]),
    ]),
    '[{"":{"$duplicateKey":[{"o":{"$duplicateKey":[null,null]}},[]]}}]',
  ],
  ["a key that prototypes have", raw.document([["__proto__", raw.int32(1)]]), '{"__proto__":1}'],
];

for (const [what, value, text] of TEXTS) {
  Deno.test(`jsonOf() of ${what}`, () => assert.equal(json(value), text));
}

const UNSTORABLE: readonly (readonly [string, Raw, RegExp])[] = [
  ["an unknown type", { type: 0x55, bytes: new Uint8Array() }, /type 85/],
];

for (const [what, value, message] of UNSTORABLE) {
  Deno.test(`jsonOf() refuses ${what}`, () =>
    assert.throws(
      () => json(value),
      (error) => error instanceof UnstorableError && message.test(error.message),
    ));
}

Deno.test("writeRepeat() has all values of a name", () => {
  const value = raw.document([["a", raw.int32(1)], ["b", raw.int32(2)], ["a", raw.int32(3)]]);
  const { repeats } = fieldsOf(valueOf(value));
  assert.deepEqual([...repeats].map(([name, equal]) => [name, written((json) => writeRepeat(json, equal))]), [
    ["a", '{"$duplicateKey":[1,3]}'],
  ]);
});

Deno.test("jsonOf() refuses text that is not UTF-8 instead of mending it", () => {
  assert.throws(() => json({ type: 2, bytes: Uint8Array.of(2, 0, 0, 0, 0xff, 0) }));
});

const DOUBLES: readonly (readonly [number, string])[] = [
  [1e21, "1e+21"],
  [5e-324, "5e-324"],
  [123456789012345680000, "123456789012345680000.0"],
  [0.1, "0.1"],
];
for (const [value, text] of DOUBLES) {
  Deno.test(`jsonOf() of the Double ${value}`, () => {
    assert.equal(json(raw.double(value)), text);
    assert.equal(Number(text), value);
  });
}

const around = (value: bigint): readonly bigint[] => [value - 1n, value, value + 1n];
const INTEGERS = [0n, 2n ** 31n, 2n ** 32n, 2n ** 52n, 2n ** 53n, 2n ** 54n, 2n ** 62n]
  .flatMap((value) => [...around(value), ...around(-value)])
  .concat(2n ** 63n - 1n, 2n - 2n ** 63n, 1n - 2n ** 63n, -(2n ** 63n));

for (const integer of INTEGERS) {
  Deno.test(`jsonOf() of the Int64 ${integer}`, () =>
    assert.equal(json(raw.int64(integer)), String(integer)));
}

type Fit = readonly [string, Raw, keyof typeof SCALARS[number]["fits"], string | undefined];
const FITS: readonly Fit[] = [
  ["a fraction in BIGINT", raw.double(20.5), "bigint", undefined],
  ["an integral Double in BIGINT", raw.double(-3), "bigint", "-3"],
  ["negative zero in BIGINT", raw.double(-0), "bigint", undefined],
  ["a Double of 2^53 in BIGINT", raw.double(2 ** 53), "bigint", "9007199254740992"],
  ["a Double beyond 2^53 in BIGINT", raw.double(2 ** 54), "bigint", undefined],
  ["NaN in BIGINT", raw.double(NaN), "bigint", undefined],
  ["NaN in DOUBLE", raw.double(NaN), "double", '"NaN"'],
  ["an Int64 of 2^53 in DOUBLE", raw.int64(2n ** 53n), "double", "9007199254740992.0"],
  ["an Int64 beyond 2^53 in DOUBLE", raw.int64(2n ** 53n + 1n), "double", undefined],
  ["the largest Int64 in BIGINT", raw.int64(2n ** 63n - 1n), "bigint", undefined],
  ["the largest Int64 but one in BIGINT", raw.int64(2n ** 63n - 2n), "bigint", "9223372036854775806"],
  ["0.1 in REAL", raw.double(0.1), "real", undefined],
  ["0.5 in REAL", raw.double(0.5), "real", "0.5"],
  ["an Int32 beyond 2^24 in REAL", raw.int32(2 ** 24 + 1), "real", undefined],
  ["40,000 in SMALLINT", raw.int32(40_000), "smallint", undefined],
  ["a number in TEXT", raw.int32(1), "text", undefined],
  ["text in BOOLEAN", raw.string("true"), "boolean", undefined],
  ["a number in BOOLEAN", raw.int32(1), "boolean", undefined],
  ["a number in TIMESTAMP", raw.int64(1n), "timestamp", undefined],
  ["a date in BIGINT", raw.date(1n), "bigint", undefined],
  ["a date in a BIGINT of dates", raw.date(1n), "inferred", "1"],
  ["the last date in a BIGINT of dates", raw.date(2n ** 63n - 1n), "inferred", undefined],
  ["an Int64 in a BIGINT of dates", raw.int64(1n), "inferred", "1"],
  ["an integral Double in a BIGINT of dates", raw.double(2 ** 53), "inferred", "9007199254740992"],
  ["the longest text", raw.string("x".repeat(MAX_TEXT_BYTES)), "text", `"${"x".repeat(MAX_TEXT_BYTES)}"`],
  ["text a byte too long", raw.string("x".repeat(MAX_TEXT_BYTES - 1) + "é"), "text", undefined],
  [
    "text a byte too long, without an index",
    raw.string("x".repeat(32_767)),
    "longtext",
    `"${"x".repeat(32_767)}"`,
  ],
  ["an ObjectId without an index", raw.objectId(bytes12), "longtext", '"000102030405060708090a0b"'],
  ["binary too long as base64", raw.binary(new Uint8Array(30_000)), "text", undefined],
];

for (const [what, value, kind, expected] of FITS) {
  Deno.test(`SCALARS: ${what} ${expected === undefined ? "does not fit" : "fits"}`, () => {
    const { type, bytes, offset, length } = valueOf(value);
    const fit = SCALARS[type]?.fits[kind] ?? (() => false);
    const text = written((json) =>
      assert.equal(fit(json, bytes, offset, length) !== false, expected !== undefined)
    );
    assert.equal(text, expected ?? "");
  });
}

const WIDENED: readonly (readonly [string, Raw, Kind, boolean])[] = [
  ["a fraction, BIGINT", raw.double(20.5), "bigint", true],
  ["a fraction, BIGINT of dates", raw.double(20.5), "inferred", true],
  ["a Double beyond 2^53, BIGINT", raw.double(2 ** 54), "bigint", true],
  ["NaN, BIGINT", raw.double(NaN), "bigint", false],
  ["infinity, BIGINT", raw.double(-Infinity), "bigint", false],
  ["text, BIGINT", raw.string("x"), "bigint", false],
  ["a date, BIGINT", raw.date(0n), "bigint", false],
  ["Decimal128, BIGINT", raw.decimal("1.5"), "bigint", false],
  ["null, BIGINT", raw.null(), "bigint", false],
  ["an array, BIGINT", raw.array([]), "bigint", false],
  ["a fraction, INTEGER", raw.double(20.5), "integer", false],
  ["a fraction, REAL", raw.double(0.1), "real", false],
];

for (const [what, value, kind, expected] of WIDENED) {
  Deno.test(`needsWidening() ${what}: ${expected}`, () => {
    assert.equal(needsWidening(valueOf(value), kind), expected);
  });
}
