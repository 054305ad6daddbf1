/** The view `{table}_live`: the rows that are not marked as deleted. */
import { isSinkError } from "../connection/sink_error.ts";
import type { Transport } from "../connection/transport.ts";
import { quoteTable, type TableName } from "../sql/names.ts";
import { IS_LIVE } from "./cdc_column.ts";

export const liveViewOf = ({ schema, name }: TableName): TableName => ({ schema, name: `${name}_live` });

const DEFINITION =
  "SELECT view_definition FROM information_schema.views WHERE table_schema = $1 AND table_name = $2";

/** Creates the view if it is missing. @returns whether it exists: another table or view may have its name */
export async function createLiveView(transport: Transport, table: TableName): Promise<boolean> {
  if (await isLiveView(transport, table)) return true;
  // CrateDB 6 replaces a table by CREATE OR REPLACE VIEW, with its rows.
  const create = `CREATE VIEW ${quoteTable(liveViewOf(table))} AS`;
  await transport.query(`${create} SELECT * FROM ${quoteTable(table)} WHERE ${IS_LIVE}`).catch((error) => {
    if (!isSinkError(error, "exists")) throw error;
  });
  return await isLiveView(transport, table);
}

/** Drops the view, but no other one of its name. */
export async function dropLiveView(transport: Transport, table: TableName): Promise<void> {
  if (!await isLiveView(transport, table)) return;
  await transport.query(`DROP VIEW IF EXISTS ${quoteTable(liveViewOf(table))}`);
}

async function isLiveView(transport: Transport, table: TableName): Promise<boolean> {
  const { schema, name } = liveViewOf(table);
  const { rows: [row] } = await transport.query(DEFINITION, [schema, name]);
  const words = String(row?.[0]).trim().split(/\s+/).join(" ");
  return words === `SELECT * FROM ${quoteTable(table)} WHERE "cdc"['deleted_at'] IS NULL`;
}
