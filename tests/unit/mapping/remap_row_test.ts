import assert from "node:assert/strict";
import type { Column, ColumnPath } from "../../../lib/mapping/column_tree.ts";
import type { Kind } from "../../../lib/mapping/column_types.ts";
import { remapRow } from "../../../lib/mapping/remap_row.ts";

const of = (kind: Kind): Column => ({ kind });
const list = (element: Column): Column => ({ kind: "array", element });
const object = (children: Readonly<Record<string, Column>> = {}): Column => ({
  kind: "object",
  children: new Map(Object.entries(children)),
});

/** Columns after the widening; in each tree the widened ones have the last name of the paths below. */
const COLUMNS = object({
  n: of("bigint"),
  t: of("double"),
  u: of("double"),
  o: object({ t: of("double"), s: of("text"), p: object({ t: of("double") }), "1": of("double") }),
  l: list(of("double")),
  m: list(list(of("double"))),
  a: list(object({
    t: of("double"),
    u: of("double"),
    s: of("text"),
    b: of("boolean"),
    at: of("timestamp"),
    big: of("longtext"),
    i: of("integer"),
    h: of("smallint"),
    r: of("real"),
    any: of("ignored"),
    l: list(of("double")),
    o: object({ t: of("double") }),
  })),
  d: list(object({ e: list(object({ t: of("double") })) })),
});

type Texts = readonly [data: string, overflow: string | null];
interface Case {
  readonly paths: readonly ColumnPath[];
  readonly before: Texts;
  /** @default as before */
  readonly after?: Texts;
}

const CASES: Readonly<Record<string, Case>> = {
  "takes a fraction back": {
    paths: [["t"]],
    before: ['{"n":1}', '{"t":20.5}'],
    after: ['{"n":1,"t":20.5}', null],
  },
  "takes an integer back": {
    paths: [["t"]],
    before: ["{}", '{"t":9007199254740992}'],
    after: ['{"t":9007199254740992}', null],
  },
  "takes exponents back as they are written": {
    paths: [["t"], ["u"]],
    before: ["{}", '{"t":1.0E300,"u":-0.0}'],
    after: ['{"t":1.0E300,"u":-0.0}', null],
  },
  "leaves the rest of overflow": {
    paths: [["t"]],
    before: ["{}", '{"t":20.5,"u":1.5,"a.b":1}'],
    after: ['{"t":20.5}', '{"u":1.5,"a.b":1}'],
  },
  "takes several columns back": {
    paths: [["t"], ["u"]],
    before: ["{}", '{"t":20.5,"u":1.5}'],
    after: ['{"t":20.5,"u":1.5}', null],
  },
  "leaves text": { paths: [["t"]], before: ['{"n":1}', '{"t":"20.5"}'] },
  "leaves a null": { paths: [["t"]], before: ['{"n":1}', '{"t":null}'] },
  "leaves an array in a scalar's place": { paths: [["t"]], before: ["{}", '{"t":[20.5]}'] },
  "leaves an object in a scalar's place": { paths: [["t"]], before: ["{}", '{"t":{"$duplicateKey":[1,2]}}'] },
  "leaves an integer that a double would change": {
    paths: [["t"]],
    before: ["{}", '{"t":9007199254740993}'],
  },
  "leaves a row without the value": { paths: [["t"]], before: ['{"n":1}', null] },
  "leaves an integer that fits": { paths: [["t"]], before: ['{"t":-9007199254740992}', null] },
  "moves an integer beyond 2^53 out": {
    paths: [["t"]],
    before: ['{"n":1,"t":9007199254740993}', null],
    after: ['{"n":1}', '{"t":9007199254740993}'],
  },
  "moves a negative one out, beside what is there": {
    paths: [["t"]],
    before: ['{"t":-9007199254740993}', '{"a.b":1}'],
    after: ["{}", '{"a.b":1,"t":-9007199254740993}'],
  },
  "leaves integers beyond 2^53 in other columns": {
    paths: [["t"]],
    before: ['{"n":9007199254740993}', null],
  },
  "takes a value back into an object, and removes what becomes empty": {
    paths: [["o", "p", "t"]],
    before: ['{"o":{"p":{}}}', '{"o":{"p":{"t":20.5}}}'],
    after: ['{"o":{"p":{"t":20.5}}}', null],
  },
  "takes a value back into an object, and leaves what else overflows there": {
    paths: [["o", "t"]],
    before: ['{"o":{"p":{}}}', '{"o":{"p":{"x":null},"t":20.5}}'],
    after: ['{"o":{"p":{},"t":20.5}}', '{"o":{"p":{"x":null}}}'],
  },
  "takes a value back under a name of digits, and leaves others escaped": {
    paths: [["o", "1"]],
    before: ['{"o":{}}', '{"o":{"#1":20.5,"#2":"x"}}'],
    after: ['{"o":{"1":20.5}}', '{"o":{"#2":"x"}}'],
  },
  "takes an ignored object back": {
    paths: [["a", "t"]],
    before: ["{}", '{"a":[{"t":20.5,"any":{"#1":{"b":"x"}}}]}'],
    after: ['{"a":[{"t":20.5,"any":{"1":{"b":"x"}}}]}', null],
  },
  "leaves an ignored object whose names are escaped": {
    paths: [["a", "t"]],
    before: ["{}", '{"a":[{"t":20.5,"any":{"b":{"#1":"x"}}}]}'],
  },
  "leaves an ignored object with an emoji in a name": {
    paths: [["a", "t"]],
    before: ["{}", '{"a":[{"t":20.5,"any":{"#u:%F0%9F%98%80":1}}]}'],
  },
  "moves a value out from under a name of digits": {
    paths: [["o", "1"]],
    before: ['{"o":{"1":9007199254740993}}', null],
    after: ['{"o":{}}', '{"o":{"#1":9007199254740993}}'],
  },
  "leaves a value whose object is not in data": { paths: [["o", "t"]], before: ["{}", '{"o":{"t":20.5}}'] },
  "leaves a value below what is no object": { paths: [["o", "t"]], before: ["{}", '{"o":[{"t":20.5}]}'] },
  "moves a value out of an object, which stays": {
    paths: [["o", "p", "t"]],
    before: ['{"o":{"p":{"t":9007199254740993}}}', null],
    after: ['{"o":{"p":{}}}', '{"o":{"p":{"t":9007199254740993}}}'],
  },
  "takes an array back": {
    paths: [["l"]],
    before: ["{}", '{"l":[1,null,20.5]}'],
    after: ['{"l":[1,null,20.5]}', null],
  },
  "moves an array out whole": {
    paths: [["l"]],
    before: ['{"l":[1,9007199254740993]}', null],
    after: ["{}", '{"l":[1,9007199254740993]}'],
  },
  "leaves an array with text": { paths: [["l"]], before: ["{}", '{"l":[20.5,"text"]}'] },
  "takes a nested array back": {
    paths: [["m"]],
    before: ["{}", '{"m":[[1],[],null,[20.5]]}'],
    after: ['{"m":[[1],[],null,[20.5]]}', null],
  },
  "moves a nested array out": {
    paths: [["m"]],
    before: ['{"m":[[1],[9007199254740993]]}', null],
    after: ["{}", '{"m":[[1],[9007199254740993]]}'],
  },
  "takes an array of objects back when all in it fits": {
    paths: [["a", "t"]],
    before: [
      "{}",
      '{"a":[{"t":20.5},{"s":"x","b":true,"at":0,"i":1,"h":2,"any":{"x":[1]},"l":[0.5],"o":{"t":1}},{}]}',
    ],
    after: [
      '{"a":[{"t":20.5},{"s":"x","b":true,"at":0,"i":1,"h":2,"any":{"x":[1]},"l":[0.5],"o":{"t":1}},{}]}',
      null,
    ],
  },
  "leaves an array of objects with other misfits": {
    paths: [["a", "t"]],
    before: ["{}", '{"a":[{"t":20.5,"s":1}]}'],
  },
  "leaves an array of objects with keys that have no column": {
    paths: [["a", "t"]],
    before: ["{}", '{"a":[{"t":20.5,"a.b":1}]}'],
  },
  "leaves an array that is in both for its nulls": {
    paths: [["a", "t"]],
    before: ['{"a":[{"t":20}]}', '{"a":[{"t":20,"s":null}]}'],
  },
  "moves an array of objects out whole": {
    paths: [["a", "t"]],
    before: ['{"a":[{"t":1},{"t":9007199254740993}]}', null],
    after: ["{}", '{"a":[{"t":1},{"t":9007199254740993}]}'],
  },
  "moves an array of objects that is in both for its nulls out": {
    paths: [["a", "t"]],
    before: ['{"a":[{"t":9007199254740993}]}', '{"a":[{"s":null,"t":9007199254740993}]}'],
    after: ["{}", '{"a":[{"s":null,"t":9007199254740993}]}'],
  },
  "moves an array out for a value in an object of it": {
    paths: [["a", "o", "t"]],
    before: ['{"a":[{"o":{"t":9007199254740993}}]}', null],
    after: ["{}", '{"a":[{"o":{"t":9007199254740993}}]}'],
  },
  "takes arrays of objects in arrays of objects back": {
    paths: [["d", "e", "t"]],
    before: ["{}", '{"d":[{"e":[{"t":0.5}]},{}]}'],
    after: ['{"d":[{"e":[{"t":0.5}]},{}]}', null],
  },
  "takes back what is left of an array of objects with nulls, which stays as it was": {
    paths: [["a", "t"]],
    before: ["{}", '{"a":[{"t":20.5,"s":null,"none":[[null]],"l":[]},null]}'],
    after: ['{"a":[{"t":20.5,"l":[]},null]}', '{"a":[{"t":20.5,"s":null,"none":[[null]],"l":[]},null]}'],
  },
  "takes an array out that no longer fits, and is in overflow as it was": {
    paths: [["a", "t"]],
    before: ['{"a":[{"t":9007199254740993}]}', '{"a":[{"t":9007199254740993,"s":null}]}'],
    after: ["{}", '{"a":[{"t":9007199254740993,"s":null}]}'],
  },
  "leaves the ends of a range, which CrateDB refuses": {
    paths: [["a", "t"]],
    before: ["{}", '{"a":[{"t":20.5,"at":9223372036854775807}]}'],
  },
  "leaves a path that has no column": { paths: [["gone"]], before: ['{"n":1}', '{"gone":20.5}'] },
  "leaves a path below one that has no column": {
    paths: [["gone", "t"]],
    before: ["{}", '{"gone":{"t":20.5}}'],
  },
};

/** What the other columns of an array of objects hold beside a value that still fits. */
const HELD: readonly string[] = [
  '"s":"text"',
  '"b":false',
  '"at":-1',
  `"big":"${"x".repeat(40_000)}"`,
  '"i":-2147483648',
  '"h":32767',
  '"r":0.5',
  '"r":1.0E30',
  '"u":"NaN"',
  '"u":"-Infinity"',
  '"any":{"x":[1,"y"]}',
  '"any":[1,"y",null,{"z":2}]',
  '"l":[]',
  '"l":[null,0.5]',
  '"l":["NaN"]',
];

for (const held of HELD) {
  Deno.test(`remapRow() leaves an array of objects that holds ${held.slice(0, 40)} as well`, () => {
    const data = `{"a":[{"t":1,${held}},{"t":2}]}`;
    assert.equal(remapRow({ data, overflow: null }, COLUMNS, [["a", "t"]]), undefined);
  });
}

for (const [what, { paths, before, after = before }] of Object.entries(CASES)) {
  Deno.test(`remapRow() ${what}`, () => {
    const [data, overflow] = before;
    const revised = remapRow({ data, overflow }, COLUMNS, paths);
    assert.deepEqual(revised && [revised.data, revised.overflow], after === before ? undefined : after);
  });
}
