import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { MongoServerError } from "mongodb";
import { on } from "../../../../lib/pipeline/status/events.ts";
import { AnswerLimit, type AnswerLimits, PageSize } from "../../../../lib/source/connection/answer_limit.ts";
import { CausalReader } from "../../../../lib/source/connection/causal_reader.ts";
import { changeStream } from "../../../../lib/source/stream/change_stream.ts";
import { connectDeployment } from "../../../../lib/source/connection/deployment.ts";
import { OverdueError } from "../../../../lib/source/connection/mongodb_errors.ts";
import { DocumentReader } from "../../../../lib/source/documents/documents.ts";
import { Scope } from "../../../../lib/source/documents/scope.ts";
import { featureTrial } from "../../../../lib/source/stream/open_stream.ts";
import { OutageTracker, SILENT_MS } from "../../../../lib/util/outage.ts";
import { Shutdown } from "../../../../lib/util/shutdown.ts";
import { fakeClock } from "../../../support/fake_clock.ts";
import { type Answer, FakeMongos, SILENCE } from "../../../support/fake_mongos.ts";

/** Never settles. */
const silence = () => Promise.withResolvers<never>().promise;

const isOverdue = (error: unknown) => error instanceof OverdueError;

Deno.test("AnswerLimit gives up an answer that is overdue, and tells the command", async () => {
  const limit = new AnswerLimit(1);
  let told: unknown;
  const run = limit.run(({ signal }) => {
    signal.addEventListener("abort", () => told = signal.reason);
    return silence();
  }, { beyond: 1 });
  await assert.rejects(run, isOverdue);
  assert.ok(isOverdue(told));
});

Deno.test("AnswerLimit doubles with each answer that is overdue, once for several at a time", async () => {
  const limit = new AnswerLimit(1);
  const tries = () => Array.from({ length: 3 }, () => limit.run(silence));
  for (const expected of [2, 4, 8]) {
    await Promise.allSettled(tries());
    assert.equal(limit.milliseconds, expected);
  }
});

Deno.test("AnswerLimit doubles where the server reports that its time is over", async () => {
  const limit = new AnswerLimit(1_000);
  const expired = new MongoServerError({ message: "operation exceeded time limit", code: 50 });
  await assert.rejects(limit.run(() => Promise.reject(expired)), expired);
  assert.equal(limit.milliseconds, 2_000);
});

Deno.test("AnswerLimit has the time that a slow server needs, however slow that is", async () => {
  const limit = new AnswerLimit(1);
  const slow = () => limit.run(() => delay(50, "answer"));
  let answer: string | undefined;
  while (answer === undefined) answer = await slow().catch(() => undefined);
  assert.equal(await slow(), "answer");
});

Deno.test("AnswerLimit comes back to its first value after quick answers", async () => {
  const limit = new AnswerLimit(1_000);
  await assert.rejects(limit.run(() => Promise.reject(new MongoServerError({ message: "", code: 50 }))));
  for (let answer = 0; answer < 10; answer++) await limit.run(() => Promise.resolve());
  assert.equal(limit.milliseconds, 1_000);
});

Deno.test("AnswerLimit is ended by the signal that is given", async () => {
  const stop = new AbortController();
  const limit = new AnswerLimit(60_000);
  const run = limit.run(
    ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    { signal: stop.signal },
  );
  stop.abort(new Error("stop"));
  await assert.rejects(run, /stop/);
  assert.equal(limit.milliseconds, 60_000);
});

/** So short that a silent connection is found at once. A reply of the fake takes a millisecond. */
const SHORT: AnswerLimits = { read: 200, scan: 200, report: 0, stream: 200 };

/** Answers with silence the first time that a command has this name. */
function silentOnce(name: string): Answer & { readonly met: () => boolean } {
  let isMet = false;
  const answer = (command: Record<string, unknown>) => {
    if (isMet || !(name in command)) return undefined;
    isMet = true;
    return SILENCE;
  };
  return Object.assign(answer, { met: () => isMet });
}

/** An outage tracker, and what it has reported. */
function watched() {
  const reported: unknown[] = [];
  const outages = new OutageTracker({
    system: "MongoDB",
    emit: on({
      outageBegan: ({ error }) => reported.push(error),
      recovered: () => reported.push("recovered"),
    }),
  });
  return { outages, reported };
}

async function connected(answer: Answer, stack: AsyncDisposableStack) {
  const server = stack.use(await FakeMongos.start(answer));
  const deployment = stack.use(await connectDeployment(`mongodb://${server.address}/`));
  return { server, deployment };
}

for (const command of ["aggregate", "getMore"]) {
  Deno.test(`changeStream() goes on after a connection that falls silent at its ${command}`, async () => {
    await using stack = new AsyncDisposableStack();
    const answer = silentOnce(command);
    const { deployment } = await connected(answer, stack);
    const { outages, reported } = watched();
    const stream = changeStream({
      route: deployment.route(),
      scope: new Scope({ databases: ["shop"], collections: ["orders"], exclude: [] }),
      features: featureTrial(() => {}),
      fullDocument: "lookup",
      startAfter: null,
      batchSize: 10,
      retryFor: 60_000,
      signal: new AbortController().signal,
      outages,
      limits: SHORT,
    });
    while (reported.length < 2) await stream.next();
    await stream.return(undefined);
    assert.ok(answer.met());
    assert.ok(isOverdue(reported[0]), String(reported[0]));
    assert.deepEqual(reported.slice(1), ["recovered"]);
  });
}

const ORDERS = { database: "shop", collection: "orders" };

/** What reads, and the command whose connection falls silent. */
const READS: Readonly<Record<string, readonly [string, (reader: CausalReader) => Promise<unknown>]>> = {
  "a look-up": ["aggregate", (reader) => reader.page(ORDERS, { aggregate: "orders", pipeline: [] })],
  "a chunk of a snapshot": ["find", (reader) => reader.page(ORDERS, { find: "orders" }, { abortable: true })],
  "the next page": [
    "getMore",
    (reader) => {
      let pages = 0;
      return reader.page(ORDERS, { find: "orders" }, { goesOn: () => ++pages < 3 });
    },
  ],
  "a whole collection": ["aggregate", (reader) => reader.scan(ORDERS, [], () => true)],
  "a list of collections": ["listCollections", (reader) => reader.exists(ORDERS)],
  "a count": [
    "count",
    (reader) =>
      reader.read((client, options) =>
        client.db("shop").collection("orders").estimatedDocumentCount(options)
      ),
  ],
  "a command of the administrator": [
    "replSetGetConfig",
    (reader) =>
      reader.read((client, options) => client.db("admin").command({ replSetGetConfig: 1 }, options)),
  ],
};

for (const [what, [command, read]] of Object.entries(READS)) {
  Deno.test(`CausalReader reads ${what} again after its connection has fallen silent`, async () => {
    await using stack = new AsyncDisposableStack();
    const silent = silentOnce(command);
    const empty = { ok: 1, n: 0, cursor: { id: 0n, ns: "shop.$cmd", firstBatch: [] } };
    const answer: Answer = (command) =>
      silent(command) ??
        ("listCollections" in command || "count" in command || "aggregate" in command ? empty : undefined);
    const { deployment } = await connected(answer, stack);
    const { outages, reported } = watched();
    const reader = stack.use(
      new CausalReader(deployment.route(), {
        retryFor: 60_000,
        shutdown: new Shutdown(new AbortController().signal),
        outages,
        limits: SHORT,
      }),
    );
    await read(reader);
    assert.ok(silent.met());
    assert.ok(isOverdue(reported[0]), String(reported[0]));
    assert.deepEqual(reported.slice(1), ["recovered"]);
  });
}

Deno.test("CausalReader gives the server its limit, where the reply is all that is read", async () => {
  await using stack = new AsyncDisposableStack();
  const limits: unknown[] = [];
  const { deployment } = await connected(
    ({ maxTimeMS, find }) => void (find && limits.push(maxTimeMS)),
    stack,
  );
  const reader = stack.use(
    new CausalReader(deployment.route(), {
      retryFor: 0,
      shutdown: new Shutdown(new AbortController().signal),
      outages: watched().outages,
    }),
  );
  await reader.page(ORDERS, { find: "orders" });
  assert.deepEqual(limits, [30_000]);
});

for (
  const [abortable, what, allowed] of [[true, "a slow page of a snapshot", 30_000], [
    false,
    "a look-up",
    0,
  ]] as const
) {
  Deno.test(`CausalReader gives ${what} ${allowed / 1_000} s before it counts as silent`, async () => {
    await using stack = new AsyncDisposableStack();
    const asked = Promise.withResolvers<void>();
    const answer: Answer = (command) => "find" in command ? (asked.resolve(), SILENCE) : undefined;
    const { deployment } = await connected(answer, stack);
    const clock = fakeClock();
    const outages = new OutageTracker({ system: "MongoDB", emit: () => {}, clock });
    const stop = new AbortController();
    const shutdown = new Shutdown(stop.signal);
    const reader = stack.use(new CausalReader(deployment.route(), { retryFor: 0, shutdown, outages }));
    const page = reader.page(ORDERS, { find: "orders" }, { abortable }).catch(() => {});
    await asked.promise;
    clock.pass(allowed + SILENT_MS - 1);
    outages.check();
    assert.ok(!outages.active);
    clock.pass(1);
    outages.check();
    assert.ok(outages.active);
    stop.abort();
    await deployment[Symbol.asyncDispose]();
    await page;
  });
}

Deno.test("DocumentReader returns a query that MongoDB needs too long for, which is no outage", async () => {
  await using stack = new AsyncDisposableStack();
  const limits: unknown[] = [];
  const { deployment } = await connected(({ find, maxTimeMS }) => {
    if (!find) return undefined;
    limits.push(maxTimeMS);
    return { ok: 0, code: 50, codeName: "MaxTimeMSExpired", errmsg: "operation exceeded time limit" };
  }, stack);
  const { outages, reported } = watched();
  const shutdown = new Shutdown(new AbortController().signal);
  const reader = stack.use(new CausalReader(deployment.route(), { retryFor: 60_000, shutdown, outages }));
  const documents = new DocumentReader(reader, { for: () => ({ transform: [], key: "_id" }), size: 10 });
  const keys = () => documents.keysMatching(ORDERS, { $where: "slow()" }, { after: null, atMost: 10 });
  for (let tries = 0; tries < 2; tries++) await assert.rejects(keys(), { code: 50 });
  assert.deepEqual(limits, [30_000, 60_000]);
  assert.deepEqual(reported, []);
});

const MEGABYTE = 2 ** 20;

Deno.test("PageSize asks for as many documents as fill a reply", () => {
  const size = new PageSize(4 * MEGABYTE);
  assert.equal(size.documents, 100);
  size.read(100, 100 * 40_000);
  assert.equal(size.documents, 104);
  size.read(1, 15 * MEGABYTE);
  assert.equal(size.documents, 1);
});

Deno.test("PageSize trusts small documents by and by", () => {
  const size = new PageSize(4 * MEGABYTE);
  size.read(4, 4 * MEGABYTE);
  assert.equal(size.documents, 4);
  size.read(4, 4 * 100);
  assert.equal(size.documents, 7);
  for (let n = 0; n < 20; n++) size.read(1_000, 100_000);
  assert.ok(size.documents > 10_000);
});

Deno.test("PageSize learns nothing of an empty reply", () => {
  const size = new PageSize(MEGABYTE);
  size.read(0, 0);
  assert.equal(size.documents, 100);
});
