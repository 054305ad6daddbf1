import assert from "node:assert/strict";
import { MongoNetworkError, MongoServerError } from "mongodb";
import type { CausalReader } from "../../../../lib/source/connection/causal_reader.ts";
import { UserError } from "../../../../lib/util/errors.ts";
import {
  deploymentOf,
  differenceOf,
  identityOf,
  withoutCollection,
} from "../../../../lib/source/documents/source_identity.ts";

const found = (collection: string, uuid?: string) => ({
  database: "shop",
  collection,
  ...uuid !== undefined && { uuid },
});
const [A, B] = [found("a", "01"), found("b", "02")];

Deno.test("differenceOf() names the collections if all of the same names have other UUIDs", () => {
  assert.equal(
    differenceOf(identityOf([A, B]), [found("a", "11"), found("b", "12")]),
    "the collections have other UUIDs: shop.a, shop.b",
  );
  assert.ok(differenceOf(identityOf([A, B]), [found("b", "12"), found("c", "13")]));
});

Deno.test("differenceOf() is undefined if one collection is the same, or nothing can be compared", () => {
  assert.ok(!differenceOf(identityOf([A, B]), [found("a", "11"), B]));
  assert.ok(!differenceOf(identityOf([A]), [found("a")]));
  assert.ok(!differenceOf(identityOf([found("a")]), [A]));
  assert.ok(!differenceOf(identityOf([A]), [B]));
  assert.ok(!differenceOf(null, [A]));
});

Deno.test("differenceOf() compares the identities of the replica sets, if both are known", () => {
  assert.equal(
    differenceOf(identityOf([A], "one"), [found("a", "11")], "other"),
    "the replica set has the id other, not one",
  );
  assert.equal(
    differenceOf(identityOf([A], "one"), [A], "other"),
    "the replica set has the id other, not one; it has the same collections, so it is a copy or was restored",
  );
  assert.ok(!differenceOf(identityOf([A], "one"), [found("a", "11")], "one"));
  assert.ok(differenceOf(identityOf([A], "one"), [found("a", "11")]));
  assert.ok(differenceOf(identityOf([A]), [found("a", "11")], "one"));
  assert.ok(!differenceOf(null, [A], "one"));
});

Deno.test("identityOf() keeps some of many collections, and one match is enough", () => {
  const many = Array.from({ length: 5_000 }, (_, at) => found(`c${at}`, `${at}`));
  assert.ok(identityOf(many).length < 2_000);
  assert.ok(!differenceOf(identityOf(many), [A, ...many]));
  assert.match(
    differenceOf(identityOf(many), many.map((each) => ({ ...each, uuid: `x${each.uuid}` }))) ?? "",
    /UUIDs: shop\.c0, shop\.c1, shop\.c2 and \d+ more$/,
  );
});

Deno.test("withoutCollection() removes a collection", () => {
  assert.equal(withoutCollection(identityOf([A, B]), A), '{"shop.b":"02"}');
  assert.equal(withoutCollection(null, A), "{}");
});

for (const cut of ['{"a', "", "[]", "null", '{"shop.a":1}', "text"]) {
  Deno.test(`differenceOf() and withoutCollection() refuse the saved identity ${JSON.stringify(cut)}`, () => {
    const isClear = (error: unknown) =>
      error instanceof UserError &&
      error.message === `The origin of this stream cannot be read: it is ${cut}` &&
      /cdc_position/.test(error.hint ?? "");
    assert.throws(() => differenceOf(cut, [A]), isClear);
    assert.throws(() => withoutCollection(cut, A), isClear);
  });
}

const answering = (answer: () => Promise<unknown>) => ({ read: answer }) as unknown as CausalReader;
const refusal = (code: number) => new MongoServerError({ message: "refused", code });

Deno.test("deploymentOf() is the identity of the replica set", async () => {
  const config = { settings: { replicaSetId: { toString: () => "6690" } } };
  assert.equal(await deploymentOf(answering(() => Promise.resolve({ config }))), "6690");
});

for (const code of [13, 59, 115, 8000]) {
  Deno.test(`deploymentOf() is undefined where MongoDB does not tell, with code ${code}`, async () =>
    assert.equal(await deploymentOf(answering(() => Promise.reject(refusal(code)))), undefined));
}

for (const error of [new MongoNetworkError("connection closed"), refusal(189)]) {
  Deno.test(`deploymentOf() does not take a failure for an answer: ${error.name}`, () =>
    assert.rejects(deploymentOf(answering(() => Promise.reject(error))), error));
}
