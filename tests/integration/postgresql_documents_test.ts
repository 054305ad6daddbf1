import assert from "node:assert/strict";
import type { Document } from "mongodb";
import { BsonType } from "../../lib/bson/bson.ts";
import { eventually } from "../../dev/servers/eventually.ts";
import { documentOf, type Raw, raw } from "../support/raw_bson.ts";
import { normalizeJson } from "../../lib/mapping/normalize.ts";
import { inStep, wholeRows } from "../support/compare.ts";
import { type PostgresqlContext, postgresqlTest } from "../support/postgresql_harness.ts";
import { randomDocuments, randomUpdate, randomValues, SEED, withId } from "../support/random_documents.ts";
import { rawCommand } from "../support/raw_command.ts";
import { nightly } from "../support/nightly.ts";

const OID = "669683c2b0750b2c84893f3e";
const UUID = "e8b5b7a2-94a4-4f0c-8c5a-2c8a7d0f3b11";

interface Type {
  readonly value: Raw;
  /** The JSON that stands for it in the row. */
  readonly json: string;
  /** Whether JSONB would change it. */
  readonly overflow?: true;
}

const bytesOf = (hex: string): Uint8Array => Uint8Array.fromHex(hex.replaceAll("-", ""));

const TYPES: Readonly<Record<string, Type>> = {
  text: {
    value: raw.string("a \"b\" \\ 'c' {d} \\u0000 \n é 😀 $1 NULL"),
    json: String.raw`"a \"b\" \\ 'c' {d} \\u0000 \n é 😀 $1 NULL"`,
  },
  textWithNul: { value: raw.string("a\0b"), json: String.raw`"a\u0000b"`, overflow: true },
  emptyText: { value: raw.string(""), json: '""' },
  longText: { value: raw.string("x".repeat(100_000)), json: `"${"x".repeat(100_000)}"` },
  symbol: { value: raw.symbol("sym"), json: '"sym"' },
  symbolWithNul: { value: raw.symbol("\0"), json: String.raw`"\u0000"`, overflow: true },
  objectId: { value: raw.objectId(bytesOf(OID)), json: `"${OID}"` },
  int32: { value: raw.int32(-2147483648), json: "-2147483648" },
  int64: { value: raw.int64(9007199254740993n), json: "9007199254740993" },
  maxInt64: { value: raw.int64(2n ** 63n - 1n), json: "9223372036854775807" },
  minInt64: { value: raw.int64(-(2n ** 63n)), json: "-9223372036854775808" },
  double: { value: raw.double(42.42), json: "42.42" },
  wholeDouble: { value: raw.double(1), json: "1.0" },
  largeDouble: { value: raw.double(1e21), json: "1e21" },
  greatestDouble: { value: raw.double(Number.MAX_VALUE), json: `${Number.MAX_VALUE}` },
  leastDouble: { value: raw.double(5e-324), json: "5e-324" },
  zero: { value: raw.double(0), json: "0.0" },
  negativeZero: { value: raw.double(-0), json: "-0.0", overflow: true },
  notANumber: { value: raw.double(NaN), json: '"NaN"' },
  negativeInfinity: { value: raw.double(-Infinity), json: '"-Infinity"' },
  decimal: { value: raw.decimal("1.500"), json: '"1.500"' },
  decimalZero: { value: raw.decimal("-0"), json: '"-0"' },
  boolean: { value: raw.boolean(true), json: "true" },
  date: { value: raw.date(1720747062123n), json: "1720747062123" },
  farDate: { value: raw.date(2n ** 63n - 1n), json: "9223372036854775807" },
  timestamp: { value: raw.timestamp(4294967295, 7), json: '{"t":4294967295,"i":7}' },
  uuid: { value: raw.binary(bytesOf(UUID), 4), json: `"${UUID}"` },
  binary: { value: raw.binary(Uint8Array.of(0, 255, 1)), json: '"AP8B"' },
  regex: { value: raw.regex('^a/b"$', "im"), json: String.raw`{"pattern":"^a/b\"$","options":"im"}` },
  code: { value: raw.code("f()"), json: '"f()"' },
  codeWithScope: {
    value: raw.codeWithScope("f(x)", documentOf([["x", raw.int64(9007199254740993n)]])),
    json: '{"code":"f(x)","scope":{"x":9007199254740993}}',
  },
  codeWithNul: {
    value: raw.codeWithScope("\0", documentOf([["x", raw.double(-0)], ["y", raw.int32(1)]])),
    json: String.raw`{"code":"\u0000","scope":{"x":-0.0,"y":1}}`,
    overflow: true,
  },
  dbPointer: {
    value: raw.dbPointer("other", bytesOf(OID)),
    json: `{"$ref":"other","$id":"${OID}"}`,
  },
  minKey: { value: raw.minKey(), json: '"MinKey"' },
  maxKey: { value: raw.maxKey(), json: '"MaxKey"' },
  nothing: { value: raw.null(), json: "null" },
  undefined: { value: raw.undefined(), json: "null" },
  emptyObject: { value: raw.document([]), json: "{}" },
  emptyArray: { value: raw.array([]), json: "[]" },
  mixedArray: {
    value: raw.array([raw.int32(1), raw.double(2.5), raw.string("x"), raw.null(), raw.array([])]),
    json: '[1,2.5,"x",null,[]]',
  },
  equalKeys: {
    value: raw.document([["a", raw.int32(1)], ["b", raw.int32(2)], ["a", raw.int32(3)]]),
    json: '{"a":{"$duplicateKey":[1,3]},"b":2}',
  },
  equalKeysWithNul: {
    value: raw.document([["a", raw.string("\0")], ["b", raw.int32(2)], ["a", raw.int32(3)]]),
    json: String.raw`{"a":{"$duplicateKey":["\u0000",3]},"b":2}`,
    overflow: true,
  },
};

interface Shape {
  readonly value: (value: Raw) => Raw;
  readonly json: (json: string) => string;
}

const SHAPES: Readonly<Record<string, Shape>> = {
  "": { value: (value) => value, json: (json) => json },
  "nested ": {
    value: (value) => raw.document([["in", raw.document([["it", value], ["n", raw.int32(1)]])]]),
    json: (json) => `{"in":{"it":${json},"n":1}}`,
  },
  "array of ": { value: (value) => raw.array([value, value]), json: (json) => `[${json},${json}]` },
  "objects of ": {
    value: (value) => raw.array([raw.document([["x", value]]), raw.document([])]),
    json: (json) => `[{"x":${json}},{}]`,
  },
};

const CASES = Object.entries(SHAPES).flatMap(([shape, { value, json }]) =>
  Object.entries(TYPES).map(([name, type]) => ({
    name: `${shape}${name}`,
    value: value(type.value),
    json: json(type.json),
    overflow: type.overflow ?? false,
  }))
);

/** MongoDB stores the bytes, in statements of a moderate size. */
async function insert({ mongodb, database }: PostgresqlContext, documents: readonly Uint8Array[]) {
  for (let at = 0; at < documents.length; at += 100) {
    assert.deepEqual(
      await rawCommand(mongodb.db(database), "insert", documents.slice(at, at + 100)),
      [],
    );
  }
}

postgresqlTest("relay() keeps every BSON type as it is in PostgreSQL", async (context) => {
  const { relay, sql, schema, table } = context;
  await relay().waitForLine(/Ready/);
  await insert(
    context,
    CASES.map(({ name, value }) =>
      documentOf([["_id", raw.string(name)], ["n", raw.int32(1)], [name, value]])
    ),
  );
  const expected = new Map(CASES.map(({ name, json }) => {
    const key = JSON.stringify(name);
    return [name, normalizeJson(`{"_id":${key},"n":1,${key}:${json}}`)];
  }));
  await eventually(async () => assert.deepEqual(await wholeRows(context), expected));
  await inStep(context);
  const rows = await sql(`SELECT oid FROM "${schema}"."${table}" WHERE overflow IS NOT NULL`);
  const overflowed = CASES.filter(({ overflow }) => overflow).map(({ name }) => name);
  assert.deepEqual(rows.map(({ oid }) => String(oid)).sort(), overflowed.sort());
  const [{ n } = {}] = await sql(
    `SELECT count(*)::int AS n FROM "${schema}"."${table}" WHERE data->>'n' = '1'`,
  );
  assert.equal(n, CASES.length, "what JSONB takes is not in data");
});

const HOSTILE = [
  "",
  " ",
  "a.b",
  "$set",
  "$1",
  "x'; DROP TABLE data; --",
  '"',
  "\\",
  "\\u0000",
  "{}",
  "[0]",
  "é",
  "😀",
  "\u2028",
  "\t\n",
  "\u007f",
  "__proto__",
  "constructor",
  "toString",
  "data",
  "overflow",
  "NULL",
  "k".repeat(60_000),
];

postgresqlTest(
  "relay() keeps hostile and long names, at the top and below, in PostgreSQL",
  async (context) => {
    await context.relay().waitForLine(/Ready/);
    const values = [raw.string("x"), raw.string("\0"), raw.double(-0)];
    const ids = HOSTILE.flatMap((name, at) =>
      values.map((value, which) => ({ name, value, id: at * 10 + which }))
    );
    await insert(
      context,
      ids.map(({ id, name, value }) =>
        documentOf([["_id", raw.int32(id)], [name, raw.document([[name, value], ["n", raw.int32(1)]])]])
      ),
    );
    await inStep(context);
  },
);

postgresqlTest("relay() keeps documents as deep as MongoDB takes them, in PostgreSQL", async (context) => {
  await context.relay().waitForLine(/Ready/);
  const deep = (leaf: Raw, wrap: (inner: Raw) => Raw) => {
    let value = leaf;
    for (let depth = 0; depth < 97; depth++) value = wrap(value);
    return value;
  };
  const documents = [raw.string("\0"), raw.int32(1)].flatMap((leaf) => [
    deep(leaf, (inner) => raw.array([inner])),
    deep(leaf, (inner) => raw.document([["in", inner]])),
  ]);
  await insert(context, documents.map((value, at) => documentOf([["_id", raw.int32(at)], ["it", value]])));
  await inStep(context);
});

const DOCUMENTS = 1_500;
const BATCH = 100;

nightly(postgresqlTest)(
  `relay() stores random documents whole in PostgreSQL (RANDOM_SEED=${SEED})`,
  async (context) => {
    const { mongodb, database, relay, sql, schema } = context;
    const db = mongodb.db(database);
    const running = relay(["--batch-size", `${BATCH}`]);
    await running.waitForLine(/Ready/);
    const documents = randomDocuments(DOCUMENTS);
    const values = randomValues(DOCUMENTS);
    let refused = 0;
    for (let from = 0; from < DOCUMENTS; from += BATCH) {
      const batch = documents.slice(from, from + BATCH);
      await insert(context, batch.map((document, at) => withId(raw.int32(from + at), document)));
      const updates = values.slice(from, from + BATCH).map((value, at) =>
        randomUpdate(raw.int32((from + at) * 7 % (from + BATCH)), value, at)
      );
      assert.deepEqual(await rawCommand(db, "update", updates), []);
      // The values as keys: those that MongoDB takes. One that it cannot read would take the others with it, and
      // change streams have a DBPointer cut at a NUL.
      const ids = values.slice(from, from + BATCH).filter(({ type }) => type !== BsonType.dbPointer);
      await Promise.all(ids.map(async (id) => {
        const document = documentOf([["_id", id], ["v", raw.double(-0)]]);
        const [error] = await rawCommand(db, "insert", [document]).catch(({ message }) => [message]);
        if (error) refused++;
      }));
      await db.collection<{ _id: number }>("data").deleteMany({ _id: { $mod: [31, from / BATCH] } });
    }
    assert.ok(refused < DOCUMENTS * 0.8, `${refused} keys were refused`);
    await inStep(context, { interval: 250 }).catch((error) => {
      throw new Error(running.stderr.join("\n"), { cause: error });
    });
    assert.deepEqual(await sql(`SELECT oid, error FROM "${schema}".cdc_dead_letter`), []);
    assert.equal((await running.kill()).code, 0);
  },
);

/** Text that doesn't compress, so that an index has to hold all of its bytes. */
function noise(length: number): string {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  let [text, state] = ["", length];
  while (text.length < length) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    text += letters[state >>> 26];
  }
  return text;
}

const LENGTHS = [1_900, 2_000, 2_050, 2_590, 2_600, 2_610, 2_690, 2_710, 8_000, 32_700, 33_000];

postgresqlTest(
  "relay() takes keys of every length in PostgreSQL, and dead letters of them",
  async (context) => {
    const { mongodb, database, relay, sql, schema, table } = context;
    const data = mongodb.db(database).collection<Document>("data");
    await sql(`CREATE SCHEMA "${schema}"`);
    await sql(
      `CREATE TABLE "${schema}"."${table}" (oid TEXT PRIMARY KEY, data JSONB, overflow JSON, ` +
        "CONSTRAINT small CHECK ((data->>'n')::int < 100))",
    );
    const running = relay();
    await running.waitForLine(/Ready/);
    const ids = LENGTHS.flatMap((length) => [noise(length), { k: noise(length) }]);
    await data.insertMany(ids.map((_id) => ({ _id, n: 1 })) as unknown as Document[]);
    await inStep(context).catch((error) => {
      throw new Error(running.stderr.join("\n"), { cause: error });
    });
    await data.updateMany({}, { $set: { n: 100 } });
    const letters = async () => {
      const [row] = await sql(`SELECT count(*)::int AS n FROM "${schema}".cdc_dead_letter`);
      return row?.n;
    };
    await eventually(async () =>
      assert.equal(await letters(), ids.length, running.stderr.slice(-3).join("\n"))
    );
    await data.updateMany({}, { $set: { n: 2 } });
    await inStep(context);
    await data.deleteMany({});
    await inStep(context);
    assert.equal(await letters(), 0);
  },
);
