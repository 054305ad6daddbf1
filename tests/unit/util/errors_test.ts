import assert from "node:assert/strict";
import { UsageError, UserError } from "../../../lib/util/errors.ts";

class ParticularError extends UserError {}

for (const kind of [UserError, UsageError, ParticularError]) {
  Deno.test(`${kind.name} is called by its own name`, () => {
    const error = new kind("failed", { hint: "mend it" });
    assert.deepEqual([error.name, error.message, error.hint], [kind.name, "failed", "mend it"]);
  });
}
