import assert from "node:assert/strict";
import { type Document, MongoServerError } from "mongodb";
import { idOfKey } from "../../../../lib/key/document_key.ts";
import { openShare, workerShare } from "../../../../lib/pipeline/workers/worker_share.ts";
import { ALL_DOCUMENTS } from "../../../../lib/source/documents/share.ts";
import { streamStages } from "../../../../lib/source/stream/open_stream.ts";
import { Scope } from "../../../../lib/source/documents/scope.ts";
import { UserError } from "../../../../lib/util/errors.ts";

const ORDERS = { database: "shop", collection: "orders" };
const WORKER = { index: 1, count: 4 };
const keys = (...oids: readonly string[]) => oids.map((oid) => ({ oid, id: idOfKey(oid) }));
const UNNAMED = { oid: "a hash", id: undefined };

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
  return { reader, share: workerShare(WORKER, reader), asked };
}

Deno.test("workerShare(): condition() includes remainders of negative hashes", () =>
  assert.deepEqual(asking([]).share.condition("$_id"), {
    $eq: [{ $abs: { $mod: [{ $toHashedIndexKey: "$_id" }, 4] } }, 1],
  }));

Deno.test("workerShare() has the first worker drop the rows of all", () => {
  const shares = [0, 1].map((index) => workerShare({ index, count: 2 }, asking([]).reader));
  assert.deepEqual(shares.map(({ relays, dropsRows }) => [relays, dropsRows]), [[2, true], [2, false]]);
});

Deno.test("streamStages() excludes events of other workers' documents, but none of collections", () => {
  const scope = new Scope({ databases: ["shop"], collections: ["orders"], exclude: [] });
  const { share } = asking([]);
  const stages = streamStages({
    scope,
    share,
    fullDocument: "lookup",
    features: ["$changeStreamSplitLargeEvent"],
  }, null);
  assert.deepEqual(stages.map((stage) => Object.keys(stage)[0]), [
    "$changeStream",
    "$match",
    "$unset",
    "$changeStreamSplitLargeEvent",
  ]);
  assert.deepEqual(stages[1], {
    $match: {
      $or: [{ documentKey: { $exists: false } }, { $expr: share.condition("$documentKey._id") }],
    },
  });
});

Deno.test("openShare() is all documents without a worker, and does not ask MongoDB", async () => {
  const { reader, asked } = asking([]);
  const share = await openShare(undefined, { reader, namespace: ORDERS });
  assert.equal(share, ALL_DOCUMENTS);
  assert.deepEqual(await share.among(ORDERS, [UNNAMED]), [UNNAMED]);
  assert.equal(asked.length, 0);
});

Deno.test("workerShare(): among() asks for as many keys at once as fit in a command", async () => {
  const many = keys(...Array.from({ length: 4_500 }, (_, at) => `k${at}`));
  const answers = [2_000, 2_000, 500].map((length) => [{
    values: Array.from({ length }, (_, at) => at === 7),
  }]);
  const { share, asked } = asking(answers);
  assert.deepEqual((await share.among(ORDERS, many)).map(({ oid }) => oid), ["k7", "k2007", "k4007"]);
  assert.equal(asked.length, 3);
});

Deno.test("workerShare(): among() returns the keys that MongoDB selects", async () => {
  const { share } = asking([[{ values: [true, false, true] }]]);
  const found = await share.among(ORDERS, [...keys("a", "b"), UNNAMED, ...keys("c")]);
  assert.deepEqual(found.map(({ oid }) => oid), ["a", "c"]);
});

Deno.test("workerShare(): among() uses another database if a mongos does not have this one", async () => {
  const { share, asked } = asking([[], [{ values: [true] }]]);
  assert.equal((await share.among(ORDERS, keys("a"))).length, 1);
  assert.equal(asked.length, 2);
});

Deno.test("openShare() reports what an old MongoDB lacks", async () => {
  const refused = new MongoServerError({ message: "Unrecognized expression", code: 168 });
  const { reader } = asking([refused]);
  await assert.rejects(openShare(WORKER, { reader, namespace: ORDERS }), (error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, /no \$toHashedIndexKey/);
    return true;
  });
});
