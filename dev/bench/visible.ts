/** Waits until the rows of a table show all changes. */
import { setTimeout as delay } from "node:timers/promises";
import { SinkError } from "../../lib/sink/connection/sink_error.ts";
import type { Transport } from "../../lib/sink/connection/transport.ts";
import { quoteTable, type TableName } from "../../lib/sink/sql/names.ts";

/** What a table has when the last change is visible in it. */
export interface Outcome {
  /** Changes that lead to it. */
  readonly changes: number;
  readonly rows: number;
  /** Of `seq` of all rows. */
  readonly sum: number;
  /** `seq` of the last change, if it left a row. */
  readonly last: number | undefined;
}

const INTERVAL_MS = 10;
/** Asking takes at most this part of the time, so that the server is left to its work. */
const SHARE = 1 / 20;
const TIMEOUT_MS = 600_000;

/**
 * Asks for the last change alone, which costs next to nothing, and looks at all rows once it is there.
 *
 * @returns the changes that are visible, which are all
 * @throws {Error} when the time is up
 */
export async function visible(transport: Transport, table: TableName, outcome: Outcome): Promise<number> {
  const { changes, rows, sum, last } = outcome;
  const isThere = last === undefined
    ? async () => await rowsThere(transport, table) === rows
    : async () => await rowsThere(transport, table, `data['seq'] = ${last}`) === 1;
  const isWhole = async () => {
    const [row] = await answer(transport, `SELECT count(*), sum(data['seq']) FROM ${quoteTable(table)}`);
    return Number(row?.[0]) === rows && Number(row?.[1]) === sum;
  };
  if (await until(isThere, TIMEOUT_MS) && await until(isWhole, TIMEOUT_MS)) return changes;
  throw new Error(`Not all changes were visible after ${TIMEOUT_MS / 1_000} s`);
}

export interface Wanted {
  readonly rows: number;
  /** Milliseconds after which it is enough. @default {when all are there} */
  readonly limit?: number | undefined;
}

/**
 * Waits for rows whose `seq` is a serial number.
 *
 * @returns how many came
 * @throws {Error} when not all came and there is no limit
 */
export async function arrived(
  transport: Transport,
  table: TableName,
  { rows, limit }: Wanted,
): Promise<number> {
  let there = 0;
  const isThere = async () => (there = await rowsThere(transport, table, "data['seq'] > 0")) >= rows;
  if (await until(isThere, limit ?? TIMEOUT_MS) || limit !== undefined) return there;
  throw new Error(`${there} of ${rows} rows were visible after ${TIMEOUT_MS / 1_000} s`);
}

/** 0 also while there is no table, or no column that the condition names. */
export async function rowsThere(transport: Transport, table: TableName, condition = "true"): Promise<number> {
  const [row] = await answer(transport, `SELECT count(*) FROM ${quoteTable(table)} WHERE ${condition}`);
  return Number(row?.[0] ?? 0);
}

async function answer(transport: Transport, sql: string): Promise<readonly (readonly unknown[])[]> {
  try {
    return (await transport.query(sql)).rows;
  } catch (error) {
    if (!(error instanceof SinkError)) throw error;
    return []; // The table or its column is still to be made.
  }
}

/** @returns whether it became so in time */
async function until(isSo: () => Promise<boolean>, timeout: number): Promise<boolean> {
  const end = performance.now() + timeout;
  while (performance.now() < end) {
    const started = performance.now();
    if (await isSo()) return true;
    await delay(Math.max(INTERVAL_MS, (performance.now() - started) / SHARE));
  }
  return false;
}
