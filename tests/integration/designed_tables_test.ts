/** Tables whose columns the settings design: each value is in its column or in `overflow`, and the shadows beside it. */
import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { cratedbTest } from "../support/cratedb_harness.ts";
import { fileOf, versionOf } from "../support/designed_table.ts";
import { variants } from "../support/nightly.ts";

const { Binary, Decimal128, Double, Int32, Long, UUID } = BSON;
const decimal = (text: string) => Decimal128.fromString(text);

interface Numbered extends Record<string, unknown> {
  readonly _id: number;
}

interface Named extends Record<string, unknown> {
  readonly _id: string;
}

const ID = "e8b5b7a2-94a4-4f0c-8c5a-2c8a7d0f3b11";
/** Values of each kind, at the ends of what a column stores unchanged. */
const VALUES: readonly unknown[] = [
  ...["0", "-0", "1.10", "-0.0001", "1.23456", "1E+3", "0E-6176", "1E+6144", "NaN", "Infinity"].map(decimal),
  ...["9999999999999999.9999", "10000000000000000", "1234567890123456.7891", "-1.10000"].map(decimal),
  ...[0, -0, 0.1, 20.5, 1e15, 1e21, 5e-324, NaN, -Infinity, 0.00001, 1234567890123456.8].map((each) =>
    new Double(each)
  ),
  ...[new Int32(-2147483648), Long.fromString("9007199254740993"), Long.fromString("-9223372036854775808")],
  ...["1.10", "", "12", "abc", ID, ID.toUpperCase(), `{${ID}}`, ID.replaceAll("-", ""), "n".repeat(40_000)],
  ...[
    new UUID(ID),
    new Binary(new UUID(ID).buffer, 3),
    new Binary(new UUID(ID).buffer, 0),
    new Binary(new Uint8Array(5), 4),
  ],
  ...[null, true, new Date(7), new BSON.ObjectId(), [], [decimal("1.10")], [new UUID(ID), new UUID(ID)], [
    decimal("1.10"),
    "x",
  ]],
  ...[{ a: 1 }, [[1]], [null, decimal("2")], new BSON.Timestamp({ t: 1, i: 2 }), new BSON.MinKey()],
];

const NEWER = {
  "total": "numeric(20,4)",
  "whole": "numeric(38)",
  "id": "uuid",
  "ids[]": "uuid",
  "amounts[]": "numeric(20,4)",
  "items[].price": "numeric(20,4)",
};
const ANY = { note: { text: { index: "off" } } };

for (const transport of variants(["http"], ["wire"])) {
  cratedbTest(`each value is whole under designed types, over ${transport}`, async (context) => {
    const { mongodb, database, sql } = context;
    const isNewer = await versionOf(context) >= 6.02;
    const types = { ...ANY, ...isNewer && NEWER };
    const paths = ["total", "whole", "id", "ids", "amounts", "note"];
    const collection = mongodb.db(database).collection<Numbered>("data");
    const documents = VALUES.flatMap((value) => [
      ...paths.map((path) => ({ [path]: value })),
      { items: [{ price: value }, { price: decimal("1.50"), n: 1 }] },
    ]).map((each, at) => ({ _id: at, ...each }));
    await collection.insertOne({
      _id: -1,
      total: decimal("9999999999999999.9999"),
      amounts: [decimal("0.1234")],
      n: Long.fromString("9007199254740993"),
    });
    await collection.insertMany(documents.slice(0, 200), { ignoreUndefined: false });
    await using file = await fileOf(context, { types }, transport);
    const relay = file.relay();
    await relay.waitForLine(/Ready/);
    await collection.insertMany(documents.slice(200));
    const { code, stdout } = await file.run("verify", "--settle", "60s");
    assert.equal(code, 0, stdout);
    const dead = await sql("SELECT count(*) AS count FROM cdc_dead_letter");
    assert.equal(dead[0]?.count, 0);
    const [long] = await sql("SELECT count(*) AS count FROM data WHERE length(data['note']) = 40000");
    assert.equal(long?.count, 1);
    if (!isNewer) return;
    const rows = await sql("SELECT data['total']::text AS total FROM data WHERE data['total'] IS NOT NULL");
    assert.deepEqual(rows.map(({ total }) => total).sort(), [
      ...[
        "-0.0001",
        "-1.1000",
        "-2147483648.0000",
        "0.0000",
        "0.0000",
        "0.0000",
        "0.1000",
        "1.1000",
        "1000.0000",
      ],
      ...["1000000000000000.0000", "1234567890123456.7891", "1234567890123456.8000", "20.5000"],
      ...["9007199254740993.0000", "9999999999999999.9999", "9999999999999999.9999"],
    ]);
    const ids = await sql("SELECT data['id'] AS id FROM data WHERE data['id'] IS NOT NULL");
    assert.deepEqual(ids.map(({ id }) => id), [ID, ID]);
    // The rebuild that widens `n` writes the row with amounts again.
    await collection.insertOne({ _id: -2, n: 0.5 });
    await relay.waitForLine(/Widened to DOUBLE PRECISION/);
    assert.equal((await file.run("verify", "--settle", "60s")).code, 0);
    const [amount] = await sql("SELECT data['total']::text AS total FROM data WHERE oid = '-1'");
    assert.equal(amount?.total, "9999999999999999.9999");
  });
}

const point = (...coordinates: readonly unknown[]) => ({ type: "Point", coordinates });
const polygon = (...ring: readonly unknown[]) => ({ type: "Polygon", coordinates: [ring] });
const SQUARE = [[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]];

/** Values of `at`, and the place that the column has for them. */
const PLACES: readonly (readonly [value: unknown, place?: readonly number[]])[] = [
  [point(9.75, 47.5), [9.75, 47.5]],
  [point(9.75, new Int32(47), 400), [9.75, 47]],
  [[9.75, 47.5], [9.75, 47.5]],
  [[Long.fromString("-180"), 90], [-180, 90]],
  ...[point(), point(9.75), point(9.75, NaN), point(180.5, 0), point(0, -90.5), point("9.75", "47.5")].map((
    each,
  ) => [each] as const),
  ...[[], [9.75], ["a", "b"], "Dornbirn", { lng: 9.75, lat: 47.5 }, polygon(...SQUARE), [[9.75, 47.5]]].map((
    each,
  ) => [each] as const),
];

const crossing = polygon([0, 0], [2, 2], [2, 0], [0, 2], [0, 0]);
/** Values of `area`, and whether CrateDB takes them. */
const AREAS: readonly (readonly [value: unknown, isStored: boolean])[] = [
  [point(9.75, 47.5), true],
  [[9.75, 47.5], true],
  [polygon(...SQUARE), true],
  [{ type: "Polygon", coordinates: [SQUARE, [[1, 1], [2, 1], [2, 2], [1, 2], [1, 1]]] }, true],
  [{ type: "MultiPoint", coordinates: [[0, 0], [1, 1]] }, true],
  [{ type: "LineString", coordinates: [[0, 0], [1, 1]] }, true],
  [{ type: "MultiLineString", coordinates: [[[0, 0], [1, 1]]] }, true],
  [{ type: "MultiPolygon", coordinates: [[SQUARE]] }, true],
  [{
    type: "GeometryCollection",
    geometries: [point(1, 2), { type: "LineString", coordinates: [[0, 0], [1, 1]] }],
  }, true],
  [crossing, false],
  [{ type: "Polygon", coordinates: [SQUARE, [[8, 8], [9, 8], [9, 9], [8, 8]]] }, false],
  [polygon([0, 0], [1, 0], [2, 0], [0, 0]), false],
  [polygon([0, 0], [4, 0], [4, 4], [0, 4]), false],
  [polygon([0, 0], [0, 0], [4, 0], [4, 4], [0, 0]), false],
  [{ type: "LineString", coordinates: [[0, 0], [0, 0]] }, false],
  [{ type: "MultiPoint", coordinates: [] }, false],
  [{ type: "toString", coordinates: [1, 2] }, false],
  ["POINT(1 2)", false],
];
const VECTORS: readonly (readonly [value: unknown, isStored: boolean])[] = [
  [[1, 0.5, new Double(-3)], true],
  [[new Int32(1), Long.fromString("2"), 3e38], true],
  ...[[1, 2], [1, 2, 3, 4], [1, 2, NaN], [1, 2, 4e38], [1, 2, "3"], [1, 2, null], "1,2,3", { 0: 1 }].map((
    each,
  ) => [each, false] as const),
];

for (const transport of variants(["http"], ["wire"])) {
  cratedbTest(`places and vectors have columns beside the data, over ${transport}`, async (context) => {
    const { mongodb, database, sql } = context;
    const collection = mongodb.db(database).collection<Named>("data");
    await collection.insertOne({ _id: "before", at: point(1, 2) });
    const types = { "at": "geo_point", "area": "geo_shape", "v": "float_vector(3)" };
    {
      await using file = await fileOf(context, {}, transport);
      assert.equal((await file.run("cdc-relay", "--snapshot", "only", "--fail-fast")).code, 0);
    }
    // The table exists: its columns are added.
    await using file = await fileOf(context, { types: { ...types, "o.at": "geo_point" } }, transport);
    const relay = file.relay();
    await relay.waitForLine(/Rows written before have no geo and vector/);
    await relay.waitForLine(/Ready/);
    await collection.insertMany([
      ...PLACES.map(([at], index) => ({ _id: `at ${index}`, at })),
      ...AREAS.map(([area], index) => ({ _id: `area ${index}`, area })),
      ...VECTORS.map(([v], index) => ({ _id: `v ${index}`, v })),
      { _id: "o", o: { at: [1, 2] }, at: null },
      { _id: "none" },
    ]);
    const { code, stdout } = await file.run("verify", "--settle", "60s");
    assert.equal(code, 0, stdout);
    const [dead] = await sql("SELECT count(*) AS count FROM cdc_dead_letter");
    assert.equal(dead?.count, 0);
    const rows = new Map((await sql("SELECT oid, geo, vector FROM data")).map((row) => [row.oid, row]));
    const inside = (oid: string, column: "geo" | "vector", name: string) =>
      (rows.get(oid)?.[column] as Record<string, unknown> | null)?.[name] ?? undefined;
    for (const [index, [value, place]] of PLACES.entries()) {
      const found = inside(`at ${index}`, "geo", "at") as number[] | undefined;
      assert.deepEqual(found?.map((each) => Number(each.toFixed(5))), place, JSON.stringify(value));
    }
    for (const [index, [value, isStored]] of AREAS.entries()) {
      assert.equal(inside(`area ${index}`, "geo", "area") !== undefined, isStored, JSON.stringify(value));
    }
    for (const [index, [value, isStored]] of VECTORS.entries()) {
      assert.equal(inside(`v ${index}`, "vector", "v") !== undefined, isStored, JSON.stringify(value));
    }
    assert.deepEqual(inside("o", "geo", "o") !== undefined, true);
    // An update changes the shadow, and another one removes it.
    const near = "SELECT oid FROM data WHERE distance(geo['at'], 'POINT(50 50)') < 1000 ORDER BY oid";
    await collection.updateOne({ _id: "at 0" }, { $set: { at: point(50, 50) } });
    await eventually(async () => assert.deepEqual(await sql(near), [{ oid: "at 0" }]));
    const [closest] = await sql(
      "SELECT oid FROM data WHERE knn_match(vector['v'], [1, 0.5, -3], 1) ORDER BY _score DESC LIMIT 1",
    );
    assert.equal(closest?.oid, "v 0");
    const within = await sql("SELECT oid FROM data WHERE MATCH(geo['area'], 'POINT(3 3)') USING intersects");
    assert.ok(within.some(({ oid }) => oid === "area 2"));
    await collection.updateOne({ _id: "at 0" }, { $set: { at: "nowhere" } });
    await eventually(async () => assert.deepEqual(await sql(near), []));
  });
}

for (const transport of variants(["http"], ["wire"])) {
  cratedbTest(`marked and moved rows keep what is beside the data, over ${transport}`, async (context) => {
    const { mongodb, database, sql } = context;
    const isNewer = await versionOf(context) >= 6.02;
    const collection = mongodb.db(database).collection<Named>("data");
    const total = decimal("1.10");
    await collection.insertMany(["deleted", "moved", "both"].map((_id) => ({
      ...{ _id, country: "at", at: point(1, 2), v: [1, 2, 3], total, nan: NaN },
      n: Long.fromString("9007199254740993"),
    })));
    const types = { at: "geo_point", v: "float_vector(3)", ...isNewer && { total: "numeric(20,4)" } };
    const design = { types, partitionBy: { value: "country" }, deletes: "soft", metadata: "on" };
    await using file = await fileOf(context, design, transport);
    const relay = file.relay();
    await relay.waitForLine(/Ready/);
    await collection.updateMany({ _id: { $ne: "deleted" } }, { $set: { country: "de", at: point(3, 4) } });
    const moved = "SELECT count(*) AS count FROM data WHERE part = 'de'";
    await eventually(async () => assert.deepEqual(await sql(moved), [{ count: 2 }]));
    await collection.deleteMany({ _id: { $ne: "moved" } });
    // The rebuild that widens `n` writes all rows again, because their integer is not exact as a double.
    await collection.insertOne({ _id: "wider", n: 0.5 });
    await relay.waitForLine(/Widened to DOUBLE PRECISION/);
    await collection.deleteOne({ _id: "wider" });
    const { code, stdout } = await file.run("verify", "--settle", "60s");
    assert.equal(code, 0, stdout);
    const rows = await sql(
      "SELECT oid, part, geo['at'] AS at, vector['v'] AS v, data['total']::text AS total, cdc['op'] AS op FROM data WHERE oid <> 'wider' ORDER BY oid",
    );
    const amount = isNewer ? "1.1000" : "1.10";
    const found = rows.map(({ at, ...row }) => ({ ...row, at: (at as number[]).map(Math.round) }));
    assert.deepEqual(found, [
      { oid: "both", part: "de", v: [1, 2, 3], total: amount, op: "delete", at: [3, 4] },
      { oid: "deleted", part: "at", v: [1, 2, 3], total: amount, op: "delete", at: [1, 2] },
      { oid: "moved", part: "de", v: [1, 2, 3], total: amount, op: "update", at: [3, 4] },
    ]);
    assert.deepEqual(await sql("SELECT oid FROM data_live"), [{ oid: "moved" }]);
  });
}
