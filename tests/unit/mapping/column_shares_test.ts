import assert from "node:assert/strict";
import { furtherColumns, shareColumns, weightOf } from "../../../lib/mapping/column_shares.ts";
import { type Column, columnAt, type ColumnPath, innermost } from "../../../lib/mapping/column_tree.ts";
import type { Kind } from "../../../lib/mapping/column_types.ts";

const of = (kind: Kind): Column => ({ kind });
const list = (element: Column): Column => ({ kind: "array", element });
const object = (children: Readonly<Record<string, Column>> = {}): Column => ({
  kind: "object",
  children: new Map(Object.entries(children)),
});
const many = (count: number, name = "k", child: Column = of("bigint")): Record<string, Column> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`${name}${n}`, child]));

const sizeAt = (columns: Column, path: ColumnPath): number => {
  const column = columnAt(columns, path);
  return column ? innermost(column).children?.size ?? 0 : 0;
};
const countOf = (column: Column): number =>
  [...innermost(column).children?.values() ?? []].reduce((sum, child) => sum + 1 + countOf(child), 0);

const BUDGET = { limit: 1000, room: 997 };

Deno.test("furtherColumns() leaves twice as much room as an object has columns, and each its guaranteed part", () => {
  for (const room of [10, 60, 300, 997]) {
    for (let weight = 0; weight <= 400; weight += 7) {
      const further = furtherColumns(weight, { limit: 1000, room });
      assert.ok(further <= room);
      if (weight + further > 50 && further > 0) assert.ok(2 * (weight + further) <= room - further);
      if (weight < 50) assert.ok(further >= Math.min(50 - weight, room));
    }
  }
});

Deno.test("weightOf() counts what is below, a large object in it as one of the guaranteed part", () => {
  assert.equal(
    weightOf(
      object({ a: of("text"), o: object({ b: of("text"), l: list(object({ c: of("text") })) }) }),
      BUDGET,
    ),
    5,
  );
  assert.equal(weightOf(object({ a: of("text"), m: object(many(300)) }), BUDGET), 52);
  assert.equal(weightOf(object(many(100, "u", object({ a: of("text"), b: of("text") }))), BUDGET), 300);
});

Deno.test("shareColumns() takes all columns that fit", () => {
  const wanted = object({
    a: of("text"),
    l: list(object({ o: object(many(30)) })),
    o: object({ p: object({ q: list(list(of("text"))) }) }),
  });
  assert.deepEqual(shareColumns(object(), wanted, BUDGET), { columns: wanted, full: [] });
});

Deno.test("shareColumns() gives plain fields their columns before those of a map", () => {
  const wanted = object({
    likes: object(many(5000)),
    status: of("text"),
    address: object({ city: of("text") }),
  });
  const { columns, full } = shareColumns(object(), wanted, BUDGET);
  assert.equal(columnAt(columns, ["status"]), wanted.children?.get("status"));
  assert.deepEqual(columnAt(columns, ["address"]), object({ city: of("text") }));
  assert.equal(sizeAt(columns, ["likes"]), 331);
  assert.deepEqual(full, [{ path: ["likes"], newcomer: ["likes", "k331"] }]);
});

/** The place of the map. */
const WHERE: Readonly<Record<string, (map: Column) => readonly [Column, ColumnPath]>> = {
  "at the top": (map) => [object({ m: map }), ["m"]],
  "two levels deep": (map) => [object({ o: object({ p: object({ m: map }) }) }), ["o", "p", "m"]],
  "in an array of objects": (map) => [object({ l: list(list(object({ m: map }))) }), ["l", "m"]],
};

for (const [where, place] of Object.entries(WHERE)) {
  Deno.test(`shareColumns() keeps a map ${where} from the fields of later batches`, () => {
    const [wanted, path] = place(object(many(5000)));
    const first = shareColumns(object(), wanted, BUDGET);
    assert.deepEqual(first.full.map(({ path }) => path), [path]);
    const size = countOf(first.columns);
    assert.ok(size > 300 && size < 340, `${size} columns`);
    const budget = { limit: 1000, room: 997 - size };
    const around = path.slice(0, -1);
    const [later] = place(object(many(10, "later")));
    const parent = columnAt(later, around);
    assert.ok(parent);
    for (const [name, column] of Object.entries(many(40, "field"))) {
      innermost(parent).children?.set(name, column);
    }
    const second = shareColumns(first.columns, later, budget);
    assert.equal(sizeAt(second.columns, around), 41);
    assert.equal(sizeAt(second.columns, path), 0);
    assert.deepEqual(second.full.map(({ path }) => path), [path]);
  });
}

Deno.test("shareColumns() counts the columns of a map's objects", () => {
  const user = object({ name: of("text"), at: object({ city: of("text") }) });
  const wanted = object({ users: object(many(5000, "user", user)), status: of("text") });
  const first = shareColumns(object(), wanted, BUDGET);
  const size = countOf(first.columns);
  assert.ok(size < 700, `${size} columns`);
  const later = object({
    users: object({ ...many(5, "user", object({ more: of("text") })) }),
    more: object(many(60)),
  });
  const second = shareColumns(first.columns, later, { limit: 1000, room: 997 - size });
  assert.equal(sizeAt(second.columns, ["more"]), 60);
  assert.equal(sizeAt(second.columns, ["users", "user0"]), 0);
});

Deno.test("shareColumns() leaves room beside several maps, in one batch and in many", () => {
  const maps = ["a", "b", "c", "d"];
  const once = shareColumns(
    object(),
    object(Object.fromEntries(maps.map((name) => [name, object(many(5000))]))),
    BUDGET,
  );
  assert.ok(countOf(once.columns) < 850, `${countOf(once.columns)} columns`);
  assert.deepEqual(once.full.map(({ path: [name] }) => name), maps);

  const there = object(Object.fromEntries(maps.map((name) => [name, object()])));
  let room = 993;
  for (let batch = 0; batch < 200; batch++) {
    const wanted = object(Object.fromEntries(maps.map((name) => [name, object(many(5, `b${batch}k`))])));
    const { columns } = shareColumns(there, wanted, { limit: 1000, room });
    for (const name of maps) {
      const added = innermost(columnAt(columns, [name]) ?? object()).children ?? new Map();
      room -= added.size;
      for (const [key, column] of added) there.children?.get(name)?.children?.set(key, column);
    }
  }
  assert.ok(room > 200, `room for ${room}`);
});

Deno.test("shareColumns() reports a full table, and takes the topmost columns first", () => {
  const wanted = object({ o: object(many(3)), ...many(4) });
  const { columns, full } = shareColumns(object(), wanted, { limit: 100, room: 6 });
  assert.deepEqual(columns, object({ o: object({ k0: of("bigint") }), ...many(4) }));
  assert.deepEqual(full, [{ path: [], newcomer: ["o", "k1"] }]);
  assert.deepEqual(shareColumns(object(), wanted, { limit: 100, room: 0 }).full, [{
    path: [],
    newcomer: ["o"],
  }]);
});

Deno.test("shareColumns() puts nothing into an object that takes no columns, or is none", () => {
  const there = object({ o: { ...object(), closed: true }, t: of("text"), l: list(of("text")) });
  const wanted = object({ o: object(many(3)), t: object(many(3)), l: list(object(many(3))), n: of("text") });
  const { columns, full } = shareColumns(there, wanted, { limit: 100, room: 2 });
  assert.deepEqual(columns, object({ o: object(), n: of("text") }));
  assert.deepEqual(full, []);
});
