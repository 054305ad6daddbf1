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

/** The place before the event of each batch, and after its changes. */
const placesOf = (events: readonly Document[]) =>
  batchesOfReply(events, { before: token("before"), after: token("after") })
    .map(({ tokenBeforeEvent }) => tokenBeforeEvent && BSON.deserialize(tokenBeforeEvent)._data);

Deno.test("batchesOf() tells the place right before an event of a collection", () => {
  assert.deepEqual(placesOf([event("1", "delete"), event("2", "drop"), event("3", "rename")]), [
    "1",
    "2",
    undefined,
  ]);
  assert.deepEqual(placesOf([event("1", "drop")]), ["before", undefined]);
});
