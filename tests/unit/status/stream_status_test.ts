import assert from "node:assert/strict";
import type { Transport } from "../../../lib/sink/connection/transport.ts";
import { CRATEDB } from "../../../lib/sink/sql/dialect.ts";
import { readStreams } from "../../../lib/status/stream_status.ts";
import { SinkError } from "../../../lib/sink/connection/sink_error.ts";
import { UserError } from "../../../lib/util/errors.ts";

const TABLES = ["cdc_position", "cdc_collection", "cdc_dead_letter"];

/** A server that lists these tables, the last ones from then on, and fails so often to refresh one. */
function server(lists: readonly (readonly string[])[], failures = 0) {
  const seen = { lists: 0, pauses: 0 };
  const transport: Transport = {
    dialect: CRATEDB,
    query: (sql) => {
      if (sql.startsWith("REFRESH") && failures-- > 0) {
        throw new SinkError("the shard 0 of table [a.cdc_position/1] is not available", { code: "5002" });
      }
      const isList = sql.includes("information_schema.tables");
      const names = isList ? lists[Math.min(seen.lists++, lists.length - 1)] ?? [] : [];
      return Promise.resolve({ rows: names.map((name) => ["a", name]), count: 0 });
    },
    [Symbol.asyncDispose]: async () => {},
  };
  const clock = { wait: () => Promise.resolve(void seen.pauses++) };
  return { seen, read: () => readStreams(transport, { maxLag: 1_000, clock }) };
}

Deno.test("readStreams() reads again while tables of another schema are being created or dropped", async () => {
  const motion = server([TABLES.slice(0, 1), TABLES.slice(0, 2), TABLES]);
  assert.deepEqual(await motion.read(), []);
  assert.deepEqual(motion.seen, { lists: 3, pauses: 2 });
  const starting = server([TABLES], 2);
  assert.deepEqual(await starting.read(), []);
});

Deno.test("readStreams() fails if tables stay hidden", async () => {
  const hidden = server([TABLES.slice(0, 1)]);
  await assert.rejects(hidden.read, UserError);
  assert.equal(hidden.seen.lists, 4);
});
