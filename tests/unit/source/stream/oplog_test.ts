import assert from "node:assert/strict";
import { BSON, type MongoClient, MongoServerError } from "mongodb";
import {
  filledShare,
  minRetention,
  oldestEntry,
  OplogHiddenError,
} from "../../../../lib/source/stream/oplog.ts";
import { directRoute } from "../../../../lib/source/connection/route.ts";

const ts = new BSON.Timestamp({ t: 1_800_000_000, i: 1 });

const routeTo = (entry: object | null) =>
  directRoute({
    db: () => ({ collection: () => ({ findOne: () => Promise.resolve(entry) }) }),
  } as unknown as MongoClient);

Deno.test("oldestEntry() of an oplog that begins with its replica set: it has dropped nothing", async () => {
  const entry = { ts, op: "n", o: { msg: "initiating set" } };
  assert.deepEqual(await oldestEntry(routeTo(entry)), { time: 1_800_000_000_000, isFirst: true });
});

for (const entry of [{ ts, op: "n", o: { msg: "periodic noop" } }, { ts, op: "i", o: {} }, { ts, op: "i" }]) {
  Deno.test(`oldestEntry() of an oplog that begins with ${JSON.stringify(entry)}`, async () => {
    assert.equal((await oldestEntry(routeTo(entry))).isFirst, false);
  });
}

Deno.test("oldestEntry() of a deployment without an oplog", async () => {
  await assert.rejects(oldestEntry(routeTo(null)), OplogHiddenError);
});

Deno.test("filledShare() is the size by the maximum size; unknown without sizes or the right to ask", async () => {
  const shareOf = (answer: () => Promise<object[]>) => {
    const oplog = { aggregate: () => ({ toArray: answer }) };
    return filledShare(directRoute({ db: () => ({ collection: () => oplog }) } as unknown as MongoClient));
  };
  assert.equal(await shareOf(() => Promise.resolve([{ size: 250, maxSize: 1_000 }])), 0.25);
  assert.equal(await shareOf(() => Promise.resolve([{}])), undefined);
  assert.equal(await shareOf(() => Promise.resolve([])), undefined);
  const hidden = new MongoServerError({ message: "not authorized", code: 13 });
  assert.equal(await shareOf(() => Promise.reject(hidden)), undefined);
  const away = new Error("no primary");
  await assert.rejects(shareOf(() => Promise.reject(away)), away);
});

Deno.test("minRetention() is in milliseconds; 0 if none is set; unknown without a status or the right to ask", async () => {
  const retentionOf = (command: () => Promise<object>) =>
    minRetention(directRoute({ db: () => ({ command }) } as unknown as MongoClient));
  const answering = (answer: object) => retentionOf(() => Promise.resolve(answer));
  assert.equal(await answering({ oplogTruncation: { oplogMinRetentionHours: 0.5 } }), 1_800_000);
  assert.equal(await answering({ oplogTruncation: {} }), 0);
  assert.equal(await answering({}), undefined);
  const hidden = new MongoServerError({ message: "not authorized", code: 13 });
  assert.equal(await retentionOf(() => Promise.reject(hidden)), undefined);
  const away = new Error("no primary");
  await assert.rejects(retentionOf(() => Promise.reject(away)), away);
});
