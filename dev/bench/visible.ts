/** Waits until the rows of a table show all changes. */
import { setTimeout as delay } from "node:timers/promises";
import type { Collection } from "mongodb";
import { SinkError } from "../../lib/sink/connection/sink_error.ts";
import type { Transport } from "../../lib/sink/connection/transport.ts";
import { quoteTable, type TableName } from "../../lib/sink/sql/names.ts";

const INTERVAL_MS = 10;
/** Queries take at most this part of the time. */
const SHARE = 1 / 20;
const TIMEOUT_MS = 600_000;

/**
 * Waits until the number of rows and the sum of `seq` are those of the documents. Queries the last change alone, which is
 * cheap, until it is visible.
 *
 * @throws {Error} after ten minutes
 */
export async function visible(
  transport: Transport,
  { collection, table }: { readonly collection: Collection; readonly table: TableName },
): Promise<void> {
  const group = { _id: null, rows: { $sum: 1 }, sum: { $sum: "$seq" }, last: { $max: "$seq" } };
  const [expected = { rows: 0, sum: 0 }] = await collection.aggregate([{ $group: group }]).toArray();
  const { rows, sum, last } = expected;
  const isLastVisible = async () => await countRows(transport, table, `data['seq'] = ${last}`) === 1;
  const isComplete = async () => {
    const [row] = await query(transport, `SELECT count(*), sum(data['seq']) FROM ${quoteTable(table)}`);
    return Number(row?.[0]) === rows && Number(row?.[1]) === sum;
  };
  if ((last === undefined || await until(isLastVisible)) && await until(isComplete)) return;
  throw new Error(`Not all changes were visible after ${TIMEOUT_MS / 1_000} s`);
}

/**
 * Waits for rows whose `seq` is a serial number.
 *
 * @param limit milliseconds to wait at most
 * @returns the number of rows
 * @throws {Error} if rows are missing after ten minutes, and there is no limit
 */
export async function arrived(
  transport: Transport,
  table: TableName,
  rows: number,
  limit?: number,
): Promise<number> {
  let count = 0;
  const isComplete = async () => (count = await countRows(transport, table, "data['seq'] > 0")) >= rows;
  if (await until(isComplete, limit) || limit !== undefined) return count;
  throw new Error(`${count} of ${rows} rows were visible after ${TIMEOUT_MS / 1_000} s`);
}

/** Returns 0 if the table, or a column of the condition, does not exist. */
export async function countRows(transport: Transport, table: TableName, condition = "true"): Promise<number> {
  const [row] = await query(transport, `SELECT count(*) FROM ${quoteTable(table)} WHERE ${condition}`);
  return Number(row?.[0] ?? 0);
}

/** Returns no rows if CrateDB refuses the query, for example before the table exists. */
export async function query(transport: Transport, sql: string): Promise<readonly (readonly unknown[])[]> {
  try {
    return (await transport.query(sql)).rows;
  } catch (error) {
    if (!(error instanceof SinkError)) throw error;
    return [];
  }
}

/** @returns false after the timeout */
async function until(condition: () => Promise<boolean>, timeout = TIMEOUT_MS): Promise<boolean> {
  const end = performance.now() + timeout;
  while (performance.now() < end) {
    const started = performance.now();
    if (await condition()) return true;
    await delay(Math.max(INTERVAL_MS, (performance.now() - started) / SHARE));
  }
  return false;
}
