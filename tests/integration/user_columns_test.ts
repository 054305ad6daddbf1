/** Columns of types that users make, and columns that are generated. */
import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { columnTypes } from "../support/widened.ts";

const { Double, Int32 } = BSON;

const collection = ({ mongodb, database }: CratedbContext) =>
  mongodb.db(database).collection<Document>("data");

/** Columns of types that the relay never makes: values that each takes as they are, and values that it does not. */
const USERS_TYPES: Readonly<
  Record<string, { readonly fit: readonly unknown[]; readonly unfit: readonly unknown[] }>
> = {
  "IP": {
    fit: ["10.0.0.1", "255.255.255.255", "::1", "2001:db8::1", "::102:304"],
    unfit: ["0:0:0:0:0:0:0:1", "FE80::1", "::ffff:1.2.3.4", "010.0.0.1", "1.2.3", "text", "", 1],
  },
  "VARCHAR(5)": {
    fit: ["", "abc", "abc  ", "abcde", "äöüßé", "😀😀"],
    unfit: ["abcdef", "abcde ", "😀😀😀", 1],
  },
  "CHARACTER(3)": { fit: ["abc", "ab ", "   "], unfit: ["", "ab", "abcd"] },
  "ARRAY(VARCHAR(3))": { fit: [["a", "abc"]], unfit: [["a", "abcd"]] },
  "GEO_POINT": { fit: [], unfit: [[13.404954, 52.520008], "POINT(1 2)", { x: 1 }] },
  "GEO_SHAPE": { fit: [], unfit: [{ type: "Point", coordinates: [13.4, 52.5] }, "text"] },
  "FLOAT_VECTOR(3)": { fit: [], unfit: [[0.1, 0.2, 0.3], [1]] },
  "BIT(3)": { fit: [], unfit: ["101"] },
};

for (const [type, { fit, unfit }] of Object.entries(USERS_TYPES)) {
  cratedbTest(`relay() puts into a user's column of type ${type} what it takes as it is`, async (context) => {
    const { sql, table, relay } = context;
    await sql(
      `CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC) AS (v ${type}), overflow OBJECT(IGNORED))`,
    );
    const running = relay();
    await running.waitForLine(/Ready/);
    const documents = [...fit, ...unfit].map((v, at) => ({ _id: `doc ${at}`, v }));
    await collection(context).insertMany(documents as Document[]);
    await inStep(context);
    const overflowed = await sql(`SELECT oid FROM "${table}" WHERE overflow IS NOT NULL`);
    const expected = documents.slice(fit.length).map(({ _id }) => _id);
    assert.deepEqual(overflowed.map(({ oid }) => String(oid)).sort(), expected.sort());
    const warned = running.stderr.filter((line) => /cannot store values unchanged/.test(line));
    assert.equal(warned.length, fit.length === 0 ? 1 : 0, warned.join("\n"));
    if (fit.length === 0) assert.match(warned[0] ?? "", /column=data\['v'\]/);
    assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
  });
}

cratedbTest(
  "relay() has generated columns follow each write, also when a column is widened",
  async (context) => {
    const { sql, table, relay } = context;
    await sql(
      `CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, ` +
        "data OBJECT(DYNAMIC) AS (at TIMESTAMP WITH TIME ZONE, n BIGINT), overflow OBJECT(IGNORED), " +
        "day TIMESTAMP WITH TIME ZONE GENERATED ALWAYS AS date_trunc('day', data['at']), " +
        "big BOOLEAN GENERATED ALWAYS AS data['n'] > 10)",
    );
    const running = relay();
    await running.waitForLine(/Ready/);
    const data = collection(context);
    const id = (_id: string) => ({ _id }) as Document;
    const day = (date: string) => new Date(`${date}T00:00:00Z`).getTime();
    const generated = (expected: unknown) =>
      eventually(async () => {
        await sql(`REFRESH TABLE "${table}"`);
        assert.deepEqual(await sql(`SELECT oid, day, big FROM "${table}" ORDER BY oid`), expected);
      });
    await data.insertMany([
      { _id: "a", at: new Date("2026-01-02T03:04:05Z"), n: new Int32(5) },
      { _id: "b", at: new Date("2026-01-03T03:04:05Z"), n: new Int32(50) },
    ] as Document[]);
    await generated([{ oid: "a", day: day("2026-01-02"), big: false }, {
      oid: "b",
      day: day("2026-01-03"),
      big: true,
    }]);
    await data.updateOne(id("a"), { $set: { n: new Int32(11), at: new Date("2026-02-01T01:00:00Z") } });
    await data.replaceOne(id("b"), { n: new Int32(1) });
    await generated([{ oid: "a", day: day("2026-02-01"), big: true }, { oid: "b", day: null, big: false }]);
    await data.updateOne(id("b"), { $set: { n: new Double(20.5) } });
    await generated([{ oid: "a", day: day("2026-02-01"), big: true }, { oid: "b", day: null, big: true }]);
    await data.insertOne({ _id: "c", n: new Double(9.5) } as Document);
    await generated([
      { oid: "a", day: day("2026-02-01"), big: true },
      { oid: "b", day: null, big: true },
      { oid: "c", day: null, big: false },
    ]);
    await inStep(context);
    assert.equal((await columnTypes(context)).n, "double precision");
    assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
  },
);
