import assert from "node:assert/strict";
import { durationText, similarName, textTable } from "../../../lib/util/text.ts";

const TEXTS: Readonly<Record<string, number>> = {
  "0 ms": 0,
  "205 ms": 205,
  "2.4 s": 2_350,
  "90 s": 90_000,
  "90 min": 5_400_000,
  "47 h": 169_200_000,
  "3 d": 259_200_000,
  "-4 min": -240_000,
};

for (const [text, milliseconds] of Object.entries(TEXTS)) {
  Deno.test(`durationText() of ${milliseconds} is ${text}`, () =>
    assert.equal(durationText(milliseconds), text));
}

const NAMES: readonly (readonly [name: string, names: readonly string[], expected: string | undefined])[] = [
  ["ordrs", ["users", "orders", "order_lines"], "orders"],
  ["shpo", ["shop", "weather"], "shop"],
  ["Orders", ["orders"], "orders"],
  ["a", ["b", "ab"], "b"],
  ["tmp", ["orders", "users"], undefined],
  ["orders", [], undefined],
  ["x".repeat(10_000), ["y".repeat(10_000)], undefined],
];

for (const [name, names, expected] of NAMES) {
  Deno.test(`similarName() of ${name.slice(0, 10)} among ${names.length} names is ${expected}`, () =>
    assert.equal(similarName(name, names), expected));
}

Deno.test("textTable() omits empty columns, and shortens the widest column to fit the width", () => {
  const table = {
    header: ["field", "data", "in"],
    rows: [["t", '"a long, long text"', ""], ["_id", "1", ""]],
  };
  assert.deepEqual(textTable(table, 20), ["field  data", 't      "a long, lon…', "_id    1"]);
});
