import assert from "node:assert/strict";
import { CDC_COLUMN, cdcOfBatch, hasCdc } from "../../../../lib/sink/table/cdc_column.ts";
import { definedColumns } from "../../../../lib/sink/table/show_create_table.ts";
import { jsonOfBytes } from "../../../../lib/util/json_writer.ts";

const WRITTEN = 1_793_491_200_250;
const AT = 1_793_491_200_000;

Deno.test("cdcOfBatch() has operation and times, and marks a delete with the time of its event", () => {
  const of = cdcOfBatch(WRITTEN, AT - 1_000);
  const text = (...args: Parameters<typeof of>) => JSON.parse(jsonOfBytes(of(...args)));
  assert.deepEqual(text("update", AT), { op: "update", cluster_time: AT, written_at: WRITTEN });
  assert.deepEqual(text("snapshot"), { op: "snapshot", cluster_time: AT - 1_000, written_at: WRITTEN });
  assert.deepEqual(text("repair", null), { op: "repair", cluster_time: null, written_at: WRITTEN });
  const mark = { op: "delete", cluster_time: AT, written_at: WRITTEN, deleted_at: AT };
  assert.deepEqual(text("delete", AT), mark);
  assert.equal(of("delete", AT), of("delete", AT));
});

Deno.test("hasCdc() needs each member of the column with its type", () => {
  const lines = CDC_COLUMN.split("\n").slice(1, -1).map((line) => line.replace(/,$/, ""));
  const has = (members: readonly string[]) =>
    hasCdc(definedColumns(`CREATE TABLE (\n   "cdc" OBJECT(STRICT) AS (\n${members.join(",\n")}\n   )\n)`));
  assert.ok(has(lines));
  assert.ok(!has(lines.slice(1)));
  assert.ok(!has(lines.with(3, '      "deleted_at" TEXT')));
});
