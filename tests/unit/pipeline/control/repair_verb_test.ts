import assert from "node:assert/strict";
import { repairVerb } from "../../../../lib/pipeline/control/repair_verb.ts";

for (const id of ["zz", "00ff", 7]) {
  Deno.test(`repairVerb refuses the id ${id}`, () =>
    assert.throws(() => repairVerb.read({ collection: "shop.orders", keys: [{ oid: "x", id }] }), {
      name: "RefusedError",
      message: /^keys has an id that is not/,
    }));
}
