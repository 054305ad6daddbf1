import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { inStep } from "../support/compare.ts";
import { cratedbTest } from "../support/cratedb_harness.ts";
import { variants } from "../support/nightly.ts";

const { Binary, Decimal128, Double, Int32, Long, MaxKey, MinKey, ObjectId, Timestamp, UUID } = BSON;
const OID = "669683c2b0750b2c84893f3e";

/** Each with its own `oid`: `[_id, oid]`. */
const KEYS: readonly (readonly [unknown, string])[] = [
  [new ObjectId(OID), OID],
  [OID, `"${OID}"`],
  [OID.toUpperCase(), `"${OID.toUpperCase()}"`],
  ["plain", "plain"],
  ["", '""'],
  [" ", " "],
  ["42", '"42"'],
  [new Int32(42), "42"],
  [new Double(1.5), "1.5"],
  ["1.5", '"1.5"'],
  [Long.fromString("9007199254740993"), "9007199254740993"],
  [Long.fromString("-9223372036854775808"), "-9223372036854775808"],
  [new Double(NaN), "NaN"],
  ["NaN", '"NaN"'],
  [new Double(Infinity), "Infinity"],
  [true, "true"],
  ["true", '"true"'],
  [null, "null"],
  ["null", '"null"'],
  ["'; DROP TABLE data; --", "'; DROP TABLE data; --"],
  ["' OR '1'='1", "' OR '1'='1"],
  ['"quoted"', String.raw`"\"quoted\""`],
  ['{"$oid":1}', String.raw`"{\"$oid\":1}"`],
  ["a,b}{\\", "a,b}{\\"],
  ["NULL ", "NULL "],
  ["$1 ? :x %s", "$1 ? :x %s"],
  ["tab\tline\nend", "tab\tline\nend"],
  ["nul\u0000end", '"nul\\u0000end"'],
  ["é 😀", "é 😀"],
  [new Date(42), '{"$date":{"$numberLong":"42"}}'],
  [Decimal128.fromString("0.1"), '{"$numberDecimal":"1E-1"}'],
  [
    new UUID("e8b5b7a2-94a4-4f0c-8c5a-2c8a7d0f3b11"),
    '{"$binary":{"base64":"6LW3opSkTwyMWiyKfQ87EQ==","subType":"04"}}',
  ],
  [new Binary(new Uint8Array([0, 255])), '{"$binary":{"base64":"AP8=","subType":"00"}}'],
  [new Timestamp({ t: 1, i: 2 }), '{"$timestamp":{"t":1,"i":2}}'],
  [new MinKey(), '{"$minKey":1}'],
  [new MaxKey(), '{"$maxKey":1}'],
  [{ a: new Int32(1), b: "x" }, '{"a":1,"b":"x"}'],
  [{ b: "x", a: new Int32(1) }, '{"b":"x","a":1}'],
  [{}, "{}"],
];

for (const transport of variants(["wire"], ["http"])) {
  cratedbTest(`relay() keeps keys of every type apart, over ${transport}`, async (context) => {
    const { mongodb, database, relay, sql, schema, table } = context;
    const data = mongodb.db(database).collection<Document>("data");
    const seen = (expected: readonly (readonly [string, number])[]) =>
      eventually(async () => {
        await sql(`REFRESH TABLE "${schema}"."${table}"`);
        const rows = await sql(`SELECT oid, data['n'] AS n FROM "${schema}"."${table}"`);
        assert.deepEqual(new Map(rows.map(({ oid, n }) => [oid, n])), new Map(expected));
      });
    await relay([], { transport }).waitForLine(/Ready/);

    const documents = KEYS.map(([_id], n) => ({ _id, n: new Int32(n) }));
    await data.insertMany(documents as Document[], { forceServerObjectId: true }); // Lets the null key through.
    await seen(KEYS.map(([, oid], n) => [oid, n]));
    for (const [_id] of KEYS) await data.updateOne({ _id } as Document, { $inc: { n: 1_000 } });
    await seen(KEYS.map(([, oid], n) => [oid, n + 1_000]));
    for (const [_id] of KEYS.filter((_, n) => n % 2 === 0)) await data.deleteOne({ _id } as Document);
    await seen(KEYS.map(([, oid], n) => [oid, n + 1_000] as const).filter((_, n) => n % 2 === 1));
  });
}

cratedbTest("relay() takes numbers that MongoDB holds equal for one key", async (context) => {
  const { mongodb, database, relay } = context;
  const data = mongodb.db(database).collection<Document>("data");
  await relay().waitForLine(/Ready/);
  for (
    const [n, _id] of [new Int32(7), Long.fromNumber(7), new Double(7), Decimal128.fromString("7.0")]
      .entries()
  ) {
    await data.insertOne({ _id, n } as Document);
    await inStep(context);
    await data.deleteOne({ _id: 7 } as Document);
    await inStep(context);
  }
});
