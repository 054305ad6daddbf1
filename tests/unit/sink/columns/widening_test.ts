import assert from "node:assert/strict";
import { QUIET } from "../../../../lib/util/log.ts";
import type { TableSchema } from "../../../../lib/sink/columns/table_schema.ts";
import { Widening } from "../../../../lib/sink/columns/widening.ts";
import { memoryTable } from "../../../support/memory_lease_table.ts";

Deno.test("Widening waits for a table that another relay rebuilds: it asks once a second, and creates nothing again", async () => {
  const locks = memoryTable();
  locks.rows.set("t", {
    owner: "other",
    lease_until: locks.serverTime + 60_000,
    work_table: "t~1",
    seqNo: 7,
  });
  const sent: string[] = [];
  const transport = {
    ...locks,
    query: (...statement: Parameters<typeof locks.query>) => {
      const [verb = ""] = statement[0].split(" ");
      sent.push(verb);
      return verb === "CREATE" ? Promise.resolve({ count: 0, rows: [] }) : locks.query(...statement);
    },
  };
  const stop = new AbortController();
  const waits: number[] = [];
  const tableSchema = { columns: {}, columnAt: () => ({ kind: "bigint" }) } as unknown as TableSchema;
  const widening = new Widening({ patient: transport, raw: transport }, {
    table: { schema: "doc", name: "t", hasOverflow: true },
    tableSchema,
    widen: "on",
    widenRows: 1_000,
    limits: { statementRows: 10, statementBytes: 1_000, inFlight: 1 },
    lease: 10_000,
    signal: stop.signal,
    log: QUIET,
    clock: {
      now: () => locks.serverTime,
      monotonic: () => locks.serverTime,
      wait: (ms) => {
        if (waits.push(ms) === 3) stop.abort();
        return stop.signal.aborted ? Promise.reject(stop.signal.reason) : Promise.resolve();
      },
    },
  });
  await assert.rejects(widening.widen([["n"]]), { name: "AbortError" });
  assert.deepEqual(waits, [1_000, 1_000, 1_000]);
  assert.deepEqual(sent, ["CREATE", "SELECT", "SELECT", "SELECT"]);
});
