import assert from "node:assert/strict";
import { Digits, type Json, jsonText, parseJson } from "../../../lib/util/lossless_json.ts";

/** Texts that stay what they are. */
const TEXTS: readonly string[] = [
  "null",
  "true",
  "false",
  "0",
  "-0",
  "-0.0",
  "1.0",
  "1E+21",
  "1.0E-300",
  "9007199254740993",
  "-9223372036854775808",
  "18446744073709551616",
  "0.1000000000000000055511151231257827",
  "1e400",
  '""',
  '"1.0"',
  String.raw`"a \" \\ \n \u0000 é 😀"`,
  "[]",
  "[[],[1,[2.50]],{}]",
  "{}",
  '{"":{"":0}}',
  '{"__proto__":{"x":1.0},"constructor":2,"toString":[3]}',
  '{"b":1,"a":2}',
  '{"size":1,"get":2,"text":3}',
  '{"a.b":1,"a":{"b":"2"}}',
];

for (const text of TEXTS) {
  Deno.test(`jsonText() of parseJson() of ${text} is the same`, () =>
    assert.equal(jsonText(parseJson(text)), text));
}

const object = (members: Readonly<Record<string, Json>>): Json => new Map(Object.entries(members));

const VALUES: readonly (readonly [string, Json])[] = [
  [
    ' { "n" : 9007199254740993 , "d":1.0}',
    object({ n: new Digits("9007199254740993"), d: new Digits("1.0") }),
  ],
  ['[1, "1", null, {"o": {}}]', [new Digits("1"), "1", null, object({ o: object({}) })]],
  ['{"a": 1, "a": 2}', object({ a: new Digits("2") })],
];

for (const [text, value] of VALUES) {
  Deno.test(`parseJson() of ${text}`, () => assert.deepEqual(parseJson(text), value));
}

Deno.test("parseJson() keeps a key named __proto__ a key", () => {
  const value = parseJson('{"__proto__":1}');
  assert.ok(value instanceof Map);
  assert.deepEqual([...value], [["__proto__", new Digits("1")]]);
});

Deno.test("parseJson() takes no name with an escape for another one that it has read at the same place", () => {
  for (const names of [["\\", "\n"], ["\\", '"'], ["\\n", "\nx"], ["C:\\temp", "C:\temp1"]]) {
    const texts = names.map((name) => `{"a":1,${JSON.stringify(name)}:2}`);
    assert.deepEqual([...texts, ...texts].map((text) => jsonText(parseJson(text))), [...texts, ...texts]);
  }
});

Deno.test("parseJson() reads a string of millions of escapes", () => {
  const text = JSON.stringify(String.raw`\"`.repeat(1_000_000));
  assert.equal(jsonText(parseJson(text)), text);
});

for (const text of ["", "{", "[1,]", "01", "NaN", "{1:2}", "{} {}", '"', '"\\"', '"\t"', '{"a" 1}', "tru"]) {
  Deno.test(`parseJson() throws SyntaxError for ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseJson(text), SyntaxError);
  });
}
