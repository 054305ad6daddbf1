/** Columns in objects and arrays that become wider. */
import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { normalizeJson } from "../../lib/mapping/normalize.ts";
import { inStep } from "../support/compare.ts";
import { cratedbTest } from "../support/cratedb_harness.ts";
import { assertNoLeftovers, BEYOND, collection, columnTypes, texts } from "../support/widened.ts";

const { Double, Int32, Long } = BSON;

interface Shape {
  readonly of: (value: unknown) => unknown;
  /** JSON of what stays in `data` when the value doesn't fit; nothing by default. */
  readonly bare?: string;
  /** The column's path. @default the shape's name */
  readonly path?: string;
  readonly type?: string;
}

const SHAPES: Readonly<Record<string, Shape>> = {
  "t": { of: (value) => value },
  [`a "q" 'b' ?$1`]: { of: (value) => value },
  "object": { of: (t) => ({ t }), bare: "{}", path: "object/t" },
  "deep": { of: (t) => ({ o: { p: { t } } }), bare: '{"o":{"p":{}}}', path: "deep/o/p/t" },
  "array": { of: (value) => [new Int32(1), value], type: "double precision_array" },
  "nested": { of: (value) => [[new Int32(1)], [value]], type: "double precision_array_array" },
  "objects": { of: (t) => [{ t: new Int32(1) }, { t }], path: "objects/t" },
  "arrays in objects": {
    of: (t) => [{ t: [t] }],
    path: "arrays in objects/t",
    type: "double precision_array",
  },
  "objects in objects": { of: (t) => [{ o: [{ t }] }], path: "objects in objects/o/t" },
};

const document = (_id: number, value: unknown): Document => ({
  _id,
  ...Object.fromEntries(Object.entries(SHAPES).map(([name, { of }]) => [name, of(value)])),
});
const whole = (_id: number, value: unknown): string =>
  normalizeJson(BSON.EJSON.stringify(document(_id, value), { relaxed: true }));
const bare = (_id: number): string =>
  normalizeJson(
    `{${[
      `"_id":${_id}`,
      ...Object.entries(SHAPES).flatMap(([name, { bare }]) => bare ? `"${name}":${bare}` : []),
    ]}}`,
  );

cratedbTest("relay() widens columns in objects and arrays, over wire", async (context) => {
  const data = collection(context);
  await context.relay([], { transport: "wire" }).waitForLine(/Ready/);
  const misfits: readonly unknown[] = [BEYOND, BEYOND.negate(), "text"];
  await data.insertMany([
    document(0, new Int32(20)),
    document(1, Long.fromString("-9007199254740992")),
    ...misfits.map((value, at) => document(2 + at, value)),
  ]);
  await inStep(context);
  await data.insertOne(document(5, new Double(20.5)));
  const rows = await texts(context);
  assert.deepEqual(rows.map(([, data]) => data), [
    whole(0, 20),
    whole(1, -9007199254740992),
    ...misfits.map((_, at) => bare(2 + at)),
    whole(5, 20.5),
  ]);
  assert.deepEqual(rows.map(([, , overflow]) => overflow === "null"), [
    true,
    true,
    false,
    false,
    false,
    true,
  ]);
  const types = await columnTypes(context);
  for (const [name, { path = name, type = "double precision" }] of Object.entries(SHAPES)) {
    assert.equal(types[path], type, path);
  }
  await assertNoLeftovers(context);
});

cratedbTest(
  "relay() widens arrays of objects with nulls and ends of ranges beside the values",
  async (context) => {
    const { relay, sql, table } = context;
    const data = collection(context);
    const off = relay(["--widen", "off"]);
    await off.waitForLine(/Ready/);
    await data.insertOne({ _id: 0, l: [{ x: 1, y: 1 }] } as Document);
    await inStep(context);
    await data.insertMany(
      [
        { _id: 1, l: [{ x: BEYOND, n: null }] },
        { _id: 2, l: [{ x: 1.25, n: null }, { x: 1.5, e: [] }] },
        { _id: 3, l: [{ x: 1.75, y: Long.MAX_VALUE }] },
      ] as Document[],
    );
    await inStep(context);
    assert.equal((await off.kill()).code, 0);
    const on = relay();
    await on.waitForLine(/Ready/);
    await data.insertOne({ _id: 4, l: [{ x: 2.5 }] } as Document);
    await on.waitForLine(/Widened/);
    await inStep(context);
    assert.deepEqual(await sql(`SELECT oid, data['l']['x'] AS x FROM "${table}" ORDER BY oid`), [
      { oid: "0", x: [1] },
      { oid: "1", x: null },
      { oid: "2", x: [1.25, 1.5] },
      { oid: "3", x: null },
      { oid: "4", x: [2.5] },
    ]);
    assert.equal((await on.kill()).code, 0);
  },
);
