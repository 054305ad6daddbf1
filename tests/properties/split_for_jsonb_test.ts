import assert from "node:assert/strict";
import { fc } from "../deps.ts";
import { BsonType } from "../../lib/bson/bson.ts";
import { jsonOf } from "../../lib/mapping/bson_to_json.ts";
import { Digits, type Json, jsonText, parseJson } from "../../lib/util/lossless_json.ts";
import { unescapeNames } from "../../lib/mapping/escape_name.ts";
import { eitherDocument } from "../support/raw_bson.ts";
import { splitTextForJsonb } from "../support/row_text.ts";
import { runs } from "../support/nightly.ts";

const valueOf = (bytes: Uint8Array) => ({ type: BsonType.document, bytes, offset: 0, length: bytes.length });

/** The two merged; a value that is in both is an error unless it is an object in both. */
function merged(data: Json, overflow: Json): Json {
  assert.ok(data instanceof Map && overflow instanceof Map, "a value is in data and in overflow");
  const whole = new Map(data);
  for (const [name, value] of overflow) {
    const present = whole.get(name);
    whole.set(name, present === undefined ? value : merged(present, value));
  }
  return whole;
}

/** Equal text for what is equal: the order of keys is of no account. */
function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (!(value instanceof Map)) return value;
  const members = [...value].sort(([one], [other]) => one < other ? -1 : 1);
  return new Map(members.map(([name, each]) => [name, sorted(each)]));
}

/** Whether JSONB would change it, or refuse it. */
function isChanged(value: Json): boolean {
  if (typeof value === "string") return value.includes("\0");
  if (value instanceof Digits) return Object.is(Number(value.text), -0);
  if (Array.isArray(value)) return value.some(isChanged);
  return value instanceof Map && value.values().some(isChanged);
}

/** Values that are not objects, which a split goes into unless keys repeat. */
function leaves(value: Json): Json[] {
  return value instanceof Map && !isRepeating(value) ? [...value.values()].flatMap(leaves) : [value];
}

const isRepeating = (value: Map<string, Json>): boolean =>
  value.values().some((each) => each instanceof Map && each.has("$duplicateKey"));

Deno.test("splitForJsonb() puts every value into data or overflow, and none into both", () => {
  fc.assert(
    fc.property(eitherDocument, (bytes) => {
      const { data, overflow } = splitTextForJsonb(valueOf(bytes));
      const whole = overflow === null
        ? parseJson(data)
        : merged(parseJson(data), unescapeNames(parseJson(overflow)));
      assert.equal(jsonText(sorted(whole)), jsonText(sorted(parseJson(jsonOf(valueOf(bytes))))));
    }),
    runs(2_000),
  );
});

Deno.test("splitForJsonb() leaves nothing in data that JSONB would change, and takes nothing out that it would not", () => {
  fc.assert(
    fc.property(eitherDocument, (bytes) => {
      const { data, overflow } = splitTextForJsonb(valueOf(bytes));
      assert.ok(!isChanged(parseJson(data)), data);
      if (overflow === null) assert.equal(data, jsonOf(valueOf(bytes)));
      else assert.ok(leaves(parseJson(overflow)).every(isChanged), overflow);
    }),
    runs(2_000),
  );
});
