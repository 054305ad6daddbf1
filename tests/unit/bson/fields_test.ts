import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { BsonType } from "../../../lib/bson/bson.ts";
import { FieldCursor, fieldsOf, namesMayRepeat } from "../../../lib/bson/fields.ts";
import { SLOTS } from "../../../lib/bson/field_name_cache.ts";
import { jsonOfBytes, type JsonPart, JsonWriter } from "../../../lib/util/json_writer.ts";
import { type Raw, raw, valueOf } from "../../support/raw_bson.ts";

const namesIn = (value: Raw): string[] => fieldsOf(valueOf(value)).fields.map(({ name }) => name.text);
const named = (...names: readonly string[]): Raw => raw.document(names.map((name) => [name, raw.null()]));

function jsonOf(part: JsonPart): string {
  const json = new JsonWriter();
  json.part(part);
  return jsonOfBytes(json.take());
}

// The first test: later ones find a full cache, in which all names are at their first places.
Deno.test("FieldCursor notices each name that repeats, also if names in between evict it from the cache", () => {
  const names = Array.from({ length: SLOTS >> 3 }, (_, at) => `name ${at}`);
  const many = named(...Array.from({ length: 4 * SLOTS }, (_, at) => `evicts ${at}`));
  const nulls = names.map((name) => [name, raw.null()] as const);
  // Names of this document are moved to other places than their first.
  namesIn(named(...names.map((name) => `other ${name}`)));
  const field = new FieldCursor().inside(valueOf(raw.document([...nulls, ["x", many], ...nulls])));
  while (field.nextField() && field.name.text !== "x");
  assert.equal(field.mayRepeat, false);
  const inner = field.inside(field);
  while (inner.nextField());
  for (const name of names) {
    field.mayRepeat = false;
    assert.ok(field.nextField());
    assert.equal(field.mayRepeat, true, name);
  }
});

Deno.test("fieldsOf() names and values in their order", () => {
  const value = valueOf(raw.document([["b", raw.int32(1)], ['é"', raw.boolean(true)], ["", raw.null()]]));
  assert.deepEqual(
    fieldsOf(value).fields.map(({ name, type, length }) => [name.text, jsonOf(name.json), type, length]),
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

Deno.test("FieldCursor has the path and the depth of each field, also in arrays", () => {
  const inner = raw.document([["c", raw.null()]]);
  const root = new FieldCursor();
  const field = root.inside(valueOf(raw.document([["a", raw.array([inner])], ["b", inner]])));
  assert.ok(field.nextField());
  const item = field.inside(field);
  assert.ok(item.next());
  const inItem = item.inside(item);
  assert.ok(inItem.nextField());
  const textOf = ({ path }: FieldCursor) => path.map(({ text }) => text).join(".");
  assert.deepEqual([field, item, inItem].map(textOf), ["a", "a", "a.c"]);
  assert.deepEqual([field, item, inItem].map(({ depth }) => depth), [1, 2, 3]);
  assert.ok(field.nextField());
  const inField = field.inside(field);
  assert.ok(inField.nextField());
  assert.deepEqual([textOf(inField), inField.depth], ["b.c", 2]);
});

/** Whether a cursor says so, which reads the documents inside, too. */
function mayRepeat(value: Raw): boolean {
  const field = new FieldCursor().inside(valueOf(value));
  while (field.nextField()) {
    if (field.type !== BsonType.document) continue;
    const inner = field.inside(field);
    while (inner.nextField());
  }
  return field.mayRepeat;
}

Deno.test("FieldCursor notices a name that repeats", () => {
  assert.equal(mayRepeat(named("a", "b", "a")), true);
});

Deno.test("FieldCursor does not suspect names that are cached, also if a document inside has the same ones", () => {
  const value = raw.document([["a", named("a", "b")], ["b", named("a", "b")]]);
  mayRepeat(value);
  assert.equal(mayRepeat(value), false);
});

Deno.test("FieldCursor.release() lets go of documents at all depths", () => {
  const root = new FieldCursor();
  const value = valueOf(raw.document([["a", named("b")]]));
  const field = root.inside(value);
  assert.ok(field.nextField());
  const inner = field.inside(field);
  root.release();
  for (const each of [field, inner]) assert.notEqual(each.bytes, value.bytes);
});

Deno.test("namesMayRepeat() tells documents with ever new names from those with a name twice", () => {
  const names = Array.from({ length: 10_000 }, (_, n) => `name ${n}`);
  assert.equal(namesMayRepeat(valueOf(named(...names))), false);
  assert.equal(namesMayRepeat(valueOf(named(...names, "name 17"))), true);
});
