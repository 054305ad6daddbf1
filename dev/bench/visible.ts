/** Waits until the rows of a table show all changes. */
import { setTimeout as delay } from "node:timers/promises";
import { SinkError } from "../../lib/sink/connection/sink_error.ts";
import type { Transport } from "../../lib/sink/connection/transport.ts";
import { quoteTable, type TableName } from "../../lib/sink/table/sql_names.ts";

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
 * @throws {Error} when the time is up
 */
export async function visible(transport: Transport, table: TableName, outcome: Outcome): Promise<void> {
  const name = quoteTable(table);
  const { rows, sum, last } = outcome;
  const isThere = last === undefined
    ? async () => (await numbers(`SELECT count(*) FROM ${name}`))[0] === rows
    : async () => (await numbers(`SELECT count(*) FROM ${name} WHERE data['seq'] = ${last}`))[0] === 1;
  const isWhole = async () => {
    const [rowsThere, sumThere] = await numbers(`SELECT count(*), sum(data['seq']) FROM ${name}`);
    return rowsThere === rows && sumThere === sum;
  };
  await until(isThere);
  await until(isWhole);

  async function numbers(sql: string): Promise<number[]> {
    const { rows: [row] } = await transport.query(sql);
    return (row ?? []).map(Number);
  }
}

/** @throws {Error} when the time is up */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + TIMEOUT_MS;
  while (performance.now() < end) {
    const started = performance.now();
    try {
      if (await isSo()) return;
    } catch (error) {
      if (!(error instanceof SinkError)) throw error; // The table or its column is still to be made.
    }
    await delay(Math.max(INTERVAL_MS, (performance.now() - started) / SHARE));
  }
  throw new Error(`Not all changes were visible after ${TIMEOUT_MS / 1_000} s`);
}
