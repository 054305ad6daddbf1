import assert from "node:assert/strict";
import { CRATEDB } from "../../../../lib/sink/sql/dialect.ts";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import type { Transport } from "../../../../lib/sink/connection/transport.ts";
import { copyRows } from "../../../../lib/sink/columns/rebuild_steps.ts";
import { treatAsPassing } from "../../../../lib/sink/connection/wrappers.ts";
import { createLogger } from "../../../../lib/util/log.ts";

const FROM = { schema: "doc", name: "t" };
const TO = { schema: "doc", name: "t~1" };
const LOST = new SinkError("socket hang up", { code: "ECONNRESET" });

/** Fails with one after the other. */
const failing = (...errors: Error[]): Transport => ({
  dialect: CRATEDB,
  query: () => Promise.reject(errors.shift()),
  async [Symbol.asyncDispose]() {},
});

interface Copying {
  /** Looks after which the statement has ended on the server; copies 10 rows in each. */
  readonly looks: number;
  /** The look at which its answer arrives, or is lost. */
  readonly answerAt?: number;
  readonly error?: Error;
  /** Whether the user may see statements in progress. */
  readonly isVisible?: boolean;
  /** Rows that the statement copies in the end. */
  readonly copies?: number;
}

/** A table of 100 rows, and a server that copies them while the relay looks on. */
function copyOf({ looks, answerAt = Infinity, error, isVisible = true, copies = 100 }: Copying) {
  const lines: string[] = [];
  const limits: unknown[] = [];
  const answer = Promise.withResolvers<{ count: number; rows: [] }>();
  let marked = "";
  let time = 0;
  const transport: Transport = {
    dialect: CRATEDB,
    query: async (sql, _parameters, options) => {
      if (sql.includes("INSERT INTO")) {
        marked = sql;
        limits.push(options?.limitMs);
        return await answer.promise;
      }
      if (sql.startsWith("REFRESH")) return { count: 0, rows: [] };
      if (sql.startsWith("SELECT count(*)")) {
        const copied = time >= looks ? copies : time * 10;
        return { count: 1, rows: [[sql.includes("~1") ? copied : 100]] };
      }
      if (!isVisible) throw new SinkError("Schema 'sys' unknown", { code: "4045" });
      return { count: 1, rows: time >= looks ? [] : [[marked.slice(0, 100)]] };
    },
    async [Symbol.asyncDispose]() {},
  };
  const wait = async () => {
    if (++time === answerAt) error ? answer.reject(error) : answer.resolve({ count: copies, rows: [] });
    // The answer is seen first.
    for (let turns = 0; turns < 10; turns++) await Promise.resolve();
  };
  const log = createLogger({ format: "json", level: "info", write: (line) => lines.push(line) });
  const done = copyRows(transport, { from: FROM, to: TO, columns: ["oid", "data"], log, clock: { wait } });
  return { done, lines, limits };
}

Deno.test("copyRows() gives the statement a day, and logs how many rows are copied", async () => {
  const { done, lines, limits } = copyOf({ looks: 4, answerAt: 4 });
  await done;
  assert.deepEqual(limits, [24 * 60 * 60_000]);
  assert.deepEqual(lines.map((line) => [JSON.parse(line).copied, JSON.parse(line).rows]), [
    [10, 100],
    [20, 100],
    [30, 100],
  ]);
});

Deno.test("copyRows() waits for a statement whose answer was lost, and takes its rows", async () => {
  const { done, lines } = copyOf({ looks: 5, answerAt: 2, error: LOST });
  await done;
  assert.equal(lines.length, 4);
});

Deno.test("copyRows() accepts the rows of a statement that has ended without an answer", async () => {
  await copyOf({ looks: 3 }).done;
});

Deno.test("copyRows() fails if the statement has ended without all rows", async () => {
  await assert.rejects(copyOf({ looks: 3, answerAt: 2, error: LOST, copies: 99 }).done, LOST);
  await assert.rejects(copyOf({ looks: 3, copies: 99 }).done, { kind: "unreachable" });
});

for (const [kind, code] of [["refused", "4000"], ["unspecific", "5000"]] as const) {
  Deno.test(`copyRows() throws at once what is ${kind}, without the message, which may quote values`, async () => {
    const refused = new SinkError("Something about `secret`", { code });
    await assert.rejects(copyOf({ looks: Infinity, answerAt: 2, error: refused }).done, {
      name: "SinkError",
      message: `CrateDB refuses to copy the rows (code ${code})`,
      kind,
    });
  });
}

Deno.test("copyRows() omits the message of an unspecific error that may pass, too", async () => {
  const plain = failing(LOST, new SinkError("Something about `secret`", { code: "5000" }));
  const transport = treatAsPassing(plain, { monotonic: () => 0 });
  await assert.rejects(transport.query("SELECT 1"), LOST);
  const error = await transport.query("INSERT …").then(() => undefined, (error) => error);
  await assert.rejects(copyOf({ looks: Infinity, answerAt: 2, error }).done, {
    message: "CrateDB refuses to copy the rows (code 5000)",
    kind: "unavailable",
  });
});

Deno.test("copyRows() throws a lost answer if the user may not see whether the statement runs", async () => {
  await assert.rejects(copyOf({ looks: 9, answerAt: 3, error: LOST, isVisible: false }).done, LOST);
  await copyOf({ looks: 9, answerAt: 9, isVisible: false }).done;
});
