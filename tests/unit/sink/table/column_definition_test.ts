import assert from "node:assert/strict";
import type { Column } from "../../../../lib/mapping/column_tree.ts";
import type { Kind } from "../../../../lib/mapping/column_types.ts";
import { columnTree, typeName, unfitColumns } from "../../../../lib/sink/table/column_definition.ts";

const of = (kind: Kind): Column => ({ kind });
const list = (element: Column): Column => ({ kind: "array", element });
const object = (children: Readonly<Record<string, Column>> = {}): Column => ({
  kind: "object",
  children: new Map(Object.entries(children)),
});

/** Types as the server prints them, and the kind of the column; without one, a column that takes no value. */
const KINDS: readonly (readonly [string, Kind?])[] = [
  ["TEXT", "text"],
  ["TEXT NOT NULL", "text"],
  ["TEXT INDEX OFF", "text"],
  ["TEXT STORAGE WITH (", "text"],
  ["TEXT INDEX USING FULLTEXT WITH (", "text"],
  ["TEXT INDEX OFF STORAGE WITH (", "longtext"],
  ["BIGINT", "bigint"],
  ["BIGINT DEFAULT 1", "bigint"],
  ["INTEGER", "integer"],
  ["SMALLINT", "smallint"],
  ["DOUBLE PRECISION", "double"],
  ["REAL", "real"],
  ["BOOLEAN", "boolean"],
  ["TIMESTAMP WITH TIME ZONE", "timestamp"],
  ["TIMESTAMP WITHOUT TIME ZONE", "timestamp"],
  ["OBJECT(IGNORED)", "ignored"],
  ["BYTE"],
  ["IP", "ip"],
  ["GEO_POINT", "geo_point"],
  ["GEO_SHAPE INDEX USING geohash", "geo_shape"],
  ["UUID", "uuid"],
  ["NUMERIC"],
  ["BIT(5)"],
];

for (const [type, kind = "unfit"] of KINDS) {
  Deno.test(`columnTree() of ${type}: ${kind}`, () => {
    assert.deepEqual(columnTree([{ path: ["data", "x"], type }]), object({ x: of(kind) }));
  });
}

for (const [type, kind] of [["VARCHAR(5)", "varchar"], ["CHARACTER(3) NOT NULL", "char"]] as const) {
  Deno.test(`columnTree() of ${type}: ${kind} of a length`, () => {
    const length = kind === "char" ? 3 : 5;
    assert.deepEqual(columnTree([{ path: ["data", "x"], type }]), object({ x: { kind, length } }));
    const array = [{ path: ["data", "x"], type: `ARRAY(${type})` }];
    assert.deepEqual(columnTree(array), object({ x: list({ kind, length }) }));
  });
}

Deno.test("columnTree() of a NUMERIC and a FLOAT_VECTOR: with their sizes", () => {
  const numeric = { kind: "numeric", numeric: { precision: 10, scale: 2 } } as const;
  assert.deepEqual(columnTree([{ path: ["data", "x"], type: "NUMERIC(10, 2)" }]), object({ x: numeric }));
  const vector = { kind: "float_vector", length: 3 } as const;
  const below = [{ path: ["vector", "x"], type: "FLOAT_VECTOR(3)" }];
  assert.deepEqual(columnTree(below, { root: "vector" }), object({ x: vector }));
  assert.deepEqual([numeric, vector, list(numeric)].map(typeName), [
    "NUMERIC(10, 2)",
    "FLOAT_VECTOR(3)",
    "ARRAY(NUMERIC(10, 2))",
  ]);
});

Deno.test("unfitColumns() has the columns below `data` that take no values", () => {
  const columns = [
    { path: ["data"], type: "OBJECT(DYNAMIC) AS (" },
    { path: ["data", "place"], type: "GEO_POINT" },
    { path: ["data", "o"], type: "OBJECT(DYNAMIC) AS (" },
    { path: ["data", "o", "list"], type: "ARRAY(FLOAT_VECTOR(3))" },
    { path: ["data", "o", "text"], type: "VARCHAR(3)" },
    { path: ["shape"], type: "GEO_SHAPE" },
  ];
  assert.deepEqual(unfitColumns(columns).map(({ path }) => path.join(".")), ["data.place", "data.o.list"]);
});

type Columns = Readonly<Record<string, string>>;

/** Columns by path, the names joined by dots. */
const TREES: Readonly<Record<string, { columns: Columns; tree: Column; inferred?: boolean }>> = {
  "no columns": { columns: {}, tree: object() },
  "`data` alone": { columns: { oid: "TEXT NOT NULL", data: "OBJECT(DYNAMIC)" }, tree: object() },
  "columns beside `data`": {
    columns: {
      "data": "OBJECT(DYNAMIC) AS (",
      "data.a": "TEXT",
      "n": "BIGINT",
      "o": "OBJECT(DYNAMIC) AS (",
      "o.a": "REAL",
    },
    tree: object({ a: of("text") }),
  },
  "an ignored `data`": { columns: { data: "OBJECT(IGNORED)" }, tree: of("ignored") },
  "a strict `data`": {
    columns: { "data": "OBJECT(STRICT) AS (", "data.a": "TEXT" },
    tree: { ...object({ a: of("text") }), closed: true },
  },
  "objects": {
    columns: { "data.o": "OBJECT(DYNAMIC) AS (", "data.o.a": "TEXT", "data.e": "OBJECT(DYNAMIC)" },
    tree: object({ o: object({ a: of("text") }), e: object() }),
  },
  "a strict object": {
    columns: { "data.o": "OBJECT(STRICT) AS (", "data.o.a": "TEXT" },
    tree: object({ o: { ...object({ a: of("text") }), closed: true } }),
  },
  "columns in an ignored object": {
    columns: { "data.o": "OBJECT(IGNORED) AS (", "data.o.a": "BIGINT", "data.b": "TEXT" },
    tree: object({ o: { ...object({ a: of("bigint") }), closed: true }, b: of("text") }),
  },
  "arrays": {
    columns: { "data.l": "ARRAY(TEXT)", "data.m": "ARRAY(ARRAY(BIGINT))", "data.v": "ARRAY(VARCHAR(5))" },
    tree: object({
      l: list(of("text")),
      m: list(list(of("bigint"))),
      v: list({ kind: "varchar", length: 5 }),
    }),
  },
  "arrays of objects": {
    columns: {
      "data.l": "ARRAY(OBJECT(DYNAMIC) AS (",
      "data.l.x": "BIGINT",
      "data.l.y": "ARRAY(DOUBLE PRECISION)",
      "data.m": "ARRAY(ARRAY(OBJECT(STRICT) AS (",
      "data.m.x": "BOOLEAN",
      "data.i": "ARRAY(OBJECT(IGNORED))",
    },
    tree: object({
      l: list(object({ x: of("bigint"), y: list(of("double")) })),
      m: list(list({ ...object({ x: of("boolean") }), closed: true })),
      i: list(of("ignored")),
    }),
  },
  "a column whose parent is unknown": { columns: { "data.o.a": "TEXT" }, tree: object() },
  "columns that CrateDB infers": {
    columns: { "data.n": "BIGINT", "data.l": "ARRAY(BIGINT)", "data.i": "INTEGER" },
    tree: object({ n: of("inferred"), l: list(of("inferred")), i: of("integer") }),
    inferred: true,
  },
};

for (const [what, { columns, tree, inferred }] of Object.entries(TREES)) {
  Deno.test(`columnTree() of ${what}`, () => {
    const defined = Object.entries(columns).map(([path, type]) => ({ path: path.split("."), type }));
    assert.deepEqual(columnTree(defined, { inferred: inferred ?? false }), tree);
  });
}
