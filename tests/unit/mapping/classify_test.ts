import assert from "node:assert/strict";
import { fieldsOf } from "../../../lib/bson/fields.ts";
import { classify, type FieldClass, isId, isRefusedName, MAX_DEPTH } from "../../../lib/mapping/classify.ts";
import { type Raw, raw, valueOf } from "../../support/raw_bson.ts";

const LONG_TEXT = raw.string("x".repeat(32_767));
const EMPTY = raw.array([raw.null(), raw.array([raw.undefined()])]);

const FIELDS: readonly (readonly [string, string, Raw, number, FieldClass])[] = [
  ["a number", "a", raw.int32(1), 0, "column"],
  ["the longest text of a column", "a", raw.string("x".repeat(32_766)), 0, "column"],
  ["a text that is too long", "a", LONG_TEXT, 0, "too long"],
  ["an empty object", "a", raw.document([]), 0, "column"],
  ["null", "a", raw.null(), 0, "empty"],
  ["undefined", "a", raw.undefined(), 0, "empty"],
  ["an empty array", "a", raw.array([]), 0, "empty"],
  ["an array of nulls and empty arrays", "a", EMPTY, 0, "empty"],
  ["an empty array below the greatest depth", "a", EMPTY, MAX_DEPTH + 1, "empty"],
  ["an array with one number", "a", raw.array([raw.null(), raw.int32(1)]), 0, "column"],
  ["an array of texts that are too long", "a", raw.array([LONG_TEXT, raw.null()]), 0, "too long"],
  ["a number at the greatest depth", "a", raw.int32(1), MAX_DEPTH, "column"],
  ["a number below it", "a", raw.int32(1), MAX_DEPTH + 1, "too deep"],
  ["an item below it", "a", raw.array([raw.int32(1)]), MAX_DEPTH, "too deep"],
  ["a name with a dot", "a.b", raw.int32(1), 0, "refused name"],
  ["a name with a dot, and null", "a.b", raw.null(), 0, "refused name"],
];
for (const [what, name, value, depth, expected] of FIELDS) {
  Deno.test(`classify() ${what}: ${expected}`, () => {
    const [field] = fieldsOf(valueOf(raw.document([[name, value]]))).fields;
    assert.ok(field);
    assert.equal(classify(field, depth), expected);
  });
}

const LONG = "\u20ac".repeat(86);
const REFUSED = [LONG, "", "a\\b", ".", "a.b", "[", "x]", "\t", "a\nb", "\r", "\x7f"];
const ACCEPTED = ["a", "_id", " ", "a b", "$x", "'", '"', "é", "\u{1f600}", "constructor", LONG.slice(1)];
Deno.test("isRefusedName() of names that typed objects refuse and of long names only", () => {
  assert.deepEqual([...REFUSED, ...ACCEPTED].filter(isRefusedName), REFUSED);
});

const IDS = [
  "507f1f77bcf86cd799439011",
  "507F1F77BCF86CD799439011",
  "0b0e7c1a-4c8f-4c5e-9f5e-2a1b3c4d5e6f",
  "d41d8cd98f00b204e9800998ecf8427e",
  "1000001",
  "1764115200000",
  "2026-11-26",
  "2026-11-26T18:30",
];
const NAMES = [
  "",
  "a",
  "_id",
  "temperature",
  "1",
  "2026",
  "12345",
  "u1000001",
  "deadbeef",
  "x2026-11-26",
  "address1",
];

Deno.test("isId() of ids and dates only", () => {
  assert.deepEqual([...NAMES, ...IDS].filter(isId), IDS);
});
