import assert from "node:assert/strict";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import type { Transport } from "../../../../lib/sink/connection/transport.ts";
import { CRATEDB, type Dialect, POSTGRESQL } from "../../../../lib/sink/sql/dialect.ts";
import { shardsFor } from "../../../../lib/sink/table/create_table.ts";

const serverWith = (answer: number | SinkError, dialect: Dialect = CRATEDB): Transport => ({
  dialect,
  query: () =>
    answer instanceof SinkError ? Promise.reject(answer) : Promise.resolve({ count: 1, rows: [[answer]] }),
  async [Symbol.asyncDispose]() {},
});

Deno.test("shardsFor() is one for each node if the documents have less than 5 GB", async () => {
  assert.equal(await shardsFor(serverWith(3), () => 4.9e9), 3);
  assert.equal(await shardsFor(serverWith(3), () => 0), 3);
  assert.equal(await shardsFor(serverWith(3), () => 5e9), undefined);
  assert.equal(await shardsFor(serverWith(3), () => Promise.resolve(undefined)), undefined);
});

Deno.test("shardsFor() asks for no size if the server has no shards", async () => {
  const fail = () => assert.fail("asked");
  assert.equal(await shardsFor(serverWith(3, POSTGRESQL), fail), undefined);
});

Deno.test("shardsFor() leaves it to CrateDB if the user may not see the nodes", async () => {
  assert.equal(
    await shardsFor(serverWith(new SinkError("Missing 'DQL'", { kind: "privilege" })), () => 1),
    undefined,
  );
  const away = serverWith(new SinkError("connect ECONNREFUSED", { code: "ECONNREFUSED" }));
  await assert.rejects(shardsFor(away, () => 1), { code: "ECONNREFUSED" });
});
