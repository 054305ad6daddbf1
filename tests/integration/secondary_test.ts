/** Snapshot and verify from a secondary, which are never older than what was read before. */
import assert from "node:assert/strict";
import { MongoClient } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { ANSWER_LIMITS, type AnswerLimits } from "../../lib/source/connection/answer_limit.ts";
import { openBulkReader } from "../../lib/source/connection/bulk_reader.ts";
import { CausalReader } from "../../lib/source/connection/causal_reader.ts";
import { connectDeployment } from "../../lib/source/connection/deployment.ts";
import { QUIET } from "../../lib/util/log.ts";
import { OutageTracker } from "../../lib/util/outage.ts";
import { Shutdown } from "../../lib/util/shutdown.ts";
import { compare, inStep } from "../support/compare.ts";
import { TEST_COMMANDS } from "../support/fail_point.ts";
import { type OwnContext, ownMongodbTest } from "../support/own_mongodb.ts";

const MEMBERS = { ...TEST_COMMANDS, binary: true, members: 3 };
const COUNT = 2_000;
const FROM_SECONDARY = ["--snapshot-read-preference", "secondary"];

/** The primary, and the secondary that is read. */
async function membersOf({ mongodb }: OwnContext, stack: AsyncDisposableStack) {
  const hello = await mongodb.db("admin").command({ hello: 1 });
  const clientOf = (host: string) => stack.use(new MongoClient(`mongodb://${host}/?directConnection=true`));
  const [secondary] = hello.hosts.filter((host: string) => host !== hello.me).sort();
  return { primary: clientOf(hello.me), secondary: clientOf(secondary) };
}

/** Queries and their later replies that a member has run on the collection. */
async function readsOf(member: MongoClient, database: string): Promise<number> {
  const { totals } = await member.db("admin").command({ top: 1 });
  const { queries, getmore, commands } = totals[`${database}.data`] ?? {};
  return (queries?.count ?? 0) + (getmore?.count ?? 0) + (commands?.count ?? 0);
}

async function readersOf(
  { mongodbUrl }: OwnContext,
  stack: AsyncDisposableStack,
  limits: AnswerLimits = ANSWER_LIMITS,
) {
  const deployment = stack.use(await connectDeployment(mongodbUrl));
  const options = {
    retryFor: 60_000,
    shutdown: new Shutdown(new AbortController().signal),
    outages: new OutageTracker({ system: "MongoDB", emit: () => {} }),
    limits,
  };
  const reader = stack.use(new CausalReader(deployment.route(), options));
  const bulkReader = stack.use(
    await openBulkReader(reader, { ...options, deployment, preference: "secondary", log: QUIET }),
  );
  return { reader, bulkReader };
}

/** Has a member stop applying what it receives, until it is released. */
async function frozen(member: MongoClient, stack: AsyncDisposableStack) {
  const set = (mode: string) => member.db("admin").command({ configureFailPoint: "rsSyncApplyStop", mode });
  await set("alwaysOn");
  const release = () => set("off");
  stack.defer(async () => void await release());
  return { release };
}

ownMongodbTest("relay() and verify read documents from a secondary", async (context) => {
  await using stack = new AsyncDisposableStack();
  const { mongodb, database, relay, verify, mongodbUrl } = context;
  const { primary, secondary } = await membersOf(context, stack);
  const documents = Array.from({ length: COUNT }, (_, n) => ({ n }));
  await mongodb.db(database).collection("data").insertMany(documents, { writeConcern: { w: 3 } });
  const before = await readsOf(primary, database);
  const beforeThere = await readsOf(secondary, database);
  const running = relay([...FROM_SECONDARY, "--batch-size", "100"]);
  await running.waitForLine(/Snapshot done documents=2000 /);
  await inStep(context);
  assert.equal((await running.kill()).code, 0);
  assert.deepEqual(await compare(context), []);
  const copied = await readsOf(secondary, database) - beforeThere;
  assert.ok(copied >= COUNT / 100, `${copied} reads`);
  const outcome = await verify(FROM_SECONDARY, { env: { MONGODB_URL: mongodbUrl } });
  assert.equal(outcome.code, 0, outcome.stderr);
  assert.ok(await readsOf(secondary, database) > beforeThere + copied);
  // The test itself has compared, and counts are estimated at the primary.
  const atPrimary = await readsOf(primary, database) - before;
  assert.ok(atPrimary < 10, `${atPrimary} reads`);
}, MEMBERS);

ownMongodbTest(
  "CausalReader waits for a secondary that is behind, and returns what was written",
  async (context) => {
    await using stack = new AsyncDisposableStack();
    const { mongodb, database } = context;
    const { secondary } = await membersOf(context, stack);
    const data = mongodb.db(database).collection<{ _id: number }>("data");
    await data.insertOne({ _id: 1 }, { writeConcern: { w: 3 } });
    const namespace = { database, collection: "data" };
    const { reader, bulkReader } = await readersOf(context, stack);
    assert.equal((await bulkReader.page(namespace, { find: "data" })).documents.length, 1);

    const { release } = await frozen(secondary, stack);
    await data.insertOne({ _id: 2 }, { writeConcern: { w: "majority" } });
    await reader.page(namespace, { find: "data" });
    const reading = bulkReader.page(namespace, { find: "data" });
    const isWaiting = { "command.find": "data", "command.$db": database, active: true };
    await eventually(async () => {
      const running = await secondary.db("admin").aggregate([
        { $currentOp: { allUsers: true } },
        { $match: isWaiting },
      ], { readPreference: "secondaryPreferred" }).toArray();
      assert.equal(running.length, 1);
    });
    await release();
    assert.equal((await reading).documents.length, 2);
  },
  MEMBERS,
);

ownMongodbTest("CausalReader leaves a secondary that stays behind", async (context) => {
  await using stack = new AsyncDisposableStack();
  const { mongodb, database } = context;
  const { secondary } = await membersOf(context, stack);
  const data = mongodb.db(database).collection<{ _id: number }>("data");
  const namespace = { database, collection: "data" };
  const { reader, bulkReader } = await readersOf(context, stack, { ...ANSWER_LIMITS, read: 500 });
  await frozen(secondary, stack);
  await data.insertOne({ _id: 1 }, { writeConcern: { w: "majority" } });
  await reader.page(namespace, { find: "data" });
  assert.equal((await bulkReader.page(namespace, { find: "data" })).documents.length, 1);
}, MEMBERS);
