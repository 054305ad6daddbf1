import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { fieldsByName } from "../../../lib/bson/bson.ts";
import { batchesOf } from "../../../lib/source/change_stream.ts";
import { SplitEvents } from "../../../lib/source/split_events.ts";

const token = (data: string) => BSON.serialize({ _data: data });

const event = (data: string, operationType: string): Document => ({
  _id: { _data: data },
  operationType,
  ns: { db: "shop", coll: "orders" },
  ...operationType === "delete" && { documentKey: { _id: 1 } },
});

/** The place before the event of each batch, and after its changes. */
function placesOf(events: readonly Document[]) {
  const batch = fieldsByName(BSON.serialize({ batch: events })).get("batch");
  assert.ok(batch);
  const reply = {
    cursorId: 1n,
    collection: "orders",
    batch,
    token: token("after"),
    operationTime: undefined,
  };
  return [...batchesOf(reply, { split: new SplitEvents(), token: token("before") })]
    .map(({ tokenBeforeEvent }) => tokenBeforeEvent && BSON.deserialize(tokenBeforeEvent)._data);
}

Deno.test("batchesOf() tells the place right before an event of a collection", () => {
  assert.deepEqual(placesOf([event("1", "delete"), event("2", "drop"), event("3", "rename")]), [
    "1",
    "2",
    undefined,
  ]);
  assert.deepEqual(placesOf([event("1", "drop")]), ["before", undefined]);
});
