import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { batchesOfReply } from "../../../support/batches_of_reply.ts";

const token = (data: string) => BSON.serialize({ _data: data });

const event = (data: string, operationType: string): Document => ({
  _id: { _data: data },
  operationType,
  ns: { db: "shop", coll: "orders" },
  ...operationType === "delete" && { documentKey: { _id: 1 } },
});

/** The token before the event of each batch, and after its changes. */
const placesOf = (events: readonly Document[]) =>
  batchesOfReply(events, { before: token("before"), after: token("after") })
    .map(({ tokenBeforeEvent }) => tokenBeforeEvent && BSON.deserialize(tokenBeforeEvent)._data);

Deno.test("batchesOf() returns the token right before an event of a collection", () => {
  assert.deepEqual(placesOf([event("1", "delete"), event("2", "drop"), event("3", "rename")]), [
    "1",
    "2",
    undefined,
  ]);
  assert.deepEqual(placesOf([event("1", "drop")]), ["before", undefined]);
});

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

Deno.test("batchesOf() returns the wall time of the newest event of a batch", () => {
  assert.deepEqual(wallTimesOf([change(FIRST), change(LAST)]), [LAST.getTime()]);
});

Deno.test("batchesOf() returns the wall time of an event that ends a batch", () => {
  const drop = { ...change(FIRST), operationType: "drop" };
  assert.deepEqual(wallTimesOf([drop, change(LAST)]), [FIRST.getTime(), LAST.getTime()]);
});

Deno.test("batchesOf() returns no wall time without events or if MongoDB sends none", () => {
  assert.deepEqual(wallTimesOf([]), [undefined]);
  assert.deepEqual(wallTimesOf([change(FIRST), change()]), [undefined]);
});
