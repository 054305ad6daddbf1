import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { fieldsOf } from "../../../lib/bson/fields.ts";
import { SLOTS } from "../../../lib/bson/field_name_cache.ts";
import { jsonOfBytes } from "../../../lib/util/json_writer.ts";
import { type Raw, raw, valueOf } from "../../support/raw_bson.ts";

const namesIn = (value: Raw): string[] => fieldsOf(valueOf(value)).fields.map(({ name }) => name.text);
const named = (...names: readonly string[]): Raw => raw.document(names.map((name) => [name, raw.null()]));

Deno.test("fieldsOf() names and values in their order", () => {
  const value = valueOf(raw.document([["b", raw.int32(1)], ['é"', raw.boolean(true)], ["", raw.null()]]));
  assert.deepEqual(
    fieldsOf(value).fields.map(({ name, type, length }) => [name.text, jsonOfBytes(name.json), type, length]),
    [["b", '"b":', 16, 4], ['é"', '"é\\"":', 8, 1], ["", '"":', 10, 0]],
  );
});

const REPEATED: readonly (readonly [readonly string[], boolean])[] = [
  [[], false],
  [["a", "b"], false],
  [["a", "b", "a"], true],
  [["", ""], true],
  [["x".repeat(100), "b", "x".repeat(100)], true],
  [["x".repeat(100), "x".repeat(101)], false],
];
for (const [names, repeated] of REPEATED) {
  Deno.test(`fieldsOf() of ${names.join() || "nothing"}: ${repeated ? "repeated" : "not repeated"}`, () => {
    for (const again of ["first", "second"]) {
      assert.equal(fieldsOf(valueOf(named(...names))).repeats.size > 0, repeated, again);
    }
  });
}

Deno.test("fieldsOf() distinguishes names, and finds a repeated one, among more than are cached", () => {
  const names = Array.from({ length: 3 * SLOTS }, (_, index) => `name ${index}`);
  assert.deepEqual(namesIn(named(...names)), names);
  assert.equal(fieldsOf(valueOf(named(...names))).repeats.size, 0);
  assert.equal(fieldsOf(valueOf(named(...names, "name 0"))).repeats.size, 1);
});

Deno.test("fieldsOf() finds a repeated name that is too long for the cache, with any names in between", () => {
  const between = Array.from({ length: SLOTS }, (_, index) => `between ${index}`);
  for (const long of ["x", "y", "z"].map((letter) => letter.repeat(100))) {
    assert.equal(fieldsOf(valueOf(named(long, ...between))).repeats.size, 0);
    assert.equal(fieldsOf(valueOf(named(long, ...between, long))).repeats.size, 1);
  }
});

Deno.test("fieldsOf() finds repeated names beyond ASCII", () => {
  for (const again of ["first", "second"]) {
    assert.deepEqual(
      namesIn(named("größe", "\ufeff", "größ", "😀")),
      ["größe", "\ufeff", "größ", "😀"],
      again,
    );
    assert.equal(fieldsOf(valueOf(named("größe", "größ", "größe"))).repeats.size, 1, again);
  }
});

Deno.test("fieldsOf() keeps no name that changes with the bytes it was read from", () => {
  const { bytes } = named("before");
  const buffer = Buffer.from(bytes);
  const value = { type: 3, bytes: buffer, offset: 0, length: buffer.length };
  assert.equal(fieldsOf(value).fields[0]?.name.text, "before");
  buffer.write("after!", 5);
  assert.deepEqual(fieldsOf(value).fields[0]?.name.text, "after!");
  assert.deepEqual(namesIn(named("before", "after!")), ["before", "after!"]);
});
