/** Copies the rows of one table to another, which may take hours. */
import { type Clock, waitAtMost } from "../../util/clock.ts";
import type { Logger } from "../../util/log.ts";
import { queryNumber, refreshTable, type Transport, WHOLE_TABLE_LIMIT_MS } from "../connection/transport.ts";
import { StatementMark } from "../connection/lost_writes.ts";
import { isAnswerLost, isSinkError, refusalText, SinkError } from "../connection/sink_error.ts";
import { quoteName, quoteTable, type TableName } from "../sql/names.ts";

const LOOK_INTERVAL_MS = 10_000;

/** Copies all rows to an empty table with one statement. If the answer is lost, waits for the statement and counts rows. */
export async function copyRows(
  transport: Transport,
  { from, to, columns, log, clock }: {
    readonly from: TableName;
    readonly to: TableName;
    readonly columns: readonly string[];
    readonly log: Logger;
    readonly clock: Pick<Clock, "wait">;
  },
): Promise<void> {
  const names = columns.map(quoteName).join(", ");
  const mark = new StatementMark();
  const { id, sql } = mark.mark(
    `INSERT INTO ${quoteTable(to)} (${names}) (SELECT ${names} FROM ${quoteTable(from)})`,
  );
  const total = await countRows(transport, from);
  let outcome: { readonly error?: unknown } | undefined;
  const copied = transport.query(sql, [], { limitMs: WHOLE_TABLE_LIMIT_MS })
    .then(() => outcome = {}, (error) => outcome = { error: withoutValues(error, transport.dialect.name) });
  for (let looksInVain = 0; looksInVain < 2;) {
    await waitAtMost(LOOK_INTERVAL_MS, copied, clock);
    if (outcome && !isAnswerLost(outcome.error)) {
      if ("error" in outcome) throw outcome.error;
      return;
    }
    const running = await mark.running(transport);
    // If the user may not see statements, a lost answer is a failure.
    if (!running && outcome) throw outcome.error;
    if (running?.has(id)) {
      looksInVain = 0;
      const copied = await countRows(transport, to);
      log.info("Rebuilding a table", { table: quoteTable(from), copied, rows: total });
    } else if (running) looksInVain++;
    // The statement has ended, and its answer was lost.
    if (outcome && looksInVain > 0) break;
  }
  if (await countRows(transport, to) === total) return;
  throw outcome?.error ??
    new SinkError("The statement that copies the rows has ended without an answer", { code: "ETIMEDOUT" });
}

/** The error of a copy is logged. */
function withoutValues(error: unknown, server: string): unknown {
  if (!isSinkError(error, "refused")) return error;
  const { code, kind, subject } = error;
  return new SinkError(refusalText(server, error, "to copy the rows"), { code, kind, subject });
}

export async function countRows(transport: Transport, table: TableName, where = "TRUE"): Promise<number> {
  await refreshTable(transport, table);
  return await queryNumber(transport, `SELECT count(*) FROM ${quoteTable(table)} WHERE ${where}`);
}
