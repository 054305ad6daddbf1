/** Reads the rows of a table page by page. */
import { quoteTable, type TableName } from "../sql/sql_names.ts";
import type { Parameter, Result } from "../sql/query.ts";
import type { Transport } from "../connection/transport.ts";

export interface PagesOptions {
  /** SQL expressions, one for each value of a row. */
  readonly columns: readonly string[];
  /** SQL condition for the rows. @default all of them */
  readonly where?: string;
  /** Of the condition. */
  readonly parameters?: readonly Parameter[];
  /** The most rows of a page. */
  readonly size: number;
}

/**
 * Keyset pagination over all rows that queries see: by `oid`, or by `md5(oid)` where CrateDB's two sort orders would make
 * pages skip rows.
 *
 * @example
 * IN: {columns: ["oid"], size: 2} → OUT: [["a"], ["b"]], [["c"]]
 */
export async function* scanTable(
  transport: Transport,
  table: TableName,
  { columns, where = "TRUE", parameters = [], size }: PagesOptions,
): AsyncGenerator<Result["rows"]> {
  const key = await hasTwoOrders(transport, table) ? "md5(oid)" : "oid";
  let last: string | undefined;
  let more = true;
  while (more) {
    const { rows } = await transport.query(
      `SELECT ${[key, ...columns].join(", ")} FROM ${quoteTable(table)} ` +
        `WHERE (${where})${last === undefined ? "" : ` AND ${key} > $${parameters.length + 1}`} ` +
        `ORDER BY ${key} LIMIT ${size}`,
      last === undefined ? parameters : [...parameters, last],
    );
    if (rows.length > 0) yield rows.map((row) => row.slice(1));
    last = String(rows.at(-1)?.[0]);
    more = rows.length === size;
  }
}

async function hasTwoOrders(transport: Transport, table: TableName): Promise<boolean> {
  const { twoOrders } = transport.dialect;
  if (twoOrders === undefined) return false;
  const { rows } = await transport.query(`SELECT 1 FROM ${quoteTable(table)} WHERE oid ~ $1 LIMIT 1`, [
    twoOrders,
  ]);
  return rows.length > 0;
}
