import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { cdcOfChanges } from "../../../../lib/pipeline/collections/cdc_of_changes.ts";
import { jsonOfBytes } from "../../../../lib/util/json_writer.ts";

const WRITTEN = 1_793_491_200_250;
const AT = 1_793_491_200_000;

Deno.test("cdcOfChanges() has operation and times, and marks a delete with the time of its event", () => {
  const deps = {
    table: { schema: "doc", name: "t", hasOverflow: true, cdc: "set" },
    settings: { deletes: "soft" },
    causalReader: { time: new BSON.Timestamp({ t: AT / 1_000 - 1, i: 1 }) },
    clock: { now: () => WRITTEN },
  } as const;
  const of = cdcOfChanges(deps, "snapshot");
  const document = new Uint8Array();
  const parsed = (...args: Parameters<typeof of>) => JSON.parse(jsonOfBytes(of(...args) ?? new Uint8Array()));
  assert.deepEqual(parsed({ document, operation: "update", clusterTime: AT }), {
    op: "update",
    cluster_time: AT,
    written_at: WRITTEN,
  });
  assert.deepEqual(parsed({ document }), { op: "snapshot", cluster_time: AT - 1_000, written_at: WRITTEN });
  assert.equal(parsed({ document, clusterTime: null }).cluster_time, null);
  const mark = { op: "delete", cluster_time: AT, written_at: WRITTEN, deleted_at: AT };
  const gone = { document: null, operation: "delete", clusterTime: AT } as const;
  assert.deepEqual(parsed(gone), mark);
  assert.equal(of(gone), of(gone));
  assert.equal(of({ ...gone, refusal: "too large" }), undefined);
});
