import assert from "node:assert/strict";
import { CRATEDB, POSTGRESQL } from "../../../../lib/sink/sql/dialect.ts";

Deno.test("CRATEDB has what was written made visible, POSTGRESQL need not", () => {
  assert.equal(CRATEDB.refresh?.({ schema: "s", name: 'it"s' }), 'REFRESH TABLE "s"."it""s"');
  assert.equal(POSTGRESQL.refresh, undefined);
});
