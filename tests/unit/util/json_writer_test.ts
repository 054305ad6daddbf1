import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import { fc } from "../../deps.ts";
import { UnstorableError } from "../../../lib/util/errors.ts";
import { jsonBytes, jsonOfBytes, jsonPart, JsonWriter, SIGN } from "../../../lib/util/json_writer.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The JSON that is written, and its bytes as they are sent. */
function written(write: (json: JsonWriter) => void): string {
  const json = new JsonWriter();
  write(json);
  const bytes = json.take();
  assert.deepEqual(bytes, jsonBytes(jsonOfBytes(bytes)));
  return jsonOfBytes(bytes);
}

const writtenText = (source: Uint8Array): string => written((json) => json.text(source, 0, source.length));

Deno.test("jsonBytes() is the inside of a JSON string, and jsonOfBytes() its inverse", () => {
  const json = JSON.stringify({ 'a"\\\n': "é\u2028😀\0" });
  assert.equal(`"${new TextDecoder().decode(jsonBytes(json))}"`, JSON.stringify(json));
  assert.equal(jsonOfBytes(jsonBytes(json)), json);
});

const EVERY = Array.from({ length: 0x250 }, (_, code) => String.fromCharCode(code)).join("");
const TEXTS: Readonly<Record<string, string>> = {
  "the empty text": "",
  "each character of ASCII and of two bytes": EVERY,
  "separators of lines, and others of three bytes": "\u2028\u2029\ufeff\ufffd\ud7ff\ue000\uffff€",
  "characters beyond the Basic Multilingual Plane": "\u{10000}😀\u{10ffff}",
  "what is longer in JSON": '"\\\0\x1f'.repeat(200_000),
};

for (const [what, text] of Object.entries(TEXTS)) {
  Deno.test(`JsonWriter.text() of ${what}`, () =>
    assert.equal(writtenText(utf8(text)), JSON.stringify(text)));
}

Deno.test("JsonWriter.text() reads only its part of the bytes", () => {
  assert.equal(written((json) => json.text(utf8("é😀"), 2, 6)), '"😀"');
  assert.throws(() => written((json) => json.text(utf8("é😀"), 2, 5)), UnstorableError);
});

Deno.test("JsonWriter.text() takes the bytes that are UTF-8, and no others", () => {
  const bytes = fc.oneof(
    fc.string({ unit: "binary" }).map((text) => utf8(text.toWellFormed())),
    fc.array(
      fc.constantFrom(
        0x41,
        0x7f,
        0x80,
        0x8f,
        0x90,
        0x9f,
        0xa0,
        0xbf,
        0xc1,
        0xc2,
        0xe0,
        0xed,
        0xef,
        0xf0,
        0xf4,
        0xf5,
      ),
      {
        maxLength: 6,
      },
    ).map((each) => Uint8Array.from(each)),
  );
  fc.assert(
    fc.property(bytes, (source) => {
      if (isUtf8(source)) {
        assert.equal(
          JSON.parse(writtenText(source)),
          new TextDecoder("utf-8", { ignoreBOM: true }).decode(source),
        );
      } else assert.throws(() => writtenText(source), UnstorableError);
    }),
    { numRuns: 10_000 },
  );
});

Deno.test("JsonWriter.text() escapes what has to be escaped anywhere in a text, whatever its length", () => {
  for (const character of ['"', "\\", "\n", "\x1f", " ", "\x7f", "é", "€", "😀"]) {
    for (const length of [1, 3, 4, 5, 47, 48, 49, 50, 51, 52, 100]) {
      for (let at = 0; at < length; at++) {
        const text = `${"~".repeat(at)}${character}${"!".repeat(length - at - 1)}`;
        assert.equal(writtenText(utf8(`~${text}`).subarray(1)), JSON.stringify(text));
      }
    }
  }
});

Deno.test("JsonWriter.text() refuses a byte that is not UTF-8 anywhere in a text", () => {
  for (let at = 0; at < 100; at++) {
    const source = utf8("~".repeat(100));
    source[at] = 0xff;
    assert.throws(() => writtenText(source), UnstorableError);
  }
});

Deno.test("JsonWriter.part() writes parts of all lengths", () => {
  for (let length = 0; length < 20; length++) {
    const text = JSON.stringify("é".repeat(length));
    assert.equal(
      written((json) => [jsonPart(text), jsonPart('""')].map((part) => json.part(part))),
      text + '""',
    );
  }
});

Deno.test("JsonWriter.integer() writes what a number holds exactly", () => {
  const edges = [0, 9, 10, 1e9 - 1, 1e9, 1e9 + 1, 2 ** 31, 2 ** 53].flatMap((each) => [each, -each]);
  fc.assert(
    fc.property(fc.oneof(fc.constantFrom(...edges), fc.maxSafeInteger()), (value) => {
      assert.equal(written((json) => json.integer(value)), String(BigInt(value)));
    }),
    { numRuns: 10_000 },
  );
});

const DOUBLES: readonly (readonly [number, string])[] = [
  [0, "0.0"],
  [-0, "-0.0"],
  [1, "1.0"],
  [-20.5, "-20.5"],
  [0.000001, "0.000001"],
  [-0.0000001, "-1e-7"],
  [999_999_999.999999, "999999999.999999"],
  [1e9, "1000000000.0"],
  [1e21, "1e+21"],
  [123456789012345680000, "123456789012345680000.0"],
  [5e-324, "5e-324"],
  [NaN, '"NaN"'],
  [Infinity, '"Infinity"'],
  [-Infinity, '"-Infinity"'],
];

for (const [value, text] of DOUBLES) {
  Deno.test(`JsonWriter.double() of ${text}`, () =>
    assert.equal(written((json) => json.double(value)), text));
}

Deno.test("JsonWriter.double() writes the shortest decimal that is the same double", () => {
  const decimals = fc.tuple(fc.maxSafeInteger(), fc.nat({ max: 9 })).map(([whole, digits]) =>
    whole / 10 ** digits
  );
  const short = fc.tuple(fc.integer(), fc.nat({ max: 7 })).map(([whole, digits]) => whole / 10 ** digits);
  fc.assert(
    fc.property(fc.oneof(fc.double({ noDefaultInfinity: true, noNaN: true }), decimals, short), (value) => {
      const text = Object.is(value, -0) ? "-0" : String(value);
      const expected = /[.e]/.test(text) ? text : `${text}.0`;
      assert.equal(written((json) => json.double(value)), expected);
    }),
    { numRuns: 20_000 },
  );
});

Deno.test("JsonWriter takes back what was written after a length, also into another buffer", () => {
  const json = new JsonWriter();
  json.sign(SIGN.arrayStart);
  const { length } = json;
  for (const text of ["a", "b".repeat(1_000_000)]) {
    json.text(utf8(text), 0, text.length);
    json.truncate(length);
  }
  json.sign(SIGN.arrayEnd);
  assert.equal(jsonOfBytes(json.take()), "[]");
});

Deno.test("JsonWriter does not change a text that was taken, and forgets one that was not", () => {
  const json = new JsonWriter();
  const texts = Array.from({ length: 2_000 }, (_, at) => `${at}`.repeat(1 + at % 300));
  const taken = texts.map((text) => {
    json.ascii("left over");
    json.begin(10);
    json.ascii(text);
    assert.equal(json.length, text.length);
    return json.take();
  });
  assert.deepEqual(taken.map((bytes) => new TextDecoder().decode(bytes)), texts);
});

Deno.test("JsonWriter.hex() of bytes", () => {
  assert.equal(written((json) => json.hex(Uint8Array.of(9, 0, 15, 16, 255, 9), 1, 5)), "000f10ff");
});
