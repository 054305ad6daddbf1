/** The lock of a table as versions up to 0.1 kept it: a row of `cdc_position`, whose token was the table at work. */
import type { Transport } from "../connection/transport.ts";
import { quoteTable, type TableName } from "../sql/names.ts";
import { tableExists } from "../table/create_table.ts";

const positions = ({ schema }: TableName): TableName => ({ schema, name: "cdc_position" });
const keyOf = (table: TableName): string => `widening ${quoteTable(table)}`;

/** The name of the table that a relay left when it died; undefined where none did. */
export async function findOldLock(transport: Transport, table: TableName): Promise<string | undefined> {
  if (!await tableExists(transport, positions(table))) return undefined;
  const { millis, now } = transport.dialect;
  const { rows: [row] } = await transport.query(
    `SELECT token FROM ${quoteTable(positions(table))} ` +
      `WHERE stream = $1 AND token IS NOT NULL AND ${millis("lease_until")} <= ${now}`,
    [keyOf(table)],
  );
  return row && String(row[0]);
}

export async function releaseOldLock(transport: Transport, table: TableName): Promise<void> {
  await transport.query(`DELETE FROM ${quoteTable(positions(table))} WHERE stream = $1`, [keyOf(table)]);
}
