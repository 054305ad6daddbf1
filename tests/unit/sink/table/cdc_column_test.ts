import assert from "node:assert/strict";
import { CDC_COLUMN, hasCdc } from "../../../../lib/sink/table/cdc_column.ts";
import { definedColumns } from "../../../../lib/sink/table/show_create_table.ts";

Deno.test("hasCdc() needs each member of the column with its type", () => {
  const lines = CDC_COLUMN.split("\n").slice(1, -1).map((line) => line.replace(/,$/, ""));
  const has = (members: readonly string[]) =>
    hasCdc(definedColumns(`CREATE TABLE (\n   "cdc" OBJECT(STRICT) AS (\n${members.join(",\n")}\n   )\n)`));
  assert.ok(has(lines));
  assert.ok(!has(lines.slice(1)));
  assert.ok(!has(lines.with(3, '      "deleted_at" TEXT')));
});
