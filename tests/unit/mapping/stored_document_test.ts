import assert from "node:assert/strict";
import { BSON } from "mongodb";
import type { Column } from "../../../lib/mapping/column_tree.ts";
import type { Kind } from "../../../lib/mapping/column_types.ts";
import { normalizeRow } from "../../../lib/mapping/normalize.ts";
import { splitDocument } from "../../../lib/mapping/split_document.ts";
import { storedDocument, takesNumeric } from "../../../lib/mapping/stored_document.ts";
import { jsonOfBytes } from "../../../lib/util/json_writer.ts";

const of = (kind: Kind): Column => ({ kind });
const numeric = (precision: number, scale: number): Column => ({
  kind: "numeric",
  numeric: { precision, scale },
});
const list = (element: Column): Column => ({ kind: "array", element });
const object = (children: Readonly<Record<string, Column>>): Column => ({
  kind: "object",
  children: new Map(Object.entries(children)),
});

const COLUMNS = object({
  n: of("bigint"),
  t: of("text"),
  d: of("double"),
  at: of("timestamp"),
  total: numeric(30, 4),
  o: object({ at: of("timestamp") }),
  list: list(object({ at: of("timestamp"), d: of("double") })),
  map: of("ignored"),
});

const typesOf = (data: string, overflow: string | null = null) =>
  BSON.EJSON.stringify(
    BSON.deserialize(storedDocument({ data, overflow }, COLUMNS), { promoteValues: false }),
    { relaxed: false },
  );

Deno.test("storedDocument() has the types of the columns", () => {
  assert.equal(
    typesOf('{"n":9007199254740993,"d":20.0,"at":1000,"o":{"at":1},"total":1234567890123456.7800}'),
    '{"n":{"$numberLong":"9007199254740993"},"d":{"$numberDouble":"20.0"},"at":{"$date":{"$numberLong":"1000"}},' +
      '"o":{"at":{"$date":{"$numberLong":"1"}}},"total":{"$numberDecimal":"1234567890123456.78"}}',
  );
  assert.equal(typesOf('{"d":"NaN","t":"NaN"}'), '{"d":{"$numberDouble":"NaN"},"t":"NaN"}');
});

Deno.test("storedDocument() merges overflow, whose values have the types of their JSON", () => {
  assert.equal(
    typesOf('{"o":{},"n":1}', '{"o":{"at":5,"#1":null},"total":"1.10","x":1e+300}'),
    '{"o":{"1":null,"at":{"$numberLong":"5"}},"n":{"$numberLong":"1"},"total":"1.10","x":{"$numberDouble":"1e+300"}}',
  );
});

Deno.test("storedDocument() takes an array in both from overflow, with the types of the columns", () => {
  assert.equal(
    typesOf('{"list":[{"at":1,"d":1.0}]}', '{"list":[{"at":1,"d":1.0,"x":null}]}'),
    '{"list":[{"at":{"$date":{"$numberLong":"1"}},"d":{"$numberDouble":"1.0"},"x":null}]}',
  );
});

Deno.test("storedDocument() keeps amounts in arrays as overflow spells them", () => {
  const amounts = object({ a: list(object({ p: numeric(20, 4), q: numeric(20, 4) })) });
  const data = '{"a":[{"p":1.1,"q":2.5}]}';
  const overflow = '{"a":[{"p":"1.10","q":2.5,"x":null}]}';
  const { data: again, overflow: rest } = splitDocument(storedDocument({ data, overflow }, amounts), amounts);
  assert.equal(jsonOfBytes(again), '{"a":[{"p":"1.10","q":"2.5"}]}'.replace('"1.10"', '"1.1"'));
  assert.equal(rest && jsonOfBytes(rest), overflow);
});

Deno.test("an array with dates moves from overflow as a whole", () => {
  const row = { data: "{}", overflow: '{"list":[{"at":5,"d":2.5}]}' };
  const split = splitDocument(storedDocument(row, COLUMNS), COLUMNS);
  assert.equal(jsonOfBytes(split.data), '{"list":[{"at":5,"d":2.5}]}');
  assert.equal(split.overflow, null);
});

Deno.test("a whole number beside a column of numbers is a date, or at the ends of the range an integer", () => {
  assert.equal(
    typesOf("{}", '{"n":1793491200000,"d":5,"x":5}'),
    '{"n":{"$date":{"$numberLong":"1793491200000"}},"d":{"$date":{"$numberLong":"5"}},"x":{"$numberLong":"5"}}',
  );
  assert.equal(typesOf("{}", '{"n":-9223372036854775808}'), '{"n":{"$numberLong":"-9223372036854775808"}}');
});

/** Rows as a relay has written them. */
const ROWS: readonly (readonly [data: string, overflow: string | null])[] = [
  ['{"n":1,"t":"x","at":-1,"d":-0.0,"total":1.1,"map":{"a":[1,2.5,null]}}', null],
  ['{"n":1}', '{"t":5,"at":"x","o":[1,[2]],"a.b":{"$duplicateKey":[1,"x"]},"😀":null}'],
  ['{"list":[{"at":1},{}]}', '{"list":[{"at":1,"x":null},{"y":[]}]}'],
  ['{"d":"Infinity"}', '{"n":9223372036854775808,"list":[{"d":"NaN"}]}'],
];
const TARGETS: readonly Column[] = [
  COLUMNS,
  object({}),
  object({ n: of("text"), t: of("bigint"), d: of("bigint"), at: of("text"), o: list(of("bigint")) }),
  of("ignored"),
];

Deno.test("a row that is split again equals the row before, under any columns", () => {
  for (const [data, overflow] of ROWS) {
    for (const columns of TARGETS) {
      if (columns !== COLUMNS && data.includes("total")) continue;
      const split = splitDocument(storedDocument({ data, overflow }, COLUMNS), columns);
      const again = normalizeRow(jsonOfBytes(split.data), split.overflow && jsonOfBytes(split.overflow));
      assert.equal(again.replace('"1.1"', "1.1"), normalizeRow(data, overflow));
    }
  }
});

Deno.test("takesNumeric() is true for what has all digits before and after the point", () => {
  assert.ok(takesNumeric(numeric(20, 4), numeric(18, 4)));
  assert.ok(takesNumeric(list(numeric(20, 4)), list(numeric(20, 4))));
  assert.ok(!takesNumeric(numeric(20, 6), numeric(20, 4)));
  assert.ok(!takesNumeric(numeric(20, 2), numeric(18, 4)));
  assert.ok(!takesNumeric(of("text"), numeric(18, 4)));
  assert.ok(!takesNumeric(list(numeric(18, 4)), numeric(18, 4)));
});

/** Columns that were BIGINT before, in what was written then. */
const WIDER = object({
  t: of("double"),
  o: object({ p: object({ t: of("double") }), "1": of("double") }),
  l: list(of("double")),
  a: list(object({ t: of("double"), s: of("text"), at: of("timestamp"), any: of("ignored") })),
});
const narrowed = ({ kind, element, children }: Column): Column =>
  element
    ? list(narrowed(element))
    : children
    ? object(Object.fromEntries([...children].map(([name, child]) => [name, narrowed(child)])))
    : of(kind === "double" ? "bigint" : kind);

type Texts = readonly [data: string, overflow: string | null];

const WIDENED: Readonly<Record<string, readonly [before: Texts, after: Texts]>> = {
  "takes a fraction back": [['{"n":1}', '{"t":20.5,"a.b":1}'], ['{"t":20.5}', '{"n":1,"a.b":1}']],
  "takes the sign of zero back": [["{}", '{"t":-0.0}'], ['{"t":-0.0}', null]],
  "leaves text": [["{}", '{"t":"20.5"}'], ["{}", '{"t":"20.5"}']],
  "leaves an array in the place of a scalar": [["{}", '{"t":[20.5]}'], ["{}", '{"t":[20.5]}']],
  "moves an integer beyond 2^53 out": [['{"t":9007199254740993}', null], [
    "{}",
    '{"t":9007199254740993}',
  ]],
  "leaves an integer that a double would change": [["{}", '{"t":9007199254740993}'], [
    "{}",
    '{"t":9007199254740993}',
  ]],
  "takes a value back into an object": [['{"o":{"p":{}}}', '{"o":{"p":{"t":20.5,"x":null}}}'], [
    '{"o":{"p":{"t":20.5}}}',
    '{"o":{"p":{"x":null}}}',
  ]],
  "takes a value back under a name of digits": [['{"o":{}}', '{"o":{"#1":20.5,"#2":"x"}}'], [
    '{"o":{"1":20.5}}',
    '{"o":{"#2":"x"}}',
  ]],
  "takes an array back": [["{}", '{"l":[1,null,20.5]}'], ['{"l":[1.0,null,20.5]}', null]],
  "moves an array out as a whole": [['{"l":[1,9007199254740993]}', null], [
    "{}",
    '{"l":[1,9007199254740993]}',
  ]],
  "takes an array of objects back": [["{}", '{"a":[{"t":20.5,"at":0,"any":{"#1":{"b":"x"}}}]}'], [
    '{"a":[{"t":20.5,"at":0,"any":{"1":{"b":"x"}}}]}',
    null,
  ]],
  "leaves an ignored object whose names are escaped": [["{}", '{"a":[{"any":{"b":{"#1":"x"}}}]}'], [
    "{}",
    '{"a":[{"any":{"b":{"#1":"x"}}}]}',
  ]],
  "takes back what an array has beside nulls": [["{}", '{"a":[{"t":20.5,"s":null},null]}'], [
    '{"a":[{"t":20.5},null]}',
    '{"a":[{"t":20.5,"s":null},null]}',
  ]],
  "takes an array out that no longer fits": [
    ['{"a":[{"t":9007199254740993}]}', '{"a":[{"t":9007199254740993,"s":null}]}'],
    ["{}", '{"a":[{"t":9007199254740993,"s":null}]}'],
  ],
  "leaves the ends of a range, which CrateDB refuses": [
    ["{}", '{"a":[{"t":20.5,"at":9223372036854775807}]}'],
    ["{}", '{"a":[{"t":20.5,"at":9223372036854775807}]}'],
  ],
};

for (const [what, [[data, overflow], after]] of Object.entries(WIDENED)) {
  Deno.test(`a row that is split again with wider columns: ${what}`, () => {
    const split = splitDocument(storedDocument({ data, overflow }, narrowed(WIDER)), WIDER);
    const again = [jsonOfBytes(split.data), split.overflow && jsonOfBytes(split.overflow)] as const;
    assert.deepEqual(again, after);
    assert.equal(normalizeRow(...again), normalizeRow(data, overflow));
  });
}
