import assert from "node:assert/strict";
import { SinkError } from "../../../lib/mod.ts";
import { describe, reworded } from "../../../lib/library/describe.ts";
import { UserError } from "../../../lib/util/errors.ts";

Deno.test("describe() names the options of the library", () => {
  const { message, hint = "" } = describe(new SinkError("refused", { kind: "login", code: "28P01" }));
  assert.match(message, /^CrateDB refused the login/);
  assert.match(hint, /cratedbUrl/);
  assert.doesNotMatch(hint, /--cratedb|CRATEDB_/);
});

Deno.test("reworded() keeps the error, with the names of the library", () => {
  const error = new UserError("--lease is short", { hint: "Give --lease 10s." });
  assert.equal(reworded(error), error);
  assert.deepEqual([error.message, error.hint], ["lease is short", "Give lease 10s."]);
});

Deno.test("reworded() leaves other errors as they are", () => {
  const error = new TypeError("--lease");
  assert.equal(reworded(error), error);
  assert.equal(error.message, "--lease");
});
