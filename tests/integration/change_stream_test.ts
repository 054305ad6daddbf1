/** How a change stream is opened, and opened again. */
import assert from "node:assert/strict";
import { BSON, type CommandStartedEvent, MongoClient } from "mongodb";
import { on } from "../../lib/pipeline/status/events.ts";
import { type ChangeBatch, changeStream } from "../../lib/source/stream/change_stream.ts";
import { directRoute } from "../../lib/source/connection/route.ts";
import { isHistoryLost } from "../../lib/source/connection/mongodb_errors.ts";
import { Scope } from "../../lib/source/documents/scope.ts";
import { featureTrial } from "../../lib/source/stream/open_stream.ts";
import { type Outage, OutageTracker } from "../../lib/util/outage.ts";
import { failNext, TEST_COMMANDS } from "../support/fail_point.ts";
import { ownMongodbTest } from "../support/own_mongodb.ts";
import { variants } from "../support/nightly.ts";

interface Given {
  readonly database: string;
  readonly client: MongoClient;
  readonly signal: AbortSignal;
  readonly startAfter?: Uint8Array | null;
  /** Called at the beginning of each outage. */
  readonly outageBegan?: (outage: Outage) => void;
}

const streamOf = (
  { database, client, startAfter = null, outageBegan = () => {}, ...given }: Given,
): AsyncGenerator<ChangeBatch> =>
  changeStream({
    ...given,
    route: directRoute(client),
    startAfter,
    scope: new Scope({ databases: [database], collections: ["*"], exclude: [] }),
    features: featureTrial(() => {}),
    fullDocument: "updateLookup",
    batchSize: 100,
    retryFor: 60_000,
    outages: new OutageTracker({ system: "MongoDB", emit: on({ outageBegan }) }),
  });

/** The first batch that has changes. */
async function firstChanges(stream: AsyncGenerator<ChangeBatch>): Promise<number> {
  for await (const { changes } of stream) if (changes.length > 0) return changes.length;
  return 0;
}

ownMongodbTest("changeStream() resumes in the session that it began with", async (own) => {
  const { mongodb, mongodbUrl, database } = own;
  await using client = new MongoClient(mongodbUrl, { monitorCommands: true });
  const sessions: string[] = [];
  client.on("commandStarted", ({ command }: CommandStartedEvent) => {
    if (command.aggregate) sessions.push(command.lsid.id.toString("hex"));
  });
  const stop = new AbortController();
  const stream = streamOf({ client, database, signal: stop.signal });
  await stream.next();
  await failNext(mongodb, ["getMore"], 1);
  await mongodb.db(database).collection("data").insertOne({ n: 1 });
  assert.equal(await firstChanges(stream), 1);
  stop.abort();
  assert.equal(sessions.length, 2);
  assert.equal(sessions[0], sessions[1]);
}, TEST_COMMANDS);

ownMongodbTest("changeStream() yields a token before it searches the oplog when it resumes", async (own) => {
  const { mongodb: client, database } = own;
  const data = client.db(database).collection("data");
  const stop = new AbortController();
  const { signal } = stop;
  const { value: start } = await streamOf({ client, database, signal }).next();
  await data.insertOne({ n: 1 });
  const stream = streamOf({ client, database, signal, startAfter: start.token });
  const { value: first } = await stream.next();
  assert.deepEqual([first.events, first.token.length > 0], [0, true]);
  assert.equal(await firstChanges(stream), 1);
  stop.abort();
});

for (const option of variants(["socketTimeoutMS"], ["timeoutMS"])) {
  ownMongodbTest(
    `changeStream() that is idle does not break off by a ${option} below a second`,
    async (own) => {
      await using client = new MongoClient(`${own.mongodbUrl}&${option}=600`);
      const outages: unknown[] = [];
      const stop = new AbortController();
      const stream = streamOf({
        client,
        database: own.database,
        signal: stop.signal,
        outageBegan: ({ error }) => outages.push(error),
      });
      for (let batch = 0; batch < 5; batch++) await stream.next();
      stop.abort();
      assert.deepEqual(outages, []);
    },
  );
}

ownMongodbTest("changeStream() takes a token that is none for lost history", async (own) => {
  const { mongodb: client, database } = own;
  const { signal } = new AbortController();
  for (const _data of ["82", "zz", "8200000001"]) {
    const stream = streamOf({ client, database, signal, startAfter: BSON.serialize({ _data }) });
    await assert.rejects(stream.next(), isHistoryLost, _data);
  }
});
