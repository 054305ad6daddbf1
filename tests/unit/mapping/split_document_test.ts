import assert from "node:assert/strict";
import { MAX_DEPTH } from "../../../lib/mapping/classify.ts";
import type { Column, ColumnPath } from "../../../lib/mapping/column_tree.ts";
import type { Kind } from "../../../lib/mapping/column_types.ts";
import type { SplitDocument } from "../../../lib/mapping/split_document.ts";
import { documentOf, type Raw, raw } from "../../support/raw_bson.ts";
import { splitText } from "../../support/row_text.ts";

const of = (kind: Kind): Column => ({ kind });
const list = (element: Column): Column => ({ kind: "array", element });
const object = (children: Readonly<Record<string, Column>> = {}): Column => ({
  kind: "object",
  children: new Map(Object.entries(children)),
});
const closed = (children: Readonly<Record<string, Column>> = {}): Column => ({
  ...object(children),
  closed: true,
});

type SplitText = ReturnType<typeof splitText>;

const MISSING = undefined;
const data = (json: string): SplitText => ({
  data: json,
  overflow: null,
  overflowed: false,
  needsColumns: false,
  needsWidening: [],
});
type Flags = Partial<Pick<SplitDocument, "overflowed" | "needsColumns" | "needsWidening">>;
const split = (flags: Flags) => (json: string, rest = "{}"): SplitText => ({
  ...data(rest),
  overflow: json,
  overflowed: true,
  ...flags,
});
const overflow = split({});
const withoutColumn = split({ needsColumns: true });
const nulls = split({ overflowed: false });
const needsWidening = (...paths: readonly ColumnPath[]) => split({ needsWidening: paths });
const TWICE = [["a", raw.int32(1)], ["b", raw.int32(2)], ["a", raw.string("x")]] as const;
const LONG = "x".repeat(32_767);

/** A value `v` and its existing column. */
const PLACES: readonly (readonly [string, Raw, Column | undefined, SplitText])[] = [
  ["text in TEXT", raw.string("x"), of("text"), data('{"v":"x"}')],
  ["a number in TEXT", raw.int32(1), of("text"), overflow('{"v":1}')],
  ["text in BIGINT", raw.string("1"), of("bigint"), overflow('{"v":"1"}')],
  ["a fraction in BIGINT", raw.double(20.5), of("bigint"), needsWidening(["v"])('{"v":20.5}')],
  ["a fraction in a BIGINT of dates", raw.double(20.5), of("inferred"), needsWidening(["v"])('{"v":20.5}')],
  ["a fraction in INTEGER", raw.double(20.5), of("integer"), overflow('{"v":20.5}')],
  ["a fraction in TEXT", raw.double(20.5), of("text"), overflow('{"v":20.5}')],
  ["NaN in BIGINT", raw.double(NaN), of("bigint"), overflow('{"v":"NaN"}')],
  ["a date in a BIGINT of dates", raw.date(7n), of("inferred"), data('{"v":7}')],
  ["a Double without fraction in BIGINT", raw.double(2), of("bigint"), data('{"v":2}')],
  ["an integer in DOUBLE", raw.int32(2), of("double"), data('{"v":2.0}')],
  ["infinity in DOUBLE", raw.double(Infinity), of("double"), data('{"v":"Infinity"}')],
  ["the text NaN in DOUBLE", raw.string("NaN"), of("double"), overflow('{"v":"NaN"}')],
  [
    "an end of the range in BIGINT",
    raw.int64(-(2n ** 63n)),
    of("bigint"),
    overflow('{"v":-9223372036854775808}'),
  ],
  ["null in any column", raw.null(), of("bigint"), nulls('{"v":null}')],
  ["null in a column that takes nothing", raw.null(), of("unfit"), nulls('{"v":null}')],
  ["text in a column that takes nothing", raw.string("x"), of("unfit"), overflow('{"v":"x"}')],
  ["a date in a column that takes all", raw.date(7n), of("any"), data('{"v":7}')],
  [
    "a text of 32,767 bytes in a column that takes all",
    raw.string(LONG),
    of("any"),
    overflow(`{"v":"${LONG}"}`),
  ],
  [
    "a text of 32,767 bytes in an array, in a column that takes all",
    raw.array([raw.document([["s", raw.string(LONG)]])]),
    of("any"),
    overflow(`{"v":[{"s":"${LONG}"}]}`),
  ],
  [
    "arrays of nothing in an object that takes all",
    raw.document([["a", raw.array([raw.array([raw.null()])])], ["b", raw.array([])], ["c", raw.int32(1)]]),
    of("any"),
    overflow('{"v":{"a":[[null]],"b":[]}}', '{"v":{"c":1}}'),
  ],
  ["nested arrays in a column that takes all", raw.array([raw.array([])]), of("any"), data('{"v":[[]]}')],
  [
    "names that no column may have, in a column that takes all",
    raw.document([["o", raw.document([["a.b", raw.int32(1)], ["c", raw.int32(2)]])]]),
    of("any"),
    split({})('{"v":{"o":{"a.b":1}}}', '{"v":{"o":{"c":2}}}'),
  ],
  [
    "a name with a control character below an array, in a column that takes all",
    raw.array([raw.document([["a\u0013", raw.int32(1)]])]),
    of("any"),
    overflow('{"v":[{"a\\u0013":1}]}'),
  ],
  [
    "an object in an IGNORED object",
    raw.document([["a.b", raw.null()]]),
    of("ignored"),
    data('{"v":{"a.b":null}}'),
  ],
  [
    "a name of digits at the first level of an IGNORED object",
    raw.document([["1", raw.int32(1)]]),
    of("ignored"),
    data('{"v":{"1":1}}'),
  ],
  [
    "a name of digits below it",
    raw.document([["a", raw.document([["1", raw.int32(1)]])]]),
    of("ignored"),
    overflow('{"v":{"a":{"#1":1}}}'),
  ],
  [
    "a name of digits that has no column's kind",
    raw.document([["1", raw.string("x")], ["2", raw.int32(2)]]),
    object({ "1": of("bigint"), "2": of("bigint") }),
    split({})('{"v":{"#1":"x"}}', '{"v":{"2":2}}'),
  ],
  ["a number in an IGNORED object", raw.int32(1), of("ignored"), overflow('{"v":1}')],
  ["an array in an IGNORED object", raw.array([]), of("ignored"), overflow('{"v":[]}')],
  ["a value without a column", raw.int32(1), MISSING, withoutColumn('{"v":1}')],
  ["null without a column", raw.null(), MISSING, nulls('{"v":null}')],
  ["an array of nulls without a column", raw.array([raw.null()]), MISSING, overflow('{"v":[null]}')],
  [
    "an array of nothing without a column, in an array of objects",
    raw.array([raw.document([["a", raw.int32(1)], ["void", raw.array([])]])]),
    list(object({ a: of("bigint") })),
    overflow('{"v":[{"a":1,"void":[]}]}', '{"v":[{"a":1}]}'),
  ],
  ["an empty object without a column", raw.document([]), MISSING, withoutColumn('{"v":{}}')],
  ["an array in a scalar", raw.array([raw.int32(1)]), of("bigint"), overflow('{"v":[1]}')],
  ["an empty array in a scalar", raw.array([]), of("bigint"), overflow('{"v":[]}')],
  ["a scalar in an array", raw.int32(1), list(of("bigint")), overflow('{"v":1}')],
  ["an object in a scalar", raw.document([]), of("text"), overflow('{"v":{}}')],
  ["a scalar in an object", raw.string("x"), object(), overflow('{"v":"x"}')],
  [
    "ints among doubles",
    raw.array([raw.int32(1), raw.double(0.5)]),
    list(of("double")),
    data('{"v":[1.0,0.5]}'),
  ],
  ["mixed types", raw.array([raw.int32(1), raw.string("x")]), list(of("bigint")), overflow('{"v":[1,"x"]}')],
  [
    "one value of an object",
    raw.document([["a", raw.int32(1)], ["b", raw.double(0.5)]]),
    object({ a: of("bigint"), b: of("bigint") }),
    needsWidening(["v", "b"])('{"v":{"b":0.5}}', '{"v":{"a":1}}'),
  ],
  [
    "a value in an array of objects: the whole array",
    raw.array([raw.document([["a", raw.int32(1)]]), raw.document([["a", raw.double(0.5)]])]),
    list(object({ a: of("bigint") })),
    needsWidening(["v", "a"])('{"v":[{"a":1},{"a":0.5}]}'),
  ],
  [
    "fractions among others in an array of BIGINT: its path once",
    raw.array([raw.string("x"), raw.double(0.5), raw.double(1.5)]),
    list(of("bigint")),
    needsWidening(["v"])('{"v":["x",0.5,1.5]}'),
  ],
  [
    "all that an array of objects lacks",
    raw.array([
      raw.document([["a", raw.double(0.5)], ["new", raw.int32(1)]]),
      raw.document([["b", raw.double(0.5)]]),
    ]),
    list(object({ a: of("bigint"), b: of("bigint") })),
    split({ needsColumns: true, needsWidening: [["v", "a"], ["v", "b"]] })(
      '{"v":[{"a":0.5,"new":1},{"b":0.5}]}',
    ),
  ],
  [
    "a null in an array of objects: the array stays, and is in overflow too",
    raw.array([raw.document([["a", raw.null()], ["b", raw.int32(1)]])]),
    list(object({ a: of("bigint"), b: of("bigint") })),
    nulls('{"v":[{"a":null,"b":1}]}', '{"v":[{"b":1}]}'),
  ],
  [
    "a new name in an array of objects",
    raw.array([raw.document([["new", raw.int32(1)]])]),
    list(object()),
    withoutColumn('{"v":[{"new":1}]}'),
  ],
  [
    "a timestamp",
    raw.timestamp(1, 2),
    object({ t: of("bigint"), i: of("bigint") }),
    data('{"v":{"t":1,"i":2}}'),
  ],
  ["text too long", raw.string(LONG), of("text"), overflow(`{"v":"${LONG}"}`)],
  ["text too long in TEXT without an index", raw.string(LONG), of("longtext"), data(`{"v":"${LONG}"}`)],
  ["text too long for a column to be made", raw.string(LONG), MISSING, overflow(`{"v":"${LONG}"}`)],
  ["empty arrays in an array, without a column", raw.array([raw.array([])]), MISSING, overflow('{"v":[[]]}')],
  [
    "equal keys",
    raw.document(TWICE),
    object({ a: of("bigint"), b: of("bigint") }),
    overflow(
      '{"v":{"a":{"$duplicateKey":[1,"x"]}}}',
      '{"v":{"b":2}}',
    ),
  ],
  [
    "equal keys without columns",
    raw.document(TWICE),
    object(),
    withoutColumn(
      '{"v":{"a":{"$duplicateKey":[1,"x"]},"b":2}}',
      '{"v":{}}',
    ),
  ],
  [
    "equal keys, both null",
    raw.document([["a", raw.null()], ["a", raw.null()]]),
    object(),
    overflow(
      '{"v":{"a":{"$duplicateKey":[null,null]}}}',
      '{"v":{}}',
    ),
  ],
  [
    "equal keys in an object without a column",
    raw.document(TWICE),
    MISSING,
    withoutColumn(
      '{"v":{"a":{"$duplicateKey":[1,"x"]},"b":2}}',
    ),
  ],
  [
    "equal keys in a column that takes all",
    raw.document(TWICE),
    of("ignored"),
    data(
      '{"v":{"a":{"$duplicateKey":[1,"x"]},"b":2}}',
    ),
  ],
  [
    "equal keys in an array of objects: the whole array",
    raw.array([raw.document([["b", raw.int32(0)]]), raw.document(TWICE)]),
    list(object({ a: of("bigint"), b: of("bigint") })),
    overflow('{"v":[{"b":0},{"a":{"$duplicateKey":[1,"x"]},"b":2}]}'),
  ],
  [
    "a new name in a closed object",
    raw.document([["a", raw.int32(1)], ["new", raw.int32(2)], ["void", raw.array([])], ["none", raw.null()]]),
    closed({ a: of("bigint") }),
    overflow('{"v":{"new":2,"void":[],"none":null}}', '{"v":{"a":1}}'),
  ],
  [
    "an array of nulls in an array of closed objects",
    raw.array([raw.document([["void", raw.array([raw.null()])]])]),
    list(closed()),
    overflow('{"v":[{"void":[null]}]}'),
  ],
  [
    "ids among names",
    raw.document([["a", raw.int32(1)], ["507f1f77bcf86cd799439011", raw.int32(1)]]),
    { ...object({ a: of("bigint") }), hasIds: true },
    overflow('{"v":{"507f1f77bcf86cd799439011":1}}', '{"v":{"a":1}}'),
  ],
  [
    "a new name beside ids",
    raw.document([["new", raw.int32(1)]]),
    { ...object({ a: of("bigint") }), hasIds: true },
    withoutColumn('{"v":{"new":1}}', '{"v":{}}'),
  ],
  [
    "a long name",
    raw.document([["x".repeat(256), raw.int32(1)]]),
    object(),
    overflow(`{"v":{"${"x".repeat(256)}":1}}`, '{"v":{}}'),
  ],
  [
    "a new name in an open object of a closed one",
    raw.document([["o", raw.document([["new", raw.int32(1)]])]]),
    closed({ o: object() }),
    withoutColumn('{"v":{"o":{"new":1}}}', '{"v":{"o":{}}}'),
  ],
];

for (const [what, value, column, expected] of PLACES) {
  Deno.test(`splitDocument() ${what}`, () => {
    assert.deepEqual(splitText(documentOf([["v", value]]), object(column && { v: column })), expected);
  });
}

for (const name of ["", "a.b", "x[1]", "a\tb"]) {
  Deno.test(`splitDocument() puts the name ${JSON.stringify(name)} into overflow, null too`, () => {
    const json = JSON.stringify({ [name]: null });
    assert.deepEqual(splitText(documentOf([[name, raw.null()]]), object()), nulls(json));
  });
}

Deno.test("splitDocument() puts what lies deeper than columns go into overflow", () => {
  const nested = (levels: number): Raw =>
    levels === 0 ? raw.string("end") : raw.document([["o", nested(levels - 1)]]);
  const columns = (levels: number): Column =>
    object({ ...levels > 0 && { o: columns(levels - 1) }, end: of("text") });
  const { data, overflow } = splitText(nested(MAX_DEPTH + 5).bytes, columns(MAX_DEPTH + 10));
  assert.ok(!data.includes("end"));
  assert.ok(overflow?.includes('"end"'));
});

Deno.test("splitDocument() of names that repeat in the root, with columns of all kinds", () => {
  const document = documentOf(TWICE);
  const text = '{"a":{"$duplicateKey":[1,"x"]},"b":2}';
  assert.deepEqual(splitText(document, of("ignored")), data(text));
  assert.deepEqual(splitText(document, object()), withoutColumn(text));
});

Deno.test("splitDocument() looks at equal keys once, however deep they are nested", () => {
  const nested = (levels: number): Raw =>
    levels === 0 ? raw.int32(1) : raw.document([["o", nested(levels - 1)], ...TWICE]);
  const columns = (levels: number): Column => object(levels > 0 ? { o: columns(levels - 1) } : {});
  const { overflow } = splitText(nested(MAX_DEPTH).bytes, columns(MAX_DEPTH));
  assert.equal(overflow?.split("$duplicateKey").length, MAX_DEPTH + 1);
});

Deno.test("splitDocument() asks for no column for a value that is too deep", () => {
  const nested = (levels: number): Raw =>
    levels === 0 ? raw.int32(1) : raw.document([["o", nested(levels - 1)]]);
  const columns = (levels: number): Column => object(levels > 0 ? { o: columns(levels - 1) } : {});
  assert.equal(splitText(nested(MAX_DEPTH).bytes, columns(MAX_DEPTH - 1)).needsColumns, true);
  assert.equal(splitText(nested(MAX_DEPTH + 1).bytes, columns(MAX_DEPTH)).needsColumns, false);
});

const LIMIT = 50_000;
const LONG_NAMES: Readonly<Record<string, (name: string) => Raw>> = {
  "at the top": (name) => raw.document([[name, raw.int32(1)]]),
  "in an array": (name) => raw.document([["a", raw.array([raw.document([[name, raw.null()]])])]]),
  "in the scope of code": (name) =>
    raw.document([["a", raw.codeWithScope("f", documentOf([[name, raw.int32(1)]]))]]),
};

for (const [place, documentWith] of Object.entries(LONG_NAMES)) {
  Deno.test(`splitDocument() refuses a name ${place} that is too long for CrateDB`, () => {
    const columns = object({ a: of("ignored") });
    const longest = "é".repeat(LIMIT);
    const { data, overflow } = splitText(documentWith(longest).bytes, columns);
    assert.match(`${data}${overflow}`, /éé/);
    for (const column of [columns, of("ignored")]) {
      assert.throws(() => splitText(documentWith(`${longest}é`).bytes, column), {
        name: "UnstorableError",
        message: `A field name has 50001 characters, and CrateDB takes 50000: ${"é".repeat(40)}…`,
      });
    }
    assert.equal(splitText(documentWith(`${longest}é`).bytes, of("jsonb")).overflow, null);
  });
}

for (
  const [what, value] of [
    ["a name", { type: 3, bytes: Uint8Array.of(8, 0, 0, 0, 10, 0xff, 0, 0) }],
    ["a text", { type: 2, bytes: Uint8Array.of(2, 0, 0, 0, 0xff, 0) }],
  ] as const
) {
  Deno.test(`splitDocument() refuses ${what} that is not UTF-8, wherever it would be put`, () => {
    for (const column of [MISSING, of("text"), of("ignored"), object(), list(object())]) {
      assert.throws(() => splitText(documentOf([["v", value]]), object(column && { v: column })), {
        name: "UnstorableError",
      });
    }
  });
}
