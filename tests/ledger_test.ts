import assert from "node:assert/strict";
import type { Column } from "../lib/row/columns.ts";
import type { Kind } from "../lib/row/kinds.ts";
import { columnTree } from "../lib/sink/ledger.ts";

const of = (kind: Kind): Column => ({ kind });
const list = (element: Column): Column => ({ kind: "array", element });
const object = (children: Readonly<Record<string, Column>> = {}): Column => ({
  kind: "object",
  children: new Map(Object.entries(children)),
});

type Rows = Parameters<typeof columnTree>[0];

const TREES: readonly (readonly [string, Rows, Column])[] = [
  ["no columns", [], object()],
  ["`data` alone", [[[""], "object"]], object()],
  ["scalars", [[["a"], "text"], [["b"], "bigint"]], object({ a: of("text"), b: of("bigint") })],
  [
    "each type that takes values",
    [
      [["a"], "double precision"],
      [["b"], "boolean"],
      [["c"], "timestamp with time zone"],
      [["d"], "timestamp without time zone"],
      [["e"], "integer"],
      [["f"], "smallint"],
      [["g"], "real"],
    ],
    object({
      a: of("double"),
      b: of("boolean"),
      c: of("timestamp"),
      d: of("timestamp"),
      e: of("integer"),
      f: of("smallint"),
      g: of("real"),
    }),
  ],
  [
    "types that take none",
    [[["a"], "geo_point"], [["b"], "ip"], [["c"], "character varying(5)"]],
    object({ a: of("unfit"), b: of("unfit"), c: of("unfit") }),
  ],
  ["objects", [[["o"], "object"], [["o", "a"], "text"]], object({ o: object({ a: of("text") }) })],
  [
    "arrays",
    [[["l"], "text_array"], [["m"], "bigint_array_array"]],
    object({ l: list(of("text")), m: list(list(of("bigint"))) }),
  ],
  [
    "arrays of objects",
    [[["l"], "object_array"], [["l", "x"], "bigint"], [["l", "y"], "double precision_array"]],
    object({ l: list(object({ x: of("bigint"), y: list(of("double")) })) }),
  ],
  ["a column whose parent is unknown", [[["o", "a"], "text"]], object()],
];

for (const [what, rows, tree] of TREES) {
  Deno.test(`columnTree() of ${what}`, () => assert.deepEqual(columnTree(rows), tree));
}
