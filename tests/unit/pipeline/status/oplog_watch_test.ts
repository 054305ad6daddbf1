import assert from "node:assert/strict";
import { BSON, type MongoClient, MongoServerError } from "mongodb";
import { on, type OplogReach } from "../../../../lib/pipeline/status/events.ts";
import { oplogReader, watchOplog } from "../../../../lib/pipeline/status/oplog_watch.ts";
import { directRoute } from "../../../../lib/source/connection/route.ts";
import { QUIET } from "../../../../lib/util/log.ts";
import { fakeClock, START } from "../../../support/fake_clock.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

interface Answers {
  /** The oldest entry of the oplog; null for none. */
  readonly oldest: object | null;
  readonly sizes?: object[] | Error;
  readonly status?: object | Error;
}

const settled = (answer: object | Error) =>
  answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);

/** Reads this oplog. `asked` has what MongoDB was asked for beside the oldest entry. */
function reading({ oldest, sizes = [{ size: 250, maxSize: 1_000 }], status = {} }: Answers) {
  const clock = fakeClock();
  const asked: string[] = [];
  const ask = (what: string, answer: object | Error) => {
    asked.push(what);
    return settled(answer);
  };
  const oplog = {
    findOne: () => Promise.resolve(oldest),
    aggregate: () => ({ toArray: () => ask("sizes", sizes) }),
  };
  const client = { db: () => ({ collection: () => oplog, command: () => ask("status", status) }) };
  const route = directRoute(client as unknown as MongoClient);
  return { clock, asked, route, oplog: oplogReader({ route, mongodbClock: clock, clock }) };
}

/** Watches an oplog whose oldest entry is this one; null for none. */
function watched(oldest: object | null) {
  const { clock, route, oplog } = reading({ oldest });
  const seen: OplogReach[] = [];
  let reads = 0;
  const readAgain = () => ++reads === 1 ? Promise.reject(new Error("away")) : Promise.resolve();
  const watch = watchOplog({
    route,
    oplog,
    emit: on({ oplogSeen: ({ type: _, ...reach }) => seen.push(reach) }),
    clock,
    mongodbClock: { readAgain },
    log: QUIET,
  });
  const settle = async () => {
    for (let turn = 0; turn < 50; turn++) await null;
  };
  return {
    seen,
    reads: () => reads,
    async pass(milliseconds: number) {
      await settle();
      clock.pass(milliseconds);
      await settle();
    },
    [Symbol.dispose]: () => watch[Symbol.dispose](),
  };
}

const ts = new BSON.Timestamp({ t: (START - HOUR) / 1_000, i: 1 });

Deno.test("watchOplog() reports every minute how far the oplog reaches back, and whether it still grows", async () => {
  for (const [op, isGrowing] of [["n", true], ["i", false]] as const) {
    using watch = watched({ ts, op, o: { msg: "initiating set" } });
    await watch.pass(MINUTE);
    const oldest = START - HOUR;
    const reach = (window: number) => ({
      ...{ oldest, window, isGrowing },
      fullWindow: isGrowing ? 4 * window : window,
    });
    assert.deepEqual(watch.seen, [reach(HOUR), reach(HOUR + MINUTE)]);
  }
});

Deno.test("watchOplog() reads MongoDB's clock every minute, also without an oplog, and when that has failed", async () => {
  using watch = watched(null);
  await watch.pass(MINUTE);
  assert.equal(watch.reads(), 1);
  await watch.pass(MINUTE);
  await watch.pass(MINUTE);
  assert.deepEqual([watch.reads(), watch.seen], [3, []]);
});

const GROWING = { ts, op: "n", o: { msg: "initiating set" } };
const REFUSED = new MongoServerError({ message: "not authorized", code: 13 });

Deno.test("oplogReader() asks for what the user may not read once, and again after an hour", async () => {
  const { oplog, clock, asked } = reading({ oldest: GROWING, sizes: REFUSED });
  for (let second = 0; second < 100; second++) {
    assert.equal((await oplog()).fullWindow, undefined);
    clock.pass(1_000);
  }
  assert.deepEqual(asked, ["sizes"]);
  clock.pass(HOUR);
  await oplog();
  assert.deepEqual(asked, ["sizes", "sizes"]);
});

Deno.test("oplogReader() asks again after an error that passes", async () => {
  const away = new Error("no primary");
  const { oplog, asked } = reading({ oldest: GROWING, sizes: away });
  await assert.rejects(oplog(), away);
  await assert.rejects(oplog(), away);
  assert.deepEqual(asked, ["sizes", "sizes"]);
});

const keeps = (hours: number) => ({ oplogTruncation: { oplogMinRetentionHours: hours } });

for (
  const [what, answers, hours] of [
    ["of a full oplog", { oldest: { ts } }, 1],
    ["of a full oplog with a longer minimum time", { oldest: { ts }, status: keeps(72) }, 72],
    ["of a full oplog with a shorter minimum time", { oldest: { ts }, status: keeps(0.5) }, 1],
    ["of a growing oplog", { oldest: GROWING }, 4],
    ["of a growing oplog with a longer minimum time", { oldest: GROWING, status: keeps(72) }, 72],
    ["of a growing oplog with a shorter minimum time", { oldest: GROWING, status: keeps(2) }, 4],
    ["of a growing oplog whose minimum time may not be read", { oldest: GROWING, status: REFUSED }, 4],
    ["of an oplog that has outgrown its size", { oldest: GROWING, sizes: [{ size: 3, maxSize: 2 }] }, 1],
    ["of one that has done so for a minimum time", {
      oldest: GROWING,
      sizes: [{ size: 3, maxSize: 2 }],
      status: keeps(72),
    }, 72],
  ] as const satisfies readonly (readonly [string, Answers, number])[]
) {
  Deno.test(`oplogReader() has the window when MongoDB drops the oldest entry, ${what}`, async () => {
    assert.equal((await reading(answers).oplog()).fullWindow, hours * HOUR);
  });
}

Deno.test("oplogReader() reads the minimum time once a minute, and the size each time", async () => {
  const { oplog, clock, asked } = reading({ oldest: GROWING, status: keeps(72) });
  for (let second = 0; second < 2; second++) {
    await oplog();
    clock.pass(1_000);
  }
  clock.pass(MINUTE);
  await oplog();
  assert.deepEqual(asked, ["sizes", "status", "sizes", "sizes", "status"]);
});
