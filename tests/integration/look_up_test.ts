import assert from "node:assert/strict";
import { BSON, type MongoServerError } from "mongodb";
import { cursorReply } from "../../lib/source/connection/causal_reader.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { inStep } from "../support/compare.ts";
import { failNext, TEST_COMMANDS } from "../support/fail_point.ts";
import { ownMongodbTest } from "../support/own_mongodb.ts";

interface Counted {
  _id: number;
  n: number;
}

const collectionOf = ({ mongodb, database }: CratedbContext) =>
  mongodb.db(database).collection<Counted>("data");

/** A relay has followed these documents, and stopped. */
async function followed(context: CratedbContext, count: number): Promise<void> {
  const documents = Array.from({ length: count }, (_, _id) => ({ _id, n: 0 }));
  await collectionOf(context).insertMany(documents);
  const first = context.relay();
  await first.waitForLine(/Ready/);
  assert.equal((await first.kill()).code, 0);
}

/** In small batches, so that changes of one document are in several. */
async function catchUp(context: CratedbContext): Promise<void> {
  const running = context.relay(["--batch-size", "2"]);
  await inStep(context);
  assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
}

cratedbTest("relay() looks up what a transaction of several batches has changed", async (context) => {
  await followed(context, 10);
  const data = collectionOf(context);
  await context.mongodb.withSession((session) =>
    session.withTransaction(async () => {
      await data.updateMany({}, { $inc: { n: 1 } }, { session });
      await data.deleteMany({ _id: { $lt: 3 } }, { session });
      await data.insertOne({ _id: 1, n: 7 }, { session });
      await data.updateOne({ _id: 1 }, { $inc: { n: 1 } }, { session });
    })
  );
  await data.updateOne({ _id: 9 }, { $set: { n: -1 } });
  await catchUp(context);
});

cratedbTest("relay() looks up what was deleted and made again after its update", async (context) => {
  await followed(context, 6);
  const data = collectionOf(context);
  for (const _id of [0, 1, 2]) {
    await data.updateOne({ _id }, { $set: { n: 1 } });
    await data.deleteOne({ _id });
    await data.insertOne({ _id, n: 2 });
  }
  await data.updateOne({ _id: 3 }, { $set: { n: 1 } });
  await data.deleteOne({ _id: 3 });
  await data.updateOne({ _id: 0 }, { $set: { n: 3 } });
  await data.deleteOne({ _id: 2 });
  await catchUp(context);
});

ownMongodbTest("relay() looks up once more when the primary steps down over it", async (context) => {
  await followed(context, 6);
  const data = collectionOf(context);
  await data.updateMany({}, { $set: { n: 1 } });
  const running = context.relay();
  await running.waitForLine(/Ready/);
  // The stream is open: from now on, only look-ups aggregate.
  await inStep(context);
  await failNext(context.mongodb, ["aggregate"], 2);
  await data.updateMany({}, { $inc: { n: 1 } });
  await data.deleteOne({ _id: 5 });
  await running.waitForLine(/MongoDB failed/);
  await inStep(context);
  assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
}, TEST_COMMANDS);

ownMongodbTest(
  "cursorReply() leaves the fields of an error readable to the driver, which compares them",
  async ({ mongodb, database }) => {
    const db = mongodb.db(database);
    const command = { aggregate: "data", pipeline: [], cursor: {} };
    await failNext(mongodb, ["aggregate"], 1);
    await assert.rejects(cursorReply(db, command, {}), (error: MongoServerError) => {
      assert.ok(error.topologyVersion?.processId instanceof BSON.ObjectId);
      return true;
    });
    await db.collection("data").insertOne({
      _id: BSON.ObjectId.createFromTime(1),
      n: BSON.Long.fromNumber(1),
    });
    const { documents, cursorId, collection } = await cursorReply(db, command, {});
    assert.deepEqual({ documents: documents.length, cursorId, collection }, {
      documents: 1,
      cursorId: 0n,
      collection: "data",
    });
    assert.ok(documents[0] instanceof Uint8Array);
  },
  TEST_COMMANDS,
);
