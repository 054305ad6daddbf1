import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { normalizeJson } from "../../lib/mapping/normalize.ts";
import { inStep, wholeRows } from "../support/compare.ts";
import { cratedbTest, transports } from "../support/cratedb_harness.ts";

const { Binary, BSONRegExp, BSONSymbol, Code, DBRef, Decimal128, Double, Int32, Long, MaxKey, MinKey } = BSON;
const { ObjectId, Timestamp, UUID } = BSON;
const long = (text: string) => Long.fromString(text);

const UUID_TEXT = "e8b5b7a2-94a4-4f0c-8c5a-2c8a7d0f3b11";
const OID = "669683c2b0750b2c84893f3e";

interface Type {
  readonly value: unknown;
  /** The JSON that stands for it in the row. */
  readonly json: string;
  /** The column made for it; none if a value cannot be in a typed column. */
  readonly column?: string;
}

const TYPES: Readonly<Record<string, Type>> = {
  text: {
    value: "a \"b\" \\ 'c' {d} \u0000 \n é 😀",
    json: String.raw`"a \"b\" \\ 'c' {d} \u0000 \n é 😀"`,
    column: "text",
  },
  emptyText: { value: "", json: '""', column: "text" },
  symbol: { value: new BSONSymbol("sym"), json: '"sym"', column: "text" },
  objectId: { value: new ObjectId(OID), json: `"${OID}"`, column: "text" },
  int32: { value: new Int32(-2147483648), json: "-2147483648", column: "bigint" },
  int64: { value: long("9007199254740993"), json: "9007199254740993", column: "bigint" },
  negativeInt64: { value: long("-9223372036854775807"), json: "-9223372036854775807", column: "bigint" },
  nearMaxInt64: { value: long("9223372036854775806"), json: "9223372036854775806", column: "bigint" },
  maxInt64: { value: long("9223372036854775807"), json: "9223372036854775807" },
  minInt64: { value: long("-9223372036854775808"), json: "-9223372036854775808" },
  double: { value: new Double(42.42), json: "42.42", column: "double precision" },
  wholeDouble: { value: new Double(1), json: "1.0", column: "double precision" },
  largeDouble: { value: new Double(1e21), json: "1e21", column: "double precision" },
  greatestDouble: {
    value: new Double(Number.MAX_VALUE),
    json: `${Number.MAX_VALUE}`,
    column: "double precision",
  },
  leastDouble: { value: new Double(5e-324), json: "5e-324", column: "double precision" },
  notANumber: { value: new Double(NaN), json: '"NaN"', column: "double precision" },
  positiveInfinity: { value: new Double(Infinity), json: '"Infinity"', column: "double precision" },
  negativeInfinity: { value: new Double(-Infinity), json: '"-Infinity"', column: "double precision" },
  negativeZero: { value: new Double(-0), json: "-0.0", column: "double precision" },
  decimal: {
    value: Decimal128.fromString("1234567890.123456789012345678901234"),
    json: '"1234567890.123456789012345678901234"',
    column: "text",
  },
  decimalZeros: { value: Decimal128.fromString("1.500"), json: '"1.500"', column: "text" },
  decimalExponent: {
    value: Decimal128.fromString("1E+6144"),
    json: `"1.${"0".repeat(33)}E+6144"`,
    column: "text",
  },
  yes: { value: true, json: "true", column: "boolean" },
  no: { value: false, json: "false", column: "boolean" },
  date: {
    value: new Date("2024-07-12T01:17:42.123Z"),
    json: "1720747062123",
    column: "timestamp with time zone",
  },
  dateBefore1970: { value: new Date(-1), json: "-1", column: "timestamp with time zone" },
  dateAfter9999: {
    value: new Date("+010000-01-01T00:00:00.007Z"),
    json: "253402300800007",
    column: "timestamp with time zone",
  },
  timestamp: {
    value: new Timestamp({ t: 4294967295, i: 7 }),
    json: '{"t":4294967295,"i":7}',
    column: "object",
  },
  uuid: { value: new UUID(UUID_TEXT), json: `"${UUID_TEXT}"`, column: "text" },
  legacyUuid: { value: new Binary(new UUID(UUID_TEXT).buffer, 3), json: `"${UUID_TEXT}"`, column: "text" },
  binary: { value: new Binary(new Uint8Array([0, 255, 1])), json: '"AP8B"', column: "text" },
  noBinary: { value: new Binary(new Uint8Array()), json: '""', column: "text" },
  regex: {
    value: new BSONRegExp('^a/b"$', "im"),
    json: String.raw`{"pattern":"^a/b\"$","options":"im"}`,
    column: "object",
  },
  code: { value: new Code("f()"), json: '"f()"', column: "text" },
  codeWithScope: {
    value: new Code("f(x)", { x: long("9007199254740993") }),
    json: '{"code":"f(x)","scope":{"x":9007199254740993}}',
    column: "object",
  },
  dbRef: {
    value: new DBRef("other", new ObjectId(OID), "db"),
    json: `{"$ref":"other","$id":"${OID}","$db":"db"}`,
    column: "object",
  },
  minKey: { value: new MinKey(), json: '"MinKey"', column: "text" },
  maxKey: { value: new MaxKey(), json: '"MaxKey"', column: "text" },
  nothing: { value: null, json: "null" },
  object: { value: { a: { b: new Int32(1) } }, json: '{"a":{"b":1}}', column: "object" },
  emptyObject: { value: {}, json: "{}", column: "object" },
  array: { value: [new Int32(1), null, new Int32(3)], json: "[1,null,3]", column: "bigint_array" },
  emptyArray: { value: [], json: "[]" },
  doublesAndIntegers: {
    value: [new Int32(1), new Double(2.5)],
    json: "[1.0,2.5]",
    column: "double precision_array",
  },
};

const SHAPES: Readonly<
  Record<string, { value: (value: unknown) => unknown; json: (json: string) => string }>
> = {
  "": { value: (value) => value, json: (json) => json },
  "nested ": { value: (value) => ({ in: { it: value } }), json: (json) => `{"in":{"it":${json}}}` },
  "array of ": { value: (value) => [value, value], json: (json) => `[${json},${json}]` },
  "objects of ": { value: (value) => [{ x: value }, {}], json: (json) => `[{"x":${json}},{}]` },
};

const CASES = Object.entries(SHAPES).flatMap(([shape, { value, json }]) =>
  Object.entries(TYPES).map(([name, type]) => ({
    name: `${shape}${name}`,
    value: value(type.value),
    json: json(type.json),
  }))
);

/** Beyond what a JavaScript Date can be, so the server has to make them. */
const FAR_DATES: Readonly<Record<string, string>> = {
  far: "8640000000000001",
  farBack: "-8640000000000001",
  nearEnd: "9223372036854775806",
  end: "9223372036854775807",
  start: "-9223372036854775808",
};

for (const transport of transports) {
  cratedbTest(`relay() keeps every BSON type as it is, over ${transport}`, async (context) => {
    const { mongodb, database, relay, sql, schema, table } = context;
    const data = mongodb.db(database).collection<Document & { _id: string }>("data");
    await relay([], { transport }).waitForLine(/Ready/);
    await data.insertMany(CASES.map(({ name, value }) => ({ _id: name, [name]: value })));
    const expected = new Map(
      CASES.map(({ name, json }) => {
        const key = JSON.stringify(name);
        return [name, normalizeJson(`{"_id":${key},${key}:${json}}`)];
      }),
    );
    await eventually(async () => assert.deepEqual(await wholeRows(context), expected));
    await inStep(context);

    const columns = await sql(
      "SELECT column_details['path'][1] AS name, data_type AS type FROM information_schema.columns " +
        "WHERE table_schema = ? AND table_name = ? AND array_length(column_details['path'], 1) = 1",
      [schema, table],
    );
    const types = new Map(columns.map(({ name, type }) => [name, type]));
    const typed = Object.entries(TYPES).filter(([, { column }]) => column);
    assert.deepEqual(
      Object.fromEntries(typed.map(([name]) => [name, types.get(name)])),
      Object.fromEntries(typed.map(([name, { column }]) => [name, column])),
    );
    const misplaced = await sql(`SELECT oid, overflow::text AS overflow FROM "${schema}"."${table}"`);
    const inOverflow = misplaced.filter(({ overflow }) => overflow !== null).map(({ oid }) => oid);
    assert.deepEqual(inOverflow.filter((oid) => TYPES[String(oid)]?.column), []);
  });

  cratedbTest(`relay() keeps dates beyond JavaScript's range, over ${transport}`, async (context) => {
    const { mongodb, database, relay } = context;
    const data = mongodb.db(database).collection<Document & { _id: string }>("data");
    await relay([], { transport }).waitForLine(/Ready/);
    for (const [_id, milliseconds] of Object.entries(FAR_DATES)) {
      const date = { $toDate: { $literal: long(milliseconds) } };
      await data.updateOne({ _id }, [{ $set: { at: date, list: [date], in: { at: date } } }], {
        upsert: true,
      });
    }
    const expected = new Map(
      Object.entries(FAR_DATES).map((
        [name, at],
      ) => [name, normalizeJson(`{"_id":"${name}","at":${at},"list":[${at}],"in":{"at":${at}}}`)]),
    );
    await eventually(async () => assert.deepEqual(await wholeRows(context), expected));
  });
}
