import assert from "node:assert/strict";
import { fc } from "../deps.ts";
import { keyText } from "../../lib/key/key_text.ts";
import { idOfKey } from "../../lib/key/document_key.ts";
import { anyValue, type Raw, raw, valueOf } from "../support/raw_bson.ts";
import { runs } from "../support/nightly.ts";

const RUNS = runs(5_000);

Deno.test("idOfKey() is unknown, or a value with the very text", () => {
  fc.assert(
    fc.property(fc.oneof(anyValue({ unique: true }), anyValue({ unique: false })), (id) => {
      const text = keyText(valueOf(id));
      const found = idOfKey(text);
      assert.ok(found === undefined || keyText(found) === text);
    }),
    RUNS,
  );
});

Deno.test("idOfKey() of text that is no key's is unknown, or a value with the very text", () => {
  const bits = fc.constantFrom(
    '"',
    "{",
    "}",
    "[",
    "$oid",
    ":",
    "0",
    "-",
    "1e5",
    "NaN",
    "null",
    "a",
    "_sha256",
    "\\",
  );
  const texts = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(bits).map((parts) => parts.join("")),
    fc.json(),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const found = idOfKey(text);
      assert.ok(found === undefined || keyText(found) === text);
    }),
    RUNS,
  );
});

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 30 }).map((text) => text.toWellFormed()),
  fc.string({ unit: fc.constantFrom(..."0123456789abcdefABCDEF"), minLength: 24, maxLength: 24 }),
  fc.constantFrom(
    "",
    "42",
    "-1",
    "1e5",
    "0x10",
    "NaN",
    "Infinity",
    "-Infinity",
    "true",
    "False",
    "null",
    "undefined",
  ),
  fc.constantFrom('"a"', "{}", "[]", '{"$oid":"x"}', "[1", "$oid", "\\", "a\0b", "é", "😀", " ", "a\nb", "-"),
  fc.json(),
  fc.constantFrom("x".repeat(10_000), "é".repeat(16_000)),
);
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const int64s = fc.oneof(
  fc.constantFrom(0n, 2n ** 53n, 2n ** 53n + 1n, -(2n ** 63n), 2n ** 63n - 1n),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);
const DATES = 8_640_000_000_000_000n;

/** Numbers that JSON has. */
const finite: fc.Arbitrary<Raw> = fc.oneof(
  fc.integer().map(raw.int32),
  int64s.map(raw.int64),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(raw.double),
  fc.constantFrom(0, -0, 1e21, 1e-7, 5e-324, 2 ** 53, 2 ** 63, 1.7976931348623157e308).map(raw.double),
  fc.constantFrom(
    "0",
    "-0",
    "1.50",
    "0.1",
    "-0.1",
    "1E+6144",
    "9007199254740993",
    "1E-6176",
    "12345678901234567890123",
  )
    .map(raw.decimal),
  fc.tuple(fc.bigInt({ min: -(10n ** 34n) + 1n, max: 10n ** 34n - 1n }), fc.integer({ min: -400, max: 400 }))
    .map(([digits, exponent]) => raw.decimal(`${digits}E${exponent}`)),
);

const scalar: fc.Arbitrary<Raw> = fc.oneof(
  bytes(12).map(raw.objectId),
  text.map(raw.string),
  finite,
  bytes(16).map((uuid) => raw.binary(uuid, 4)),
  fc.uint8Array({ maxLength: 20 }).map((bytes) => raw.binary(bytes)),
  fc.bigInt({ min: -DATES, max: DATES }).map(raw.date),
  fc.tuple(fc.nat(), fc.nat()).map(([t, i]) => raw.timestamp(t, i)),
  fc.boolean().map(raw.boolean),
  fc.constantFrom(raw.null(), raw.minKey(), raw.maxKey()),
);

/** Digits alone would be moved to the front in JavaScript. */
const name = fc.oneof(
  fc.constantFrom("a", "b", "c", "$oid", "$a", "$$a", "$date", "é", "a.b", "", "toString", "__proto__"),
  fc.string({ unit: "binary", maxLength: 6 }).map((name) => name.toWellFormed().replace(/\0|^\d+$/g, "n")),
);

const compound: fc.Arbitrary<Raw> = fc.letrec<{ value: Raw; object: Raw }>((tie) => ({
  value: fc.oneof({ maxDepth: 3, depthSize: "small" }, scalar, tie("object")),
  object: fc.uniqueArray(fc.tuple(name, tie("value")), { selector: ([name]) => name, maxLength: 4 })
    .map(raw.document),
})).object;

const ORDINARY: Readonly<Record<string, fc.Arbitrary<Raw>>> = {
  "ObjectIds, strings, numbers, UUIDs, dates, booleans and nulls": scalar,
  "numbers that JSON has not": fc.oneof(
    fc.constantFrom(NaN, Infinity, -Infinity).map(raw.double),
    fc.constantFrom("NaN", "Infinity", "-Infinity").map(raw.decimal),
  ),
  "compound keys": compound,
};

/** Text that is too long is kept as a hash. */
const isHash = (text: string): boolean => text.startsWith('{"$sha256":');

for (const [what, ids] of Object.entries(ORDINARY)) {
  Deno.test(`idOfKey() finds ${what}`, () => {
    fc.assert(
      fc.property(ids, (id) => {
        const text = keyText(valueOf(id));
        const found = idOfKey(text);
        assert.equal(found && keyText(found), isHash(text) ? undefined : text);
      }),
      RUNS,
    );
  });
}
