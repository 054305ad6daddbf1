/** Opens the table that documents are written to. */
import type { ColumnMode } from "../sql/dialect.ts";
import { createTable, tableExists } from "./create_table.ts";
import { definedColumns } from "./show_create_table.ts";
import { quoteTable, type TableName } from "../sql/names.ts";
import { columnFaults, type TableFault, unusableTable, UnusableTableError } from "./unusable_table.ts";
import { refreshTable, type Transport } from "../connection/transport.ts";

export interface TargetTable extends TableName {
  /** Whether there is a usable column `overflow`. */
  readonly hasOverflow: boolean;
}

export interface OpenedTable extends TargetTable {
  /** Whether it was made just now. */
  readonly isNew: boolean;
}

export interface OpenTableOptions {
  readonly table: TableName;
  readonly columns: ColumnMode;
  /** Of a new table; undefined for as many as the server makes by itself. */
  readonly shards?: number | undefined;
}

const COLUMNS = `SELECT column_name, data_type FROM information_schema.columns
  WHERE table_schema = $1 AND table_name = $2 AND column_name IN ('oid', 'data', 'overflow')`;

const TABLE_TYPE = `SELECT table_type FROM information_schema.tables
  WHERE table_schema = $1 AND table_name = $2`;

/** Whether the table is there and has no rows. */
export async function isEmptyTable(transport: Transport, table: TableName): Promise<boolean> {
  if (!await tableExists(transport, table)) return false;
  await refreshTable(transport, table);
  return (await transport.query(`SELECT 1 FROM ${quoteTable(table)} LIMIT 1`)).rows.length === 0;
}

/**
 * Makes the table if it is missing, and uses an existing one if it fits.
 * @throws UnusableTableError for an existing table that does not fit, or a view; it stays as it is
 */
export async function openTable(transport: Transport, options: OpenTableOptions): Promise<OpenedTable> {
  const { table, columns, shards } = options;
  const { dialect } = transport;
  await checkKind(transport, table);
  const data = dialect.dataDefinition[columns];
  const columnsThere = async () => (await transport.query(COLUMNS, [table.schema, table.name])).rows;
  const before = await columnsThere();
  const isNew = before.length === 0;
  await createTable(
    transport,
    table,
    `(oid TEXT PRIMARY KEY, data ${data}, overflow ${dialect.overflowDefinition})` +
      (shards === undefined ? "" : ` ${dialect.clustered(shards)}`),
  );
  const rows = isNew ? await columnsThere() : before;
  const types = new Map(rows.map(([name, type]) => [name, type]));
  const key = (await transport.query(dialect.primaryKey, [table.schema, table.name])).rows.flat();
  const faults = [
    ...key.length === 1 && key[0] === "oid" ? [] : [{ what: "`oid` is not its primary key" }],
    ...types.get("data") === dialect.dataType
      ? []
      : [{ what: `it has no \`data\` column of type ${dialect.dataType.toUpperCase()}` }],
    ...types.get("oid") === "text" ? [] : [{ what: "it has no `oid` column of type TEXT" }],
    ...dialect.isJsonb ? [] : await faultsOf(transport, table),
  ];
  if (faults.length > 0) throw unusableTable(table, faults);
  return Object.freeze({ ...table, hasOverflow: types.get("overflow") === dialect.overflowType, isNew });
}

/** @throws UnusableTableError if the name is that of a view, or of something else that takes no rows */
async function checkKind(transport: Transport, table: TableName): Promise<void> {
  const { rows: [row] } = await transport.query(TABLE_TYPE, [table.schema, table.name]);
  if (!row || row[0] === "BASE TABLE") return;
  const kind = String(row[0]).toLowerCase();
  throw new UnusableTableError(
    `Table ${quoteTable(table)} cannot be used: it is a ${kind === "view" ? kind : `${kind} table`}.`,
    { hint: `Name another table with --table, or rename or drop the ${kind}.` },
  );
}

async function faultsOf(transport: Transport, table: TableName): Promise<TableFault[]> {
  const { rows: [row] } = await transport.query(`SHOW CREATE TABLE ${quoteTable(table)}`);
  return columnFaults(definedColumns(String(row?.[0])));
}
