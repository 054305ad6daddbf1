import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { workloadConfig } from "../../../lib/config/config.ts";
import type { Operation } from "../../../lib/workload/mix.ts";
import { generate } from "../../../lib/workload/workload.ts";

const config = (flags: Record<string, string>) => workloadConfig({ flags: { seed: "7", ...flags }, env: {} });
const MIXED = { count: "3000", mix: "insert=70,update=20,replace=5,delete=5" };
const generated = (flags: Record<string, string>) => [...generate(config(flags))];
const text = (flags: Record<string, string>): string =>
  BSON.EJSON.stringify(generated(flags), { relaxed: false });

interface Write {
  readonly document?: { readonly _id: BSON.ObjectId };
  readonly filter?: { readonly _id: BSON.ObjectId };
}

/** The `_id` that an operation is about, as hex digits. */
function idOf(write: unknown): string {
  const [{ document, filter } = {}] = Object.values(write as Record<string, Write>);
  const id = document?._id ?? filter?._id;
  assert.ok(id instanceof BSON.ObjectId, Deno.inspect(write));
  return id.toHexString();
}

Deno.test("generate() makes the same operations of the same seed", () => {
  assert.equal(text(MIXED), text(MIXED));
});

Deno.test("generate() makes other operations of another seed", () => {
  const ids = (seed: string) => new Set(generated({ ...MIXED, seed }).map(({ write }) => idOf(write)));
  assert.equal(ids("1").intersection(ids("2")).size, 0);
  const kinds = (seed: string) => generated({ ...MIXED, seed }).map(({ operation }) => operation);
  assert.notDeepEqual(kinds("1"), kinds("2"));
});

Deno.test("generate() begins a longer run like a shorter one", () => {
  const longer = BSON.EJSON.stringify(generated(MIXED).slice(0, 100), { relaxed: false });
  assert.equal(longer, text({ ...MIXED, count: "100" }));
});

Deno.test("generate() makes as many operations as asked for, in the proportions of the mix", () => {
  const counts = Map.groupBy(generated(MIXED), ({ operation }) => operation);
  const share = (operation: Operation) => (counts.get(operation)?.length ?? 0) / 3_000 * 100;
  assert.equal([...counts.values()].flat().length, 3_000);
  for (const [operation, weight] of Object.entries(config(MIXED).mix)) {
    const actual = share(operation as Operation);
    assert.ok(Math.abs(actual - weight) < 4, `${operation}: ${actual} %`);
  }
});

Deno.test("generate() updates, replaces and deletes only what is there", () => {
  const alive = new Set<string>();
  for (
    const { operation, write } of generated({
      count: "3000",
      mix: "insert=40,update=20,replace=10,delete=30",
    })
  ) {
    const id = idOf(write);
    assert.equal(alive.has(id), operation !== "insert", `${operation} ${id}`);
    if (operation === "delete") alive.delete(id);
    else alive.add(id);
  }
});

Deno.test("generate() keeps doubles doubles, also those without a fraction", () => {
  const numbers = generated({ count: "500" }).map(({ write }) => {
    assert.ok("insertOne" in write);
    const { data } = BSON.deserialize(BSON.serialize(write.insertOne.document), { promoteValues: false });
    assert.deepEqual(Object.keys(data), ["temperature", "humidity"]);
    return [data.temperature, data.humidity];
  }).flat();
  assert.equal(numbers.length, 1_000);
  for (const number of numbers) assert.ok(number instanceof BSON.Double, Deno.inspect(number));
  assert.ok(numbers.some((number) => Number.isInteger(number.value)), "none is without a fraction");
});
