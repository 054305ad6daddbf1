/** Snapshot and verify from a secondary, which are never older than what was read before. */
import assert from "node:assert/strict";
import { MongoClient } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { ANSWER_LIMITS, type AnswerLimits } from "../../lib/source/connection/answer_limit.ts";
import { connectDeployment, openBulkReader } from "../../lib/source/connection/deployment.ts";
import { CausalReader } from "../../lib/source/connection/causal_reader.ts";
import { type Logger, QUIET } from "../../lib/util/log.ts";
import { OutageTracker } from "../../lib/util/outage.ts";
import { Shutdown } from "../../lib/util/shutdown.ts";
import { compare } from "../support/compare.ts";
import { TEST_COMMANDS } from "../support/fail_point.ts";
import { type OwnContext, ownMongodbTest } from "../support/own_mongodb.ts";

const COUNT = 1_000;
const CHUNK = 100;
const FROM_SECONDARY = ["--snapshot-read-preference", "secondary"];

const memberAt = (address: string, stack: AsyncDisposableStack) =>
  stack.use(new MongoClient(`mongodb://${address}/?directConnection=true`));

/** Queries that a member has run on the collection. */
async function queriesOf(member: MongoClient, database: string): Promise<number> {
  const { totals } = await member.db("admin").command({ top: 1 });
  return totals[`${database}.data`]?.queries.count ?? 0;
}

/** Readers as the relay has them, and the secondary that is read. */
async function readersOf(
  { mongodbUrl }: OwnContext,
  stack: AsyncDisposableStack,
  limits: AnswerLimits = ANSWER_LIMITS,
) {
  const deployment = stack.use(await connectDeployment(mongodbUrl));
  const reading = {
    retryFor: 60_000,
    shutdown: new Shutdown(new AbortController().signal),
    outages: new OutageTracker({ system: "MongoDB", emit: () => {} }),
    limits,
  };
  const servers: string[] = [];
  const log: Logger = { ...QUIET, info: (_message, fields) => void servers.push(String(fields?.server)) };
  const reader = stack.use(new CausalReader(deployment.route(), reading));
  const options = { ...reading, deployment, preference: "secondary", log, closing: stack } as const;
  const bulkReader = await openBulkReader(reader, options);
  await bulkReader.exists({ database: "admin", collection: "none" });
  return { reader, bulkReader, servers, secondary: memberAt(servers[0] ?? "", stack) };
}

/** Has a member stop applying what it receives, until it is released. */
async function frozen(member: MongoClient, stack: AsyncDisposableStack) {
  const set = (mode: string) => member.db("admin").command({ configureFailPoint: "rsSyncApplyStop", mode });
  await set("alwaysOn");
  stack.defer(async () => void await set("off"));
  return { release: () => set("off") };
}

const WAITING = [
  { $currentOp: { allUsers: true } },
  { $match: { "command.find": "data", active: true } },
];

/** In one replica set, because it takes long to start. */
ownMongodbTest("reads of whole collections at a secondary", async (context) => {
  await returnsWhatWasWritten(context);
  await copiesAndVerifies(context);
  await leavesWhatStaysBehind(context);
}, { ...TEST_COMMANDS, binary: true, members: 3 });

/** A read waits for a secondary that is behind. */
async function returnsWhatWasWritten(context: OwnContext) {
  await using stack = new AsyncDisposableStack();
  const { mongodb, database } = context;
  const namespace = { database, collection: "data" };
  const data = mongodb.db(database).collection("data");
  await data.insertOne({ n: 1 }, { writeConcern: { w: 3 } });
  const { reader, bulkReader, secondary } = await readersOf(context, stack);
  const read = async () => (await bulkReader.page(namespace, { find: "data" })).documents.length;
  assert.equal(await read(), 1);

  const { release } = await frozen(secondary, stack);
  await data.insertOne({ n: 2 }, { writeConcern: { w: "majority" } });
  await reader.page(namespace, { find: "data" });
  const reading = read();
  await eventually(async () => {
    const running = secondary.db("admin").aggregate(WAITING, { readPreference: "secondaryPreferred" });
    assert.equal((await running.toArray()).length, 1);
  });
  await release();
  assert.equal(await reading, 2);
}

/** The relay and `verify` read documents from a secondary alone. */
async function copiesAndVerifies(context: OwnContext) {
  await using stack = new AsyncDisposableStack();
  const { mongodb, database, relay, verify, mongodbUrl } = context;
  const documents = Array.from({ length: COUNT }, (_, n) => ({ n }));
  await mongodb.db(database).collection("data").insertMany(documents, { writeConcern: { w: 3 } });
  const { me, hosts } = await mongodb.db("admin").command({ hello: 1 });
  const clients = hosts.map((host: string) => memberAt(host, stack));
  const primary = clients[hosts.indexOf(me)];
  const queriesDuring = async (work: () => Promise<unknown>) => {
    const count = async () => {
      const counts = await Promise.all(clients.map((each: MongoClient) => queriesOf(each, database)));
      return { atPrimary: await queriesOf(primary, database), all: counts.reduce((sum, each) => sum + each) };
    };
    const before = await count();
    await work();
    const after = await count();
    const atPrimary = after.atPrimary - before.atPrimary;
    return { atPrimary, elsewhere: after.all - before.all - atPrimary };
  };
  const isFromSecondary = ({ atPrimary, elsewhere }: { atPrimary: number; elsewhere: number }) =>
    assert.ok(atPrimary === 0 && elsewhere >= COUNT / CHUNK, JSON.stringify({ atPrimary, elsewhere }));

  isFromSecondary(
    await queriesDuring(async () => {
      const running = relay([...FROM_SECONDARY, "--batch-size", `${CHUNK}`]);
      await running.waitForLine(/Snapshot done/);
      assert.equal((await running.kill()).code, 0);
    }),
  );
  assert.deepEqual(await compare(context), []);
  const verified = await queriesDuring(async () => {
    const outcome = await verify(FROM_SECONDARY, { env: { MONGODB_URL: mongodbUrl } });
    assert.equal(outcome.code, 0, outcome.stderr);
  });
  assert.ok(verified.atPrimary === 0 && verified.elsewhere > 0, JSON.stringify(verified));
}

/** A secondary that stays behind for longer than a read may take is left for another member. */
async function leavesWhatStaysBehind(context: OwnContext) {
  await using stack = new AsyncDisposableStack();
  const { mongodb, database } = context;
  const namespace = { database, collection: "late" };
  const limits = { ...ANSWER_LIMITS, read: 500 };
  const { reader, bulkReader, servers, secondary } = await readersOf(context, stack, limits);
  await frozen(secondary, stack);
  const data = mongodb.db(database).collection("late");
  await data.insertOne({ n: 1 }, { writeConcern: { w: "majority" } });
  await reader.page(namespace, { find: "late" });
  assert.equal((await bulkReader.page(namespace, { find: "late" })).documents.length, 1);
  assert.equal(new Set(servers).size, 2);
}
