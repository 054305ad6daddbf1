import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { fieldsByName } from "../../../lib/bson/bson.ts";
import { batchesOf } from "../../../lib/source/change_stream.ts";
import { SplitEvents } from "../../../lib/source/split_events.ts";

const FIRST = new Date(1_800_000_000_123);
const LAST = new Date(1_800_000_001_456);

const change = (wallTime?: Date): Document => ({
  _id: { _data: "82" },
  operationType: "delete",
  ...wallTime && { wallTime },
  ns: { db: "shop", coll: "orders" },
  documentKey: { _id: 1, wallTime: new Date(0) },
});

function wallTimesOf(events: readonly Document[]) {
  const batch = fieldsByName(BSON.serialize({ batch: events })).get("batch");
  assert.ok(batch);
  const reply = {
    cursorId: 1n,
    collection: "orders",
    batch,
    token: new Uint8Array(),
    operationTime: undefined,
  };
  return [...batchesOf(reply, { split: new SplitEvents(), token: null })].map(({ wallTime }) => wallTime);
}

Deno.test("batchesOf() tells when the newest event of a batch was written", () => {
  assert.deepEqual(wallTimesOf([change(FIRST), change(LAST)]), [LAST.getTime()]);
});

Deno.test("batchesOf() tells it of an event that ends a batch too", () => {
  const drop = { ...change(FIRST), operationType: "drop" };
  assert.deepEqual(wallTimesOf([drop, change(LAST)]), [FIRST.getTime(), LAST.getTime()]);
});

Deno.test("batchesOf() tells no time of no events, and none where MongoDB tells none", () => {
  assert.deepEqual(wallTimesOf([]), [undefined]);
  assert.deepEqual(wallTimesOf([change(FIRST), change()]), [undefined]);
});
