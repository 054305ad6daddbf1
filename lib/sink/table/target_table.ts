/** Opens the table that documents are written to. */
import type { PartType } from "../../mapping/partition.ts";
import { refreshTable, type Transport } from "../connection/transport.ts";
import type { ColumnMode, Dialect } from "../sql/dialect.ts";
import { quoteTable, type TableName } from "../sql/names.ts";
import {
  addCdcColumn,
  assertCdcIsPossible,
  assertHasCdc,
  CDC_COLUMN,
  type CdcSettings,
  hasCdc,
  needsCdc,
} from "./cdc_column.ts";
import { createTable, tableExists } from "./create_table.ts";
import { COLUMNS } from "./row_reader.ts";
import { definedColumns } from "./show_create_table.ts";
import { columnFaults, unusableTable, UnusableTableError } from "./unusable_table.ts";

export interface TargetTable extends TableName {
  /** Whether the table has a usable column `overflow`. */
  readonly hasOverflow: boolean;
  /** The type of the column `part` in statements; undefined for a table without partitions. */
  readonly partType?: PartType | undefined;
  /** Whether an upsert sets or clears the column `cdc`; undefined for a table without. */
  readonly cdc?: "set" | "clear" | undefined;
}

export type OpenedTable = TargetTable & { readonly isNew: boolean };

export interface OpenTableOptions extends CdcSettings {
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

/** The columns of a new table, with the type of `data`; between two of them `gap`. */
export const tableDefinition = (
  { dataDefinition, overflowDefinition, clustered }: Dialect,
  { columns, shards, ...settings }: Omit<OpenTableOptions, "table">,
  { data = dataDefinition[columns], gap = " " } = {},
): string =>
  `(oid TEXT PRIMARY KEY,${gap}data ${data},${gap}overflow ${overflowDefinition}` +
  `${needsCdc(settings) ? `,${gap}${CDC_COLUMN}` : ""})` +
  (shards === undefined ? "" : ` ${clustered(shards)}`);

/** Creates the table if it does not exist. @throws UnusableTableError for an existing table that does not fit */
export async function openTable(transport: Transport, options: OpenTableOptions): Promise<OpenedTable> {
  const { table } = options;
  assertCdcIsPossible(options, transport.dialect);
  const existing = await existingTable(transport, table);
  await createTable(transport, table, tableDefinition(transport.dialect, options));
  const opened = existing ??
    await inspected(transport, table, await columnTypes(transport, table), { isNew: true });
  if (!needsCdc(options)) return opened;
  if (!opened.cdc) {
    await addCdcColumn(transport, table);
    assertHasCdc(await columnTypes(transport, table), table);
  }
  return Object.freeze({ ...opened, cdc: options.metadata === "on" ? "set" : "clear" });
}

/** A table that exists; undefined for none. Changes nothing. @throws UnusableTableError if it does not fit */
export async function existingTable(
  transport: Transport,
  table: TableName,
): Promise<OpenedTable | undefined> {
  const { rows: [[type] = []] } = await transport.query(TABLE_TYPE, [table.schema, table.name]);
  if (type !== undefined && type !== "BASE TABLE") throw otherKind(table, String(type).toLowerCase());
  const types = await columnTypes(transport, table);
  if (type === undefined && types.size === 0) return undefined;
  return await inspected(transport, table, types, { isNew: false });
}

const columnTypes = async (transport: Transport, { schema, name }: TableName) =>
  new Map((await transport.query(COLUMNS, [schema, name])).rows.map(([name, type]) => [name, type]));

async function inspected(
  transport: Transport,
  table: TableName,
  types: ReadonlyMap<unknown, unknown>,
  { isNew }: Pick<OpenedTable, "isNew">,
): Promise<OpenedTable> {
  const { dialect } = transport;
  const { rows } = await transport.query(dialect.primaryKey, [table.schema, table.name]);
  const key = rows.flat();
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
  const hasOverflow = types.get("overflow") === dialect.overflowType;
  return Object.freeze({ ...table, hasOverflow, ...hasCdc(types) && { cdc: "clear" }, isNew });
}

const otherKind = (table: TableName, kind: string): UnusableTableError =>
  new UnusableTableError(
    `Table ${quoteTable(table)} cannot be used: it is a ${kind === "view" ? kind : `${kind} table`}.`,
    { hint: `Name another table with --table, or rename or drop the ${kind}.` },
  );
