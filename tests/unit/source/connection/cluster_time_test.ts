import assert from "node:assert/strict";
import { BSON, type MongoClient } from "mongodb";
import { LAST_ORDINAL } from "../../../../lib/bson/library.ts";
import {
  clusterTimeFields,
  clusterTimeText,
  serverClock,
} from "../../../../lib/source/connection/cluster_time.ts";
import type { CausalReader } from "../../../../lib/source/connection/causal_reader.ts";
import { fakeClock } from "../../../support/fake_clock.ts";

const at = (i: number) => new BSON.Timestamp({ t: 1_893_456_000, i });

Deno.test("clusterTimeText() is the second and the operation in it", () => {
  assert.equal(clusterTimeText(at(3)), "2030-01-01T00:00:00.000Z (3)");
  assert.equal(clusterTimeText(at(LAST_ORDINAL)), "2030-01-01T00:00:00.000Z (all of that second)");
});

Deno.test("clusterTimeFields() are an ISO time, and the time as drivers have it", () => {
  assert.deepEqual(clusterTimeFields(at(3)), {
    cluster_time: "2030-01-01T00:00:00.000Z",
    operation_time: "1893456000:3",
  });
  assert.deepEqual(clusterTimeFields(undefined), { cluster_time: null, operation_time: null });
});

/** A server whose clock differs by `ahead`, and this machine's clock, which moves while the server is asked. */
function serverOf({ ahead = 0, roundTrip = 200, isTold = true } = {}) {
  const clock = fakeClock();
  const server = { ahead, roundTrip };
  const command = () => {
    const localTime = new Date(clock.time + server.roundTrip / 2 + server.ahead);
    clock.pass(server.roundTrip);
    return Promise.resolve(isTold ? { localTime } : {});
  };
  const client = { db: () => ({ command }) } as unknown as MongoClient;
  const read: CausalReader["read"] = (work) => work(client, {} as Parameters<typeof work>[1]);
  return { clock, server, client, reader: { read } };
}

for (const [what, ahead] of [["ahead", 90_000], ["behind", -90_000]] as const) {
  Deno.test(`serverClock() of a server whose clock is ${what}`, async () => {
    const { reader, clock } = serverOf({ ahead });
    const mongodbClock = await serverClock(reader, clock);
    clock.pass(7);
    assert.equal(mongodbClock.now(), clock.time + ahead);
  });
}

Deno.test("serverClock() is this machine's clock if the server does not say its time", async () => {
  const { reader, clock } = serverOf({ isTold: false });
  clock.step = 5_000;
  assert.equal((await serverClock(reader, clock)).now(), clock.now());
});

Deno.test("serverClock() does not follow a change of this machine's clock", async () => {
  const { reader, clock } = serverOf({ ahead: 30 });
  const mongodbClock = await serverClock(reader, clock);
  clock.step = -3_600_000;
  assert.equal(mongodbClock.now(), clock.time + 30);
});

Deno.test("serverClock() follows the server's clock once it is read again, unless that took long", async () => {
  const { reader, client, clock, server } = serverOf();
  const mongodbClock = await serverClock(reader, clock);
  Object.assign(server, { ahead: -60_000, roundTrip: 9_000 });
  await mongodbClock.readAgain(client);
  assert.equal(mongodbClock.now(), clock.time);
  server.roundTrip = 10;
  await mongodbClock.readAgain(client);
  assert.equal(mongodbClock.now(), clock.time - 60_000);
});
