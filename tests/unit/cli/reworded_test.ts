import assert from "node:assert/strict";
import { reworded } from "../../../lib/cli/reworded.ts";
import { rewordFor } from "../../../lib/config/origins.ts";
import { describe } from "../../../lib/pipeline/status/describe_error.ts";
import { SinkError } from "../../../lib/sink/connection/sink_error.ts";
import { UsageError, UserError } from "../../../lib/util/errors.ts";

const places = { mongodbUrl: "relay.yaml:3", cratedbUrl: "relay.yaml:4" };
const reword = rewordFor({ options: { mongodbUrl: "mongodb://a", cratedbUrl: "crate://a" }, places });

Deno.test("reworded() names where the URL is from, and keeps exit code and cause", () => {
  const error = new UsageError("MONGODB_URL is malformed", { hint: "Correct MONGODB_URL." });
  const changed = reworded(error, reword);
  assert.deepEqual(describe(changed), {
    message: "relay.yaml:3 is malformed",
    hint: "Correct relay.yaml:3.",
    exitCode: 2,
  });
  assert.equal((changed as Error).cause, error);
  const unknown = reworded(new SinkError("getaddrinfo ENOTFOUND db", { code: "ENOTFOUND" }), reword);
  assert.equal(describe(unknown).hint, "Check the host name in relay.yaml:4.");
  assert.equal(describe(unknown).exitCode, 1);
});

Deno.test("reworded() leaves an error that names no variable, or is unexpected", () => {
  for (const error of [new UserError("The lease is held"), new TypeError("MONGODB_URL"), undefined]) {
    assert.equal(reworded(error, reword), error);
  }
});
