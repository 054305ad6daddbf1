import assert from "node:assert/strict";
import { BSON, type Document, MongoServerError } from "mongodb";
import { changeStream, readingMs } from "../../../../lib/source/stream/change_stream.ts";
import { connectDeployment, type Deployment } from "../../../../lib/source/connection/deployment.ts";
import { isHistoryLost } from "../../../../lib/source/connection/mongodb_errors.ts";
import { awaitMs, featureTrial } from "../../../../lib/source/stream/open_stream.ts";
import { Scope } from "../../../../lib/source/documents/scope.ts";
import { UserError } from "../../../../lib/util/errors.ts";
import { OutageTracker, SILENT_MS } from "../../../../lib/util/outage.ts";
import { fakeClock } from "../../../support/fake_clock.ts";
import { type Answer, FakeMongos, SILENCE } from "../../../support/fake_mongos.ts";

const SPLIT = "$changeStreamSplitLargeEvent";
const EXPANDED = "showExpandedEvents";
const TOKEN = BSON.serialize({ _data: "82" });

interface Opening {
  readonly answer: Answer;
  readonly startAfter?: Uint8Array;
  /** @default 1 */
  readonly batches?: number;
}

interface StreamOptions extends Pick<Opening, "startAfter"> {
  readonly onRefused?: (names: readonly string[]) => void;
}

const streamOf = (deployment: Deployment, { startAfter, onRefused = () => {} }: StreamOptions = {}) =>
  changeStream({
    route: deployment.route(),
    scope: new Scope({ databases: ["shop"], collections: ["orders"], exclude: [] }),
    features: featureTrial(onRefused),
    fullDocument: "updateLookup",
    startAfter: startAfter ?? null,
    batchSize: 10,
    retryFor: 60_000,
    signal: new AbortController().signal,
    outages: new OutageTracker({ system: "MongoDB", emit: () => {} }),
  });

/** Reads so many batches of a service. */
async function read({ answer, startAfter, batches = 1 }: Opening) {
  await using server = await FakeMongos.start(answer);
  await using deployment = await connectDeployment(`mongodb://${server.address}/`);
  const refused: (readonly string[])[] = [];
  const stream = streamOf(deployment, {
    ...startAfter && { startAfter },
    onRefused: (names) => refused.push(names),
  });
  try {
    for (let batch = 0; batch < batches; batch++) await stream.next();
  } finally {
    await stream.return(undefined);
  }
  return { refused, commands: server.commands };
}

const error = (code: number, errmsg = "refused"): Document => ({ ok: 0, code, codeName: "Refused", errmsg });

const has = (command: Document, feature: string) => JSON.stringify(command.pipeline ?? "").includes(feature);

/** What the service refuses, with which code, and how often it is asked until the stream is open. */
const REFUSALS: readonly (readonly [refused: readonly string[], code: number, asked: number])[] = [
  [[SPLIT], 8000, 2],
  [[SPLIT], 40324, 2],
  [[EXPANDED], 40415, 3],
  [[SPLIT, EXPANDED], 303, 4],
  [[SPLIT, EXPANDED], 9, 4],
];

for (const [features, code, asked] of REFUSALS) {
  for (const startAfter of [undefined, TOKEN]) {
    const how = startAfter ? "resumes" : "opens";
    Deno.test(`changeStream() ${how} without ${features.join(" and ")}, refused with code ${code}`, async () => {
      const answer: Answer = (command) =>
        features.some((each) => has(command, each)) ? error(code) : undefined;
      const { refused, commands } = await read({ answer, ...startAfter && { startAfter } });
      assert.deepEqual(refused, [features]);
      assert.equal(commands.filter((each) => each === "aggregate").length, asked);
    });
  }
}

Deno.test("changeStream() remembers what the service refuses when it opens again", async () => {
  let failures = 0;
  const answer: Answer = (command) => {
    if (has(command, SPLIT)) return error(8000);
    return command.getMore && failures++ === 0 ? error(189) : undefined;
  };
  const { refused, commands } = await read({ answer, batches: 3 });
  assert.deepEqual(refused, [[SPLIT]]);
  assert.equal(commands.filter((each) => each === "aggregate").length, 3);
});

Deno.test("featureTrial() remembers what a service supports if several streams open at once", async () => {
  const trial = featureTrial(() => {});
  const open = (features: readonly string[]) =>
    features.includes(SPLIT)
      ? Promise.reject(new MongoServerError({ message: "refused", code: 40_324 }))
      : Promise.resolve(features);
  const opened = await Promise.all(Array.from({ length: 5 }, () => trial(open)));
  assert.deepEqual([...opened, await trial(open)], Array(6).fill([EXPANDED]));
});

Deno.test("changeStream() opens when the primary has changed, as a relay starts or begins again", async () => {
  let failures = 2;
  const answer: Answer = ({ aggregate }) => aggregate && failures-- > 0 ? error(189) : undefined;
  const { refused, commands } = await read({ answer });
  assert.deepEqual(refused, []);
  assert.equal(commands.filter((each) => each === "aggregate").length, 3);
});

Deno.test("changeStream() tries no features where the user may not read", async () => {
  let asked = 0;
  const answer: Answer = ({ aggregate }) => aggregate && ++asked ? error(13) : undefined;
  await assert.rejects(read({ answer }), (error) => error instanceof MongoServerError && error.code === 13);
  assert.equal(asked, 1);
});

for (const code of [2, 9, 15, 40_649]) {
  Deno.test(`changeStream() takes a token that is refused with code ${code} for lost history`, async () => {
    const answer: Answer = (command) => has(command, "startAfter") ? error(code) : undefined;
    await assert.rejects(read({ answer, startAfter: TOKEN }), isHistoryLost);
  });

  Deno.test(`changeStream() passes code ${code} on where the stream opens without a token neither`, async () => {
    const answer: Answer = ({ aggregate }) => aggregate ? error(code, "Invalid resume token") : undefined;
    await assert.rejects(read({ answer, startAfter: TOKEN }), (error) => !isHistoryLost(error));
  });
}

Deno.test("changeStream() keeps a token that is refused once only", async () => {
  let refusals = 4; // One for each choice of features.
  const answer: Answer = (command) => has(command, "startAfter") && refusals-- > 0 ? error(1) : undefined;
  const { refused } = await read({ answer, startAfter: TOKEN });
  assert.deepEqual(refused, []);
});

Deno.test("changeStream() says that a service without postBatchResumeToken is no MongoDB", async () => {
  const answer: Answer = ({ aggregate }) =>
    aggregate ? { ok: 1, cursor: { id: BSON.Long.ZERO, ns: "shop.orders", firstBatch: [] } } : undefined;
  await assert.rejects(
    read({ answer }),
    (error) => error instanceof UserError && /no MongoDB/.test(error.message),
  );
});

for (const [refusals, isTried] of [[1, true], [2, true], [3, false]] as const) {
  Deno.test(`changeStream() with a login that is refused ${refusals} times in a row while it runs`, async () => {
    let left = refusals as number;
    const answer: Answer = ({ getMore }) => getMore && left-- > 0 ? error(18) : undefined;
    const reading = read({ answer, batches: 5 });
    if (isTried) await reading;
    else await assert.rejects(reading, (error) => error instanceof MongoServerError && error.code === 18);
  });
}

/** Projects names of the event, as what follows an event that is too large does. */
const asksFor = ({ pipeline }: Document): Document | undefined => pipeline?.at(-1)?.$project;

const tooLarge = error(10334, "BSONObj size is invalid");

/** An event that fails, and what can be read of it. */
const LARGE: readonly (readonly [string, (names: Document) => Document | undefined, RegExp])[] = [
  [
    "is named",
    () => ({ ns: { db: "shop", coll: "orders" }, documentKey: { _id: 7 } }),
    /: shop\.orders {"_id":7}$/,
  ],
  [
    "is named without its key",
    ({ documentKey }) => documentKey ? undefined : { ns: { db: "shop", coll: "orders" } },
    /: in shop\.orders, with a key that is too large to show$/,
  ],
  ["cannot be named", () => undefined, /: in shop\.orders, with a key that is too large to show$/],
];

for (const [how, readable, message] of LARGE) {
  Deno.test(`changeStream() says which event is too large, where it ${how}`, async () => {
    let failures = 1;
    const answer: Answer = (command) => {
      if (command.getMore) return tooLarge;
      const names = command.aggregate && asksFor(command);
      if (!names) return undefined;
      if (failures-- > 0) return error(189, "not primary");
      const event = readable(names);
      return event
        ? {
          ok: 1,
          cursor: { id: BSON.Long.fromNumber(77), ns: "shop.orders", firstBatch: [{ _id: {}, ...event }] },
        }
        : tooLarge;
    };
    await using server = await FakeMongos.start(answer);
    await using deployment = await connectDeployment(`mongodb://${server.address}/`);
    const stream = streamOf(deployment);
    await assert.rejects(
      Array.fromAsync(stream),
      (error) =>
        error instanceof UserError && message.test(error.message) &&
        /--snapshot always/.test(error.hint ?? ""),
    );
    const isNamed = message.source.includes('"_id"') || how.includes("without");
    assert.equal(server.closed.includes("77"), isNamed);
  });
}

Deno.test("changeStream() gives the events before one that is too large", async () => {
  const sizes: unknown[] = [];
  const answer: Answer = (command) => {
    if (asksFor(command)) {
      return { ok: 1, cursor: { id: BSON.Long.ZERO, ns: "shop.orders", firstBatch: [{ _id: {} }] } };
    }
    if (!command.getMore) return undefined;
    sizes.push(command.batchSize);
    // Two events come before it.
    return command.batchSize > 1 || sizes.length > 3 ? tooLarge : undefined;
  };
  await using server = await FakeMongos.start(answer);
  await using deployment = await connectDeployment(`mongodb://${server.address}/`);
  const stream = streamOf(deployment);
  let batches = 0;
  const all = async () => {
    for await (const { events } of stream) batches += 1 + events;
  };
  await assert.rejects(all(), UserError);
  assert.deepEqual(sizes, [10, 1, 1, 1]);
  assert.equal(batches, 4); // Each opening gives an empty one.
});

for (const code of [170, 280]) {
  const answerTo = (isAmbiguous: (lookup: boolean) => boolean): Answer => {
    let lookup = false;
    return (command) => {
      if (command.aggregate) lookup = has(command, "updateLookup");
      return command.getMore && isAmbiguous(lookup) ? error(code, "found more than one document") : undefined;
    };
  };

  Deno.test(`changeStream() goes on without looking up what is ambiguous, code ${code}`, async () => {
    const { commands } = await read({ answer: answerTo((lookup) => lookup), batches: 5 });
    assert.equal(commands.filter((each) => each === "aggregate").length, 2);
  });

  Deno.test(`changeStream() passes code ${code} on that has nothing to do with looking up`, async () => {
    await assert.rejects(
      read({ answer: answerTo(() => true), batches: 5 }),
      (error) => error instanceof MongoServerError && error.code === code,
    );
  });
}

const AWAITS = [
  [{}, 1_000],
  [{ socketTimeoutMS: 0 }, 1_000],
  [{ socketTimeoutMS: 800 }, 400],
  [{ socketTimeoutMS: 1_500, timeoutMS: 1_000 }, 500],
  [{ socketTimeoutMS: 60_000 }, 1_000],
  [{ socketTimeoutMS: 1 }, 1],
] as const;

for (const [options, expected] of AWAITS) {
  Deno.test(`awaitMs() of ${JSON.stringify(options)}`, () => assert.equal(awaitMs(options), expected));
}

Deno.test("awaitMs() after a batch with events is short", () => {
  assert.equal(awaitMs({}, { wasBusy: true }), 100);
  assert.equal(awaitMs({ socketTimeoutMS: 80 }, { wasBusy: true }), 40);
});

for (
  const [idle, expected] of [[-5, 0], [1_000, 100], [3_600_000, 360_000], [86_400_000, 600_000]] as const
) {
  Deno.test(`readingMs() of an oplog of ${idle} ms`, () => assert.equal(readingMs(idle), expected));
}

for (const command of ["aggregate", "getMore"]) {
  Deno.test(`changeStream() lets a server read the oplog of a pause before its ${command} counts as silent`, async () => {
    const asked = Promise.withResolvers<void>();
    const answer: Answer = (document) => command in document ? (asked.resolve(), SILENCE) : undefined;
    await using server = await FakeMongos.start(answer);
    await using deployment = await connectDeployment(`mongodb://${server.address}/`);
    const clock = fakeClock();
    const outages = new OutageTracker({ system: "MongoDB", emit: () => {}, clock });
    const stop = new AbortController();
    const hourAgo = Math.floor(Date.now() / 1_000) - 3_600;
    const stream = changeStream({
      route: deployment.route(),
      scope: new Scope({ databases: ["shop"], collections: ["orders"], exclude: [] }),
      features: featureTrial(() => {}),
      fullDocument: "lookup",
      startAfter: BSON.serialize({ _data: `82${hourAgo.toString(16).padStart(8, "0")}00000001` }),
      batchSize: 10,
      retryFor: 60_000,
      signal: stop.signal,
      outages,
    });
    const reading = Array.fromAsync(stream);
    await asked.promise;
    clock.pass(350_000);
    outages.check();
    assert.deepEqual([outages.waited, outages.active], [0, false]);
    clock.pass(20_000 + SILENT_MS);
    outages.check();
    assert.ok(outages.active);
    stop.abort();
    await reading;
  });
}
