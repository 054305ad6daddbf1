/** All reads go through one door, which tries again, and streams go on in the session that they began with. */
import assert from "node:assert/strict";
import { type CommandStartedEvent, MongoClient } from "mongodb";
import { observers } from "../../lib/pipeline/observer.ts";
import type { CausalReader } from "../../lib/source/causal_reader.ts";
import { changeStream } from "../../lib/source/change_stream.ts";
import { collectionsOf, estimatedCount, sample } from "../../lib/source/collections.ts";
import { Scope } from "../../lib/source/scope.ts";
import { deploymentOf } from "../../lib/source/source_identity.ts";
import { QUIET } from "../../lib/util/log.ts";
import { OutageTracker } from "../../lib/util/outage.ts";
import { ownMongodbTest } from "../support/own_mongodb.ts";
import { quietReader } from "../support/quiet_reader.ts";

const TEST_COMMANDS = { args: ["--setParameter", "enableTestCommands=1"] };
const PRIMARY_STEPPED_DOWN = 189;

/** Has the next commands of these names fail. */
const failNext = (client: MongoClient, failCommands: readonly string[], times: number) =>
  client.db("admin").command({
    configureFailPoint: "failCommand",
    mode: { times },
    data: { failCommands, errorCode: PRIMARY_STEPPED_DOWN },
  });

const scopeOf = (database: string) => new Scope({ databases: [database], collections: ["*"], exclude: [] });

type Source = { readonly database: string };

/** The command that fails, and what is read by it. */
const READS: Readonly<Record<string, (reader: CausalReader, source: Source) => Promise<unknown>>> = {
  listCollections: async (reader, { database }) =>
    (await collectionsOf(reader, scopeOf(database), { log: QUIET })).length,
  replSetGetConfig: async (reader) => (await deploymentOf(reader))?.length === 24 ? 1 : 0,
  count: (reader, { database }) => estimatedCount(reader, [{ database, collection: "data" }]),
  aggregate: async (reader, { database }) =>
    (await sample(reader, { database, collection: "data" }, [])).length,
};

for (const [command, read] of Object.entries(READS)) {
  ownMongodbTest(`CausalReader tries again when ${command} fails`, async ({ mongodb, database }) => {
    await mongodb.db(database).collection("data").insertOne({ n: 1 });
    await using reader = quietReader(mongodb);
    await failNext(mongodb, [command], 2);
    assert.equal(await read(reader, { database }), 1);
  }, TEST_COMMANDS);
}

ownMongodbTest("changeStream() resumes in the session that it began with", async (own) => {
  const { mongodb, mongodbUrl, database } = own;
  const data = mongodb.db(database).collection("data");
  await using client = new MongoClient(mongodbUrl, { monitorCommands: true });
  const sessions: string[] = [];
  client.on("commandStarted", ({ command }: CommandStartedEvent) => {
    if (command.aggregate) sessions.push(command.lsid.id.toString("hex"));
  });
  const stop = new AbortController();
  const stream = changeStream({
    client,
    scope: scopeOf(database),
    server: { version: "6.0.0", splitsLargeEvents: false, expandedEvents: true },
    fullDocument: "updateLookup",
    startAfter: null,
    batchSize: 100,
    retryFor: 60_000,
    signal: stop.signal,
    outages: new OutageTracker({ system: "MongoDB", observer: observers() }),
  });
  await stream.next();
  await failNext(mongodb, ["getMore"], 1);
  await data.insertOne({ n: 1 });
  let events = 0;
  for await (const batch of stream) {
    events += batch.changes.length;
    if (events > 0) break;
  }
  stop.abort();
  assert.equal(sessions.length, 2);
  assert.equal(sessions[0], sessions[1]);
}, TEST_COMMANDS);
