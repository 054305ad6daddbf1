/** The table `cdc_settings`: with which settings of a file the rows of a stream were written. */
import type { Transport } from "../connection/transport.ts";
import { quoteTable } from "../sql/names.ts";
import { tableExists } from "../table/create_table.ts";
import { prepareTable } from "./metadata_tables.ts";
import type { StreamName } from "./stream_rows.ts";

const TABLE = "cdc_settings";

/** The settings of a stream, as they were saved last; undefined for a stream that had no file. */
export async function readSettings(
  transport: Transport,
  { schema, stream }: StreamName,
): Promise<string | undefined> {
  const table = { schema, name: TABLE };
  if (!await tableExists(transport, table)) return undefined;
  const sql = `SELECT settings FROM ${quoteTable(table)} WHERE stream = $1`;
  const { rows: [row] } = await transport.query(sql, [stream]);
  return row && String(row[0]);
}

/** Creates the table if it is missing. */
export async function saveSettings(
  transport: Transport,
  { schema, stream, settings }: StreamName & { readonly settings: string },
): Promise<void> {
  await prepareTable(transport, schema, TABLE);
  await transport.query(
    `INSERT INTO ${quoteTable({ schema, name: TABLE })} (stream, settings, saved_at) ` +
      "VALUES ($1, $2, CURRENT_TIMESTAMP) " +
      "ON CONFLICT (stream) DO UPDATE SET settings = excluded.settings, saved_at = excluded.saved_at",
    [stream, settings],
    { writes: true },
  );
}
