/** The table `cdc_settings`: the settings with which the rows of a stream were written. */
import { ifExists } from "../connection/sink_error.ts";
import type { Transport } from "../connection/transport.ts";
import { quoteTable } from "../sql/names.ts";
import { prepareTable } from "./metadata_tables.ts";
import type { StreamName } from "./stream_rows.ts";

const TABLE = "cdc_settings";

/** The settings of a stream that were saved last; undefined for none. */
export async function readSettings(
  transport: Transport,
  { schema, stream }: StreamName,
): Promise<string | undefined> {
  const sql = `SELECT settings FROM ${quoteTable({ schema, name: TABLE })} WHERE stream = $1`;
  const { rows: [row] = [] } = await ifExists(transport.query(sql, [stream], { mayBeDropped: true })) ?? {};
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
