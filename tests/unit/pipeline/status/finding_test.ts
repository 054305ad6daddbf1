import assert from "node:assert/strict";
import { failed } from "../../../../lib/pipeline/status/finding.ts";
import { unusableTable } from "../../../../lib/sink/table/unusable_table.ts";

Deno.test("failed() names the collection in the command of a hint", () => {
  const error = unusableTable({ schema: "doc", name: "t" }, [{ what: "it is plain", isDesign: true }]);
  assert.match(failed(error, "shop.orders").hint ?? "", /run rebuild shop\.orders with its options/);
  assert.match(failed(error).hint ?? "", /run rebuild DATABASE\.COLLECTION/);
});
