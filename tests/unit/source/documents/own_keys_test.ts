import assert from "node:assert/strict";
import { type Document, MongoServerError } from "mongodb";
import { idOfKey } from "../../../../lib/key/key_to_id.ts";
import { isOwn, OwnKeys } from "../../../../lib/source/documents/own_keys.ts";
import { streamStages } from "../../../../lib/source/stream/open_stream.ts";
import { Scope } from "../../../../lib/source/documents/scope.ts";
import { UserError } from "../../../../lib/util/errors.ts";

const ORDERS = { database: "shop", collection: "orders" };
const WORKER = { index: 1, count: 4 };
const keys = (...oids: readonly string[]) => oids.map((oid) => ({ oid, id: idOfKey(oid) }));
const UNTOLD = { oid: "a hash", id: undefined };

/** A MongoDB that answers with these documents in turn, or refuses. */
function asking(answers: readonly (readonly Document[] | Error)[]) {
  const asked: string[] = [];
  const reader = {
    read: () => {
      const answer = answers[asked.length];
      asked.push("asked");
      return answer instanceof Error
        ? Promise.reject(answer)
        : Promise.resolve({ cursor: { firstBatch: answer } } as never);
    },
  };
  return { keys: new OwnKeys(reader, WORKER), asked };
}

Deno.test("isOwn() takes remainders of negative hashes too", () =>
  assert.deepEqual(isOwn(WORKER, "$_id"), {
    $eq: [{ $abs: { $mod: [{ $toHashedIndexKey: "$_id" }, 4] } }, 1],
  }));

Deno.test("streamStages() leaves events of other workers' documents out, and none of collections", () => {
  const scope = new Scope({ databases: ["shop"], collections: ["orders"], exclude: [] });
  const features = { splitsLargeEvents: true, expandedEvents: true };
  const stages = streamStages({ scope, share: asking([]).keys, fullDocument: "lookup", features }, null);
  assert.deepEqual(stages.map((stage) => Object.keys(stage)[0]), [
    "$changeStream",
    "$match",
    "$unset",
    "$changeStreamSplitLargeEvent",
  ]);
  assert.deepEqual(stages[1], {
    $match: {
      $or: [{ documentKey: { $exists: false } }, { $expr: isOwn(WORKER, "$documentKey._id") }],
    },
  });
});

Deno.test("OwnKeys are all where there is no worker, also those that tell no _id", async () => {
  const all = new OwnKeys({ read: () => Promise.reject(new Error("asked")) }, undefined);
  assert.deepEqual(await all.among(ORDERS, [UNTOLD]), [UNTOLD]);
});

Deno.test("OwnKeys asks for as many keys at once as a command has room for", async () => {
  const many = keys(...Array.from({ length: 4_500 }, (_, at) => `k${at}`));
  const answers = [2_000, 2_000, 500].map((length) => [{
    values: Array.from({ length }, (_, at) => at === 7),
  }]);
  const { keys: own, asked } = asking(answers);
  assert.deepEqual((await own.among(ORDERS, many)).map(({ oid }) => oid), ["k7", "k2007", "k4007"]);
  assert.equal(asked.length, 3);
});

Deno.test("OwnKeys are those of which MongoDB says so", async () => {
  const { keys: own } = asking([[{ values: [true, false, true] }]]);
  const found = await own.among(ORDERS, [...keys("a", "b"), UNTOLD, ...keys("c")]);
  assert.deepEqual(found.map(({ oid }) => oid), ["a", "c"]);
});

Deno.test("OwnKeys asks elsewhere where a mongos has no such database", async () => {
  const { keys: own, asked } = asking([[], [{ values: [true] }]]);
  assert.equal((await own.among(ORDERS, keys("a"))).length, 1);
  assert.equal(asked.length, 2);
});

Deno.test("OwnKeys.check() says what an old MongoDB lacks", async () => {
  const refused = new MongoServerError({ message: "Unrecognized expression", code: 168 });
  await assert.rejects(asking([refused]).keys.check(ORDERS), (error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, /no \$toHashedIndexKey/);
    return true;
  });
});
