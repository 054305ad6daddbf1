import assert from "node:assert/strict";
import type { Document } from "mongodb";
import { batchesOfReply } from "../../../support/batches_of_reply.ts";

const FIRST = new Date(1_800_000_000_123);
const LAST = new Date(1_800_000_001_456);

const change = (wallTime?: Date): Document => ({
  _id: { _data: "82" },
  operationType: "delete",
  ...wallTime && { wallTime },
  ns: { db: "shop", coll: "orders" },
  documentKey: { _id: 1, wallTime: new Date(0) },
});

const wallTimesOf = (events: readonly Document[]) => batchesOfReply(events).map(({ wallTime }) => wallTime);

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
