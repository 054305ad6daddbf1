/** Tables whose columns the settings design: each value is in its column or in `overflow`, and the shadows beside it. */
import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { run } from "../../dev/process/program.ts";
import { eventually } from "../../dev/servers/eventually.ts";
import {
  type CratedbContext,
  cratedbTest,
  type TransportName,
  transports,
} from "../support/cratedb_harness.ts";
import { relayYaml } from "../support/relay_yaml.ts";

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

async function versionOf({ sql }: CratedbContext): Promise<number> {
  const [row] = await sql("SELECT version() AS text");
  const [, major, minor] = /(\d+)\.(\d+)\./.exec(String(row?.text)) ?? [];
  return Number(major) + Number(minor) / 100;
}

const fileOf = (context: CratedbContext, design: object, transport: TransportName = "http") =>
  relayYaml({ ...context, httpUrl: transport === "http" ? context.httpUrl : context.wireUrl }, {
    shop: {
      database: context.database,
      table: `${context.schema}.{collection}`,
      collection: "data",
      ...design,
    },
  });

for (const transport of transports) {
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
  [{ type: "GeometryCollection", geometries: [] }, false],
  ["POINT(1 2)", false],
];
const VECTORS: readonly (readonly [value: unknown, isStored: boolean])[] = [
  [[1, 0.5, new Double(-3)], true],
  [[new Int32(1), Long.fromString("2"), 3e38], true],
  ...[[1, 2], [1, 2, 3, 4], [1, 2, NaN], [1, 2, 4e38], [1, 2, "3"], [1, 2, null], "1,2,3", { 0: 1 }].map((
    each,
  ) => [each, false] as const),
];

for (const transport of transports) {
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

const REFUSALS: Readonly<Record<string, { design: object; before?: object; is: RegExp; below?: number }>> = {
  "NUMERIC before 5.9": {
    design: { types: { n: "numeric(5)" } },
    is: /lacks NUMERIC columns.*CrateDB 5\.9 has it/s,
    below: 5.09,
  },
  "UUID before 6.2": {
    design: { types: { n: "uuid" } },
    is: /lacks the type UUID.*CrateDB 6\.2 has it/s,
    below: 6.02,
  },
  "a column of another type": {
    before: {},
    design: { types: { t: { text: { index: "off" } } } },
    is: /data\['t'\] is TEXT, not TEXT INDEX OFF/,
  },
  "a full-text index that a table lacks": {
    before: { types: { t: { text: { index: "off" } } } },
    design: {
      types: { t: { text: { index: "off" } } },
      fulltext: { search: { columns: ["t"], analyzer: "english" } },
    },
    is: /it has no INDEX "search" USING FULLTEXT \(data\['t'\]\)/,
  },
  "an unknown analyzer": {
    design: { fulltext: { search: { columns: ["t"], analyzer: "klingon" } } },
    is: /klingon/,
  },
  "an unknown setting": { design: { with: { codeck: "best" } }, is: /codeck/ },
  "a value of a setting": { design: { with: { codec: "it's" } }, is: /it's/ },
};

for (const [what, { design, before, is, below = Infinity }] of Object.entries(REFUSALS)) {
  cratedbTest(`a relay refuses ${what}`, async (context) => {
    if (await versionOf(context) >= below) return;
    const { mongodb, database } = context;
    await mongodb.db(database).collection("data").insertOne({ t: "text" });
    if (before) {
      await using file = await fileOf(context, before);
      assert.equal((await file.run("cdc-relay", "--snapshot", "only", "--fail-fast")).code, 0);
    }
    for (const transport of transports) {
      await using file = await fileOf(context, design, transport);
      const { code, stderr } = await file.run("cdc-relay", "--snapshot", "only", "--fail-fast");
      assert.equal(code, 1, stderr);
      assert.match(stderr, is);
      assert.doesNotMatch(stderr, /\n +at /);
    }
  });
}

cratedbTest("full-text indexes and table settings are those of the file", async (context) => {
  const { mongodb, database, sql } = context;
  const body = "running ".repeat(5_000);
  await mongodb.db(database).collection<Numbered>("data").insertMany([
    { _id: 1, title: "Shoes", body },
    { _id: 2, title: "Runs", tags: ["walks"], body: 5 },
  ]);
  await using file = await fileOf(context, {
    types: { body: { text: { index: "off" } } },
    fulltext: { search: { columns: ["title", "body", "tags[]"], analyzer: "english" } },
    with: { "codec": "best_compression", "mapping.total_fields.limit": 500 },
  });
  for (let runs = 0; runs < 2; runs++) {
    assert.equal((await file.run("cdc-relay", "--snapshot", "only", "--fail-fast")).code, 0);
  }
  const found = async (word: string) =>
    (await sql("SELECT oid FROM data WHERE MATCH(search, ?) ORDER BY oid", [word])).map(({ oid }) => oid);
  assert.deepEqual([await found("run"), await found("walk")], [["1", "2"], ["2"]]);
  assert.equal((await file.run("verify")).code, 0);
  const [{ definition = "" } = {}] = (await sql("SHOW CREATE TABLE data")).map((row) => ({
    definition: String(Object.values(row)[0]),
  }));
  assert.match(definition, /codec = 'best_compression'.*"mapping\.total_fields\.limit" = 500/s);
});

cratedbTest("a small table has one shard for each node, another as its settings say", async (context) => {
  const { mongodb, database, sql } = context;
  await mongodb.db(database).collection("data").insertOne({ a: 1 });
  const { code, stderr } = await run(
    [
      "cdc-relay",
      "--database",
      database,
      "--collection",
      "data",
      "--table",
      `${context.schema}.small`,
      "--snapshot",
      "only",
    ],
    { env: { MONGODB_URL: context.mongodbUrl, CRATEDB_URL: context.wireUrl } },
  );
  assert.equal(code, 0, stderr);
  const shards = await sql(
    "SELECT number_of_shards AS shards FROM information_schema.tables WHERE table_name = 'small' AND table_schema = ?",
    [context.schema],
  );
  assert.deepEqual(shards, [{ shards: 1 }]);
});
