import assert from "node:assert/strict";
import { isElsewhere, originOf, withoutCollection } from "../lib/source/origin.ts";

const found = (collection: string, uuid?: string) => ({
  database: "shop",
  collection,
  ...uuid !== undefined && { uuid },
});
const [A, B] = [found("a", "01"), found("b", "02")];

Deno.test("isElsewhere() is true when all collections of the same names are others", () => {
  assert.ok(isElsewhere(originOf([A, B]), [found("a", "11"), found("b", "12")]));
  assert.ok(isElsewhere(originOf([A, B]), [found("b", "12"), found("c", "13")]));
});

Deno.test("isElsewhere() is false when one is the same, or there is nothing to compare", () => {
  assert.ok(!isElsewhere(originOf([A, B]), [found("a", "11"), B]));
  assert.ok(!isElsewhere(originOf([A]), [found("a")]));
  assert.ok(!isElsewhere(originOf([found("a")]), [A]));
  assert.ok(!isElsewhere(originOf([A]), [B]));
  assert.ok(!isElsewhere(null, [A]));
});

Deno.test("isElsewhere() goes by the identity of the replica set, where it is known", () => {
  assert.ok(isElsewhere(originOf([A], "one"), [A], "other"));
  assert.ok(!isElsewhere(originOf([A], "one"), [found("a", "11")], "one"));
  assert.ok(isElsewhere(originOf([A], "one"), [found("a", "11")]));
  assert.ok(isElsewhere(originOf([A]), [found("a", "11")], "one"));
  assert.ok(!isElsewhere(null, [A], "one"));
});

Deno.test("originOf() keeps few of many, and any of them tells", () => {
  const many = Array.from({ length: 5_000 }, (_, at) => found(`c${at}`, `${at}`));
  assert.ok(originOf(many).length < 2_000);
  assert.ok(!isElsewhere(originOf(many), [A, ...many]));
  assert.ok(isElsewhere(originOf(many), many.map((each) => ({ ...each, uuid: `x${each.uuid}` }))));
});

Deno.test("withoutCollection() takes a collection away", () => {
  assert.equal(withoutCollection(originOf([A, B]), A), '{"shop.b":"02"}');
  assert.equal(withoutCollection(null, A), "{}");
});
