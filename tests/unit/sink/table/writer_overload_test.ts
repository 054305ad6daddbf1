import assert from "node:assert/strict";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import type { Parameter, QueryOptions, Transport } from "../../../../lib/sink/connection/transport.ts";
import { CRATEDB } from "../../../../lib/sink/sql/dialect.ts";
import type { Row } from "../../../../lib/sink/table/row.ts";
import { Writer } from "../../../../lib/sink/table/writer.ts";
import { jsonBytes } from "../../../../lib/util/json_writer.ts";

const TABLE = { schema: "doc", name: "t", hasOverflow: true };
const BROKEN = new SinkError("CircuitBreakingException[Allocating 2mb for 'upsert' failed]", {
  code: "5000",
});
const rows = (count: number): Row[] =>
  Array.from({ length: count }, (_, at) => ({ oid: `k${at}`, data: jsonBytes("{}"), overflow: null }));
const oidsOf = (count: number) => rows(count).map(({ oid }) => oid);

/** A server that takes only so many keys in a statement, and what it got. */
function smallServer(most: () => number, options: { readonly bad?: readonly string[] } = {}) {
  const taken: string[] = [];
  const refused: number[] = [];
  const undivided: QueryOptions[] = [];
  const transport: Transport = {
    dialect: CRATEDB,
    query: (sql: string, [first]: readonly Parameter[] = [], given: QueryOptions = {}) => {
      const keys = (first ?? []) as readonly string[];
      if (keys.length > most()) {
        refused.push(keys.length);
        if (!given.isDivisible) undivided.push(given);
        return Promise.reject(BROKEN);
      }
      if (sql.startsWith("REFRESH")) return Promise.resolve({ count: 0, rows: [] });
      const good = keys.filter((key) => !options.bad?.includes(key));
      if (good.length === 0 && !sql.includes("UNNEST")) throw new SinkError("bad value", { code: "4000" });
      taken.push(...good);
      return Promise.resolve({ count: good.length, rows: [] });
    },
    async [Symbol.asyncDispose]() {},
  };
  return { transport, taken, refused, undivided };
}

for (const most of [1, 7, 99]) {
  Deno.test(`Writer.upsert() repeats in ever smaller parts what is refused above ${most} rows`, async () => {
    const { transport, taken, refused, undivided } = smallServer(() => most);
    const limits = { statementRows: 100, statementBytes: 1_000_000, inFlight: 2 };
    assert.deepEqual(await new Writer(transport, TABLE, { limits }).upsert(rows(250)), []);
    assert.deepEqual(taken.toSorted(), oidsOf(250).toSorted());
    assert.deepEqual(refused.slice(0, 2), [100, 100]);
    assert.deepEqual(undivided, [], "the wrapper would repeat these as they are");
  });
}

Deno.test("Writer.upsert() halves a chunk that is refused, however small", async () => {
  const { transport, refused } = smallServer(() => 2);
  const limits = { statementRows: 100, statementBytes: 1_000_000, inFlight: 2 };
  await new Writer(transport, TABLE, { limits }).upsert(rows(8));
  assert.deepEqual(refused, [8, 4, 4]);
});

Deno.test("Writer.upsert() finds rows at fault among refused chunks", async () => {
  const { transport, taken } = smallServer(() => 10, { bad: ["k3", "k64"] });
  const limits = { statementRows: 100, statementBytes: 1_000_000, inFlight: 2 };
  const refused = await new Writer(transport, TABLE, { limits }).upsert(rows(100));
  assert.deepEqual(refused.map(({ oid, error }) => [oid, error]), [["k3", "bad value"], [
    "k64",
    "bad value",
  ]]);
  assert.deepEqual(new Set(taken), new Set(oidsOf(100)).difference(new Set(["k3", "k64"])));
});

Deno.test("Writer.delete() repeats in parts what is refused", async () => {
  const { transport, taken, undivided } = smallServer(() => 30);
  const limits = { statementRows: 100, statementBytes: 1_000_000, inFlight: 2 };
  await new Writer(transport, TABLE, { limits }).delete(oidsOf(250).map((oid) => ({ oid })));
  assert.deepEqual(taken.toSorted(), oidsOf(250).toSorted());
  assert.deepEqual(undivided, []);
});

Deno.test("Writer.upsert() follows limits that change while it writes", async () => {
  const limits = { statementRows: 100, statementBytes: 1_000_000, inFlight: 4 };
  const sizes: number[] = [];
  let running = 0;
  let mostRunning = 0;
  const transport: Transport = {
    dialect: CRATEDB,
    query: async (_sql: string, [first]: readonly Parameter[] = []) => {
      const keys = first as readonly string[];
      sizes.push(keys.length);
      // The first statement meets four lanes, the later ones one.
      mostRunning = sizes.length > 4 ? Math.max(mostRunning, ++running) : 0;
      await Promise.resolve();
      Object.assign(limits, { statementRows: 20, inFlight: 1 });
      if (sizes.length > 4) running--;
      return { count: keys.length, rows: [] };
    },
    async [Symbol.asyncDispose]() {},
  };
  await new Writer(transport, TABLE, { limits }).upsert(rows(800));
  assert.deepEqual(sizes.slice(0, 4), [100, 100, 100, 100]);
  assert.deepEqual(new Set(sizes.slice(4)), new Set([20]));
  assert.equal(sizes.reduce((sum, each) => sum + each), 800);
  assert.equal(mostRunning, 1);
});
