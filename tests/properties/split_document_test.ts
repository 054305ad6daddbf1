import assert from "node:assert/strict";
import { fc } from "../deps.ts";
import { BsonType } from "../../lib/bson/bson.ts";
import type { Column } from "../../lib/mapping/column_tree.ts";
import { inferColumns } from "../../lib/mapping/field_counts.ts";
import { jsonOf } from "../../lib/mapping/bson_to_json.ts";
import { type Json, jsonText, parseJson } from "../../lib/util/lossless_json.ts";
import { mayNeedEscaping, unescapeNames } from "../../lib/mapping/escape_name.ts";
import { jsonBytes } from "../../lib/util/json_writer.ts";
import { anyColumns, anyDocument, eitherDocument } from "../support/raw_bson.ts";
import { splitText } from "../support/row_text.ts";
import { runs } from "../support/nightly.ts";

const RUNS = runs(2_000);

const whole = (bytes: Uint8Array): string =>
  jsonOf({ type: BsonType.document, bytes, offset: 0, length: bytes.length });

/** A number with all its digits. */
class Digits {
  constructor(readonly text: string) {}
}

const parse = (json: string, digits: (text: string) => string = (text) => text): unknown =>
  JSON.parse(
    json,
    ((_key: string, value: unknown, { source }: { source: string }) =>
      typeof value === "number" ? new Digits(digits(source)) : value) as (
        key: string,
        value: unknown,
      ) => unknown,
  );

/** `1.0` in one column is `1` in another. */
const parseAlike = (json: string): unknown =>
  parse(json, (text) => text === "-0.0" ? text : text.replace(/\.0$/, ""));

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Digits);

/** Throws if both have a value at one path. */
function merge(one: unknown, other: unknown): unknown {
  if (Array.isArray(other)) {
    assertRest(one, other);
    return other;
  }
  assert.ok(isObject(one) && isObject(other), `both have a value: ${Deno.inspect([one, other])}`);
  const merged = new Map(Object.entries(one));
  for (const [name, value] of Object.entries(other)) {
    merged.set(name, merged.has(name) ? merge(merged.get(name), value) : value);
  }
  return Object.fromEntries(merged);
}

/** Of objects in arrays, nulls and arrays of nothing may be left out. */
function assertRest(rest: unknown, whole: unknown): void {
  if (Array.isArray(whole)) {
    assert.ok(Array.isArray(rest) && rest.length === whole.length);
    whole.forEach((each, at) => assertRest(rest[at], each));
  } else if (isObject(whole)) {
    assert.ok(isObject(rest));
    const lacking = Object.keys(whole).filter((name) => !Object.hasOwn(rest, name));
    assert.deepEqual(Object.keys(rest), Object.keys(whole).filter((name) => !lacking.includes(name)));
    for (const name of lacking) {
      const value = whole[name];
      assert.ok(value === null || Array.isArray(value) && value.every((each) => each === null));
    }
    for (const name of Object.keys(rest)) assertRest(rest[name], whole[name]);
  } else assert.deepEqual(rest, whole);
}

Deno.test("splitDocument() puts every value into data or overflow, and only arrays with nulls into both", () => {
  fc.assert(
    fc.property(eitherDocument, anyColumns, (document, columns) => {
      const { data, overflow } = splitText(document, columns);
      const merged = overflow === null
        ? parseAlike(data)
        : merge(parseAlike(data), parseAlike(jsonText(unescapeNames(parseJson(overflow)))));
      assert.deepEqual(merged, parseAlike(whole(document)));
    }),
    RUNS,
  );
});

Deno.test("splitDocument() keeps the order of keys in data", () => {
  fc.assert(
    fc.property(eitherDocument, (document) => {
      const { data, overflow } = splitText(document, { kind: "ignored" });
      if (overflow === null) assert.equal(data, whole(document));
      else assert.ok(mayNeedEscaping(jsonBytes(whole(document))));
    }),
    RUNS,
  );
});

/** All names below the first level. */
function innerNames(value: Json): string[] {
  if (Array.isArray(value)) return value.flatMap(allNames);
  return value instanceof Map ? [...value.values()].flatMap(allNames) : [];
}
const allNames = (value: Json): string[] => [
  ...value instanceof Map ? value.keys() : [],
  ...innerNames(value),
];

Deno.test("splitDocument() puts no name that CrateDB misreads below the first level of an ignored object", () => {
  fc.assert(
    fc.property(eitherDocument, anyColumns, (document, columns) => {
      const ignored = splitText(document, { kind: "ignored" });
      const texts = [ignored.data, ignored.overflow, splitText(document, columns).overflow];
      for (const name of texts.flatMap((text) => innerNames(parseJson(text ?? "{}")))) {
        assert.doesNotMatch(name, /^[1-9]\d*$|^_u_|[\u{10000}-\u{10ffff}]/u);
      }
    }),
    RUNS,
  );
});

/** What a column holds, going by the JSON text alone. */
const HOLDS: Readonly<Record<string, (value: unknown) => boolean>> = {
  text: (value) => typeof value === "string" && new TextEncoder().encode(value).length <= 32_766,
  longtext: (value) => typeof value === "string",
  bigint: (value) => isInteger(value, 63),
  inferred: (value) => isInteger(value, 63),
  timestamp: (value) => isInteger(value, 63),
  integer: (value) => isInteger(value, 31),
  smallint: (value) => isInteger(value, 15),
  double: (value) => isNumber(value, Number),
  real: (value) => isNumber(value, (text) => Math.fround(Number(text))),
  boolean: (value) => typeof value === "boolean",
  unfit: () => false,
  ignored: () => true,
};

const isInteger = (value: unknown, bits: number): boolean =>
  value instanceof Digits && /^-?\d+$/.test(value.text) &&
  BigInt.asIntN(bits + 1, BigInt(value.text)) === BigInt(value.text);

/** Text and what a floating point number makes of it are the same number. */
const isNumber = (value: unknown, read: (text: string) => number): boolean => {
  if (!(value instanceof Digits)) return value === "NaN" || value === "Infinity" || value === "-Infinity";
  const stored = read(value.text);
  return /^-?\d+$/.test(value.text)
    ? BigInt(stored) === BigInt(value.text)
    : Object.is(stored, Number(value.text));
};

function assertHeld(value: unknown, column: Column | undefined, path: string): void {
  if (value === null) return;
  if (column?.kind === "ignored") return assert.ok(isObject(value), path);
  if (column === undefined) {
    assert.ok(
      Array.isArray(value) && value.every((item) => item === null),
      `${path} is ${Deno.inspect(value)} and has no column`,
    );
  } else if (column.element) {
    assert.ok(Array.isArray(value), path);
    value.forEach((item, index) => assertHeld(item, column.element, `${path}[${index}]`));
  } else if (column.children) {
    assert.ok(isObject(value), path);
    for (const [name, member] of Object.entries(value)) {
      assert.ok(!column.closed || column.children.has(name), `${path}.${name} is in a closed object`);
      assertHeld(member, column.children.get(name), `${path}.${name}`);
    }
  } else {
    assert.ok(HOLDS[column.kind]?.(value), `${path} is ${Deno.inspect(value)} in a column ${column.kind}`);
  }
}

Deno.test("splitDocument() leaves in data only what its columns hold unchanged", () => {
  fc.assert(
    fc.property(eitherDocument, anyColumns, (document, columns) => {
      assertHeld(parse(splitText(document, columns).data), columns, "data");
    }),
    RUNS,
  );
});

/** The paths of the BIGINT columns that meet a finite double which they cannot hold. */
function narrowPaths(value: unknown, column: Column | undefined, path: readonly string[] = []): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => narrowPaths(item, column?.element, path));
  if (isObject(value)) {
    return Object.entries(value).flatMap(([name, member]) =>
      narrowPaths(member, column?.children?.get(name), [...path, name])
    );
  }
  const isNarrow = value instanceof Digits && /[.e]/.test(value.text) &&
    (column?.kind === "bigint" || column?.kind === "inferred") &&
    (value.text === "-0.0" || !/\.0$/.test(value.text) || Math.abs(Number(value.text)) > 2 ** 53);
  return isNarrow ? [JSON.stringify(path)] : [];
}

Deno.test("splitDocument() names exactly the BIGINT columns that meet a double which they cannot hold, each once", () => {
  fc.assert(
    fc.property(anyDocument({ unique: true }), anyColumns, (document, columns) => {
      const { needsWidening } = splitText(document, columns);
      const expected = new Set(narrowPaths(parse(whole(document)), columns));
      assert.deepEqual(
        needsWidening.map((path) => JSON.stringify(path)).toSorted(),
        [...expected].toSorted(),
      );
    }),
    RUNS,
  );
});

Deno.test("inferColumns() has a column for each field of both documents, and holds what is placed in it", () => {
  fc.assert(
    fc.property(anyDocument({ unique: true }), anyDocument({ unique: true }), (document, other) => {
      const names = (...all: Uint8Array[]) => new Set(inferColumns(all)?.children?.keys());
      assert.deepEqual(names(document, other), names(document).union(names(other)));
      const both = inferColumns([document, other]);
      assert.ok(both);
      assertHeld(parse(splitText(document, both).data), both, "data");
      assertHeld(parse(splitText(other, both).data), both, "data");
    }),
    RUNS,
  );
});
