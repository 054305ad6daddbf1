import assert from "node:assert/strict";
import { MongoNetworkError, MongoServerError } from "mongodb";
import type { CausalReader } from "../../../lib/source/causal_reader.ts";
import {
  deploymentOf,
  identityOf,
  isOtherDeployment,
  withoutCollection,
} from "../../../lib/source/source_identity.ts";

const found = (collection: string, uuid?: string) => ({
  database: "shop",
  collection,
  ...uuid !== undefined && { uuid },
});
const [A, B] = [found("a", "01"), found("b", "02")];

Deno.test("isOtherDeployment() is true when all collections of the same names are others", () => {
  assert.ok(isOtherDeployment(identityOf([A, B]), [found("a", "11"), found("b", "12")]));
  assert.ok(isOtherDeployment(identityOf([A, B]), [found("b", "12"), found("c", "13")]));
});

Deno.test("isOtherDeployment() is false when one is the same, or there is nothing to compare", () => {
  assert.ok(!isOtherDeployment(identityOf([A, B]), [found("a", "11"), B]));
  assert.ok(!isOtherDeployment(identityOf([A]), [found("a")]));
  assert.ok(!isOtherDeployment(identityOf([found("a")]), [A]));
  assert.ok(!isOtherDeployment(identityOf([A]), [B]));
  assert.ok(!isOtherDeployment(null, [A]));
});

Deno.test("isOtherDeployment() goes by the identity of the replica set, where it is known", () => {
  assert.ok(isOtherDeployment(identityOf([A], "one"), [A], "other"));
  assert.ok(!isOtherDeployment(identityOf([A], "one"), [found("a", "11")], "one"));
  assert.ok(isOtherDeployment(identityOf([A], "one"), [found("a", "11")]));
  assert.ok(isOtherDeployment(identityOf([A]), [found("a", "11")], "one"));
  assert.ok(!isOtherDeployment(null, [A], "one"));
});

Deno.test("identityOf() keeps few of many, and any of them tells", () => {
  const many = Array.from({ length: 5_000 }, (_, at) => found(`c${at}`, `${at}`));
  assert.ok(identityOf(many).length < 2_000);
  assert.ok(!isOtherDeployment(identityOf(many), [A, ...many]));
  assert.ok(isOtherDeployment(identityOf(many), many.map((each) => ({ ...each, uuid: `x${each.uuid}` }))));
});

Deno.test("withoutCollection() takes a collection away", () => {
  assert.equal(withoutCollection(identityOf([A, B]), A), '{"shop.b":"02"}');
  assert.equal(withoutCollection(null, A), "{}");
});

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
