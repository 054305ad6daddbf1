/**
 * The column `cdc`: the change that wrote a row, and when its document was deleted, in milliseconds since 1970. The view
 * `{table}_live` has the rows that are not marked as deleted.
 */
import type { DefinedColumn } from "./show_create_table.ts";
import { unlessKind } from "../connection/sink_error.ts";
import type { Transport } from "../connection/transport.ts";
import { quoteTable, type TableName } from "../sql/names.ts";

export interface CdcSettings {
  /** What a delete does to the row: removes it, marks it, or nothing. @default {"hard"} */
  readonly deletes?: "hard" | "soft" | "keep";
  /** Whether rows have the change that wrote them. @default {"off"} */
  readonly metadata?: "on" | "off";
}

export const needsCdc = ({ deletes, metadata }: CdcSettings): boolean =>
  deletes === "soft" || metadata === "on";

const TIME = "TIMESTAMP WITH TIME ZONE";
const MEMBERS = { op: "TEXT", cluster_time: TIME, written_at: TIME, deleted_at: TIME };
const LINES = Object.entries(MEMBERS).map(([name, type]) => `\n      "${name}" ${type}`);

/** In lines like those of `SHOW CREATE TABLE`. */
export const CDC_COLUMN = `"cdc" OBJECT(STRICT) AS (${LINES}\n   )`;

/** SQL condition for the rows that are not marked as deleted. */
export const IS_LIVE = "cdc['deleted_at'] IS NULL";

export const hasCdc = (columns: readonly DefinedColumn[]): boolean =>
  Object.entries(MEMBERS).every(([name, type]) =>
    columns.some(({ path: [top, member], ...column }) =>
      top === "cdc" && member === name && column.type === type
    )
  );

export const liveViewOf = ({ schema, name }: TableName): TableName => ({ schema, name: `${name}_live` });

const DEFINITION =
  "SELECT view_definition FROM information_schema.views WHERE table_schema = $1 AND table_name = $2";

/** Creates the view if it is missing. @returns whether it exists: another table or view may have its name */
export async function createLiveView(transport: Transport, table: TableName): Promise<boolean> {
  if (await isLiveView(transport, table)) return true;
  // CrateDB 6 replaces a table by CREATE OR REPLACE VIEW, with its rows.
  const create = `CREATE VIEW ${quoteTable(liveViewOf(table))} AS`;
  const select = `SELECT * FROM ${quoteTable(table)} WHERE ${IS_LIVE}`;
  await transport.query(`${create} ${select}`).catch(unlessKind("exists"));
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
