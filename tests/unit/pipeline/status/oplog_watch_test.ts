import assert from "node:assert/strict";
import { BSON, type MongoClient } from "mongodb";
import { on, type OplogReach } from "../../../../lib/pipeline/status/events.ts";
import { watchOplog } from "../../../../lib/pipeline/status/oplog_watch.ts";
import { directRoute } from "../../../../lib/source/connection/route.ts";
import { QUIET } from "../../../../lib/util/log.ts";
import { fakeClock, START } from "../../../support/fake_clock.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Watches an oplog whose oldest entry is this one; null for none. */
function watched(oldest: object | null) {
  const clock = fakeClock();
  const seen: OplogReach[] = [];
  let reads = 0;
  const readAgain = () => ++reads === 1 ? Promise.reject(new Error("away")) : Promise.resolve();
  const sizes = [{ size: 250, maxSize: 1_000 }];
  const oplog = {
    findOne: () => Promise.resolve(oldest),
    aggregate: () => ({ toArray: () => Promise.resolve(sizes) }),
  };
  const client = { db: () => ({ collection: () => oplog }) };
  const watch = watchOplog({
    route: directRoute(client as unknown as MongoClient),
    emit: on({ oplogSeen: ({ type: _, ...reach }) => seen.push(reach) }),
    clock,
    mongodbClock: { now: () => clock.time, readAgain },
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
      ...isGrowing && { fullWindow: 4 * window },
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
