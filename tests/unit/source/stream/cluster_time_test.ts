import assert from "node:assert/strict";
import { BSON } from "mongodb";
import {
  clusterTimeFields,
  clusterTimeText,
  LAST_ORDINAL,
} from "../../../../lib/source/stream/cluster_time.ts";

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
