import assert from "node:assert/strict";
import { textTable } from "../../../lib/util/text_table.ts";

Deno.test("textTable() omits empty columns, and shortens the widest column to fit the width", () => {
  const table = {
    header: ["field", "data", "in"],
    rows: [["t", '"a long, long text"', ""], ["_id", "1", ""]],
  };
  assert.deepEqual(textTable(table, 20), ["field  data", 't      "a long, lon…', "_id    1"]);
});
