/** Opens the table that documents are written to. */
import { refreshTable, type Transport } from "../connection/transport.ts";
import type { ColumnMode, Dialect } from "../sql/dialect.ts";
import { quoteTable, type TableName } from "../sql/names.ts";
import { createTable, tableExists } from "./create_table.ts";
import { COLUMNS } from "./row_reader.ts";
import { definedColumns } from "./show_create_table.ts";
import { columnFaults, unusableTable, UnusableTableError } from "./unusable_table.ts";

export interface TargetTable extends TableName {
  /** Whether the table has a usable column `overflow`. */
  readonly hasOverflow: boolean;
}

export type OpenedTable = TargetTable & { readonly isNew: boolean };

export interface OpenTableOptions {
  readonly table: TableName;
  readonly columns: ColumnMode;
  /** Shards of a new table; undefined for the server's default. */
  readonly shards?: number | undefined;
}

const TABLE_TYPE =
  "SELECT table_type FROM information_schema.tables WHERE table_schema = $1 AND table_name = $2";

export async function isEmptyTable(transport: Transport, table: TableName): Promise<boolean> {
  if (!await tableExists(transport, table)) return false;
  await refreshTable(transport, table);
  return (await transport.query(`SELECT 1 FROM ${quoteTable(table)} LIMIT 1`)).rows.length === 0;
}

/** The columns of a new table, as `SHOW CREATE TABLE` prints them. `data` is the type of the column `data`. */
export const tableDefinition = (
  { dataDefinition, overflowDefinition, clustered }: Dialect,
  { columns, shards }: Pick<OpenTableOptions, "columns" | "shards">,
  data = dataDefinition[columns],
): string =>
  `(\n   "oid" TEXT PRIMARY KEY,\n   "data" ${data},\n   "overflow" ${overflowDefinition}\n)` +
  (shards === undefined ? "" : ` ${clustered(shards)}`);

/** Creates the table if it does not exist. @throws UnusableTableError for an existing table that does not fit */
export async function openTable(transport: Transport, options: OpenTableOptions): Promise<OpenedTable> {
  const { table } = options;
  const existing = await existingTable(transport, table);
  if (existing) return existing;
  await createTable(transport, table, tableDefinition(transport.dialect, options));
  return await inspected(transport, table, { isNew: true });
}

/** A table that exists; undefined for none. Changes nothing. @throws UnusableTableError if it does not fit */
export async function existingTable(
  transport: Transport,
  table: TableName,
): Promise<OpenedTable | undefined> {
  const { rows: [[type] = []] } = await transport.query(TABLE_TYPE, [table.schema, table.name]);
  if (type === undefined) return undefined;
  if (type !== "BASE TABLE") throw otherKind(table, String(type).toLowerCase());
  return await inspected(transport, table, { isNew: false });
}

async function inspected(
  transport: Transport,
  table: TableName,
  { isNew }: Pick<OpenedTable, "isNew">,
): Promise<OpenedTable> {
  const { dialect } = transport;
  const select = async (sql: string) => (await transport.query(sql, [table.schema, table.name])).rows;
  const types = new Map((await select(COLUMNS)).map(([name, type]) => [name, type]));
  const key = (await select(dialect.primaryKey)).flat();
  const dataType = dialect.dataType.toUpperCase();
  const faults = [
    key.length === 1 && key[0] === "oid" ? [] : { what: "`oid` is not its primary key" },
    types.get("data") === dialect.dataType ? [] : { what: `it has no \`data\` column of type ${dataType}` },
    types.get("oid") === "text" ? [] : { what: "it has no `oid` column of type TEXT" },
  ].flat();
  if (!dialect.isJsonb) {
    const { rows: [row] } = await transport.query(`SHOW CREATE TABLE ${quoteTable(table)}`);
    faults.push(...columnFaults(definedColumns(String(row?.[0]))));
  }
  if (faults.length > 0) throw unusableTable(table, faults);
  return Object.freeze({ ...table, hasOverflow: types.get("overflow") === dialect.overflowType, isNew });
}

const otherKind = (table: TableName, kind: string): UnusableTableError =>
  new UnusableTableError(
    `Table ${quoteTable(table)} cannot be used: it is a ${kind === "view" ? kind : `${kind} table`}.`,
    { hint: `Name another table with --table, or rename or drop the ${kind}.` },
  );
