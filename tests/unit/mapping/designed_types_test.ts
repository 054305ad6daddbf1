import assert from "node:assert/strict";
import type { Column } from "../../../lib/mapping/column_tree.ts";
import { parseFulltext, parseTypes, withIndexed } from "../../../lib/mapping/designed_types.ts";

const object = (children: Readonly<Record<string, Column>>): Column => ({
  kind: "object",
  children: new Map(Object.entries(children)),
});
const list = (element: Column): Column => ({ kind: "array", element });
const numeric = (precision: number, scale: number): Column => ({
  kind: "numeric",
  numeric: { precision, scale },
});

Deno.test("parseTypes() puts columns below data, geo and vector", () => {
  const types = parseTypes({
    "total": "NUMERIC(20, 4)",
    "items[].price": "numeric(38)",
    "items[].id": "uuid",
    "tags[][]": "uuid",
    "o.note": { text: { index: "off" } },
    "at": "geo_point",
    "o.area": "geo_shape",
    "v": "float_vector(768)",
  });
  assert.deepEqual(types, {
    data: object({
      total: numeric(20, 4),
      items: list(object({ price: numeric(38, 0), id: { kind: "uuid" } })),
      tags: list(list({ kind: "uuid" })),
      o: object({ note: { kind: "longtext" } }),
    }),
    geo: object({ at: { kind: "geo_point" }, o: object({ area: { kind: "geo_shape" } }) }),
    vector: object({ v: { kind: "float_vector", length: 768 } }),
  });
});

const WRONG: readonly (readonly [types: unknown, message: RegExp, key?: string])[] = [
  ["uuid", /^is not a mapping/],
  [[], /^is not a mapping/],
  [{ a: "numerik(2)" }, /^is no type\. Did you mean numeric\(20,4\)\?$/, "a"],
  [{ a: "int" }, /^is no type\. Types: numeric\(20,4\), uuid, /, "a"],
  [{ a: 5 }, /^is no type/, "a"],
  [{ a: { text: { index: "on" } } }, /^is no type/, "a"],
  [{ a: "numeric" }, /^is no type\. Did you mean numeric\(20,4\)\?$/, "a"],
  [{ a: "numeric(39)" }, /^has a precision that is not from 1 to 38$/, "a"],
  [{ a: "numeric(2,3)" }, /^has a scale above its precision$/, "a"],
  [{ a: "float_vector(0)" }, /^has a length that is not from 1 to 2048$/, "a"],
  [{ a: "float_vector(2049)" }, /^has a length/, "a"],
  [{ "a..b": "uuid" }, /^is no path/, "a..b"],
  [{ "a[x]": "uuid" }, /^is no path/, "a[x]"],
  [{ "a[]": { text: { index: "off" } } }, /^is an array, and CrateDB/, "a[]"],
  [{ "a[]": "geo_point" }, /^is in an array/, "a[]"],
  [{ "a": "uuid", "a.b": "uuid" }, /^is also the path of another type/, "a.b"],
  [{ "a.b": "uuid", "a": "uuid" }, /^is also the path/, "a"],
  [{ "a[].b": "uuid", "a.c": "uuid" }, /^is also the path/, "a.c"],
];

for (const [types, message, key] of WRONG) {
  Deno.test(`parseTypes() refuses ${JSON.stringify(types)}`, () => {
    assert.throws(() => parseTypes(types), { message, ...key !== undefined && { key } });
  });
}

Deno.test("parseFulltext() has the columns of each index, and CrateDB's default analyzer", () => {
  const step = (name: string, arrays = 0) => ({ name, arrays });
  assert.deepEqual(
    parseFulltext({ search: { columns: ["title", "o.tags[]"], analyzer: "english" }, x: { columns: ["a"] } }),
    [
      { name: "search", columns: [[step("title")], [step("o"), step("tags", 1)]], analyzer: "english" },
      { name: "x", columns: [[step("a")]], analyzer: "standard" },
    ],
  );
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [{ search: { columns: [] } }, /^has no list of columns/],
    [{ search: { columns: "title" } }, /^has no list of columns/],
    [{ search: ["title"] }, /^is not a mapping/],
    [{ search: { columns: ["a"], analyser: "english" } }, /^has analyser; it takes columns and analyzer$/],
    [{ search: { columns: ["a"], analyzer: 5 } }, /^has an analyzer that is not a name/],
    [{ data: { columns: ["a"] } }, /^is no name for an index$/],
  ];
  for (const [given, message] of wrong) assert.throws(() => parseFulltext(given), { message });
});

Deno.test("withIndexed() adds texts, and leaves the given types as they are", () => {
  const types = parseTypes({ body: { text: { index: "off" } }, n: "uuid" });
  const indexes = parseFulltext({
    search: { columns: ["title", "body", "tags[]"] },
    other: { columns: ["title"] },
  });
  const text: Column = { kind: "text" };
  const data = object({ body: { kind: "longtext" }, n: { kind: "uuid" }, title: text, tags: list(text) });
  assert.deepEqual(withIndexed(types, indexes), { data });
  assert.deepEqual([...types.data?.children?.keys() ?? []], ["body", "n"]);
  for (const path of ["n", "n.x", "body[].a"]) {
    assert.throws(() => withIndexed(types, parseFulltext({ s: { columns: [path] } })), {
      name: "UsageError",
      message: `--fulltext s has a column that is no text by --types: ${path}`,
    });
  }
});
