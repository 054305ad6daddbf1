/** Opens the table that documents are written to. */
import { refreshTable, type Transport } from "../connection/transport.ts";
import type { ColumnMode, Dialect } from "../sql/dialect.ts";
import { quoteTable, type TableName } from "../sql/names.ts";
import { createTable, tableExists } from "./create_table.ts";
import { definedColumns, readDefinition } from "./show_create_table.ts";
import { columnFaults, unusableTable, UnusableTableError } from "./unusable_table.ts";

export interface TargetTable extends TableName {
  /** Whether the table has a usable column `overflow`. */
  readonly hasOverflow: boolean;
}

export interface OpenedTable extends TargetTable {
  readonly isNew: boolean;
  /** As it was when the table was opened. */
  readonly definition: string;
}

export interface OpenTableOptions {
  readonly table: TableName;
  readonly columns: ColumnMode;
  /** Shards of a new table; undefined for the server's default. */
  readonly shards?: number | undefined;
  /** Called before the table is created. @default {nothing} */
  readonly onMissing?: () => Promise<void>;
}

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
  const { table, onMissing } = options;
  const existing = await existingTable(transport, table);
  if (existing) return existing;
  await onMissing?.();
  await createTable(transport, table, tableDefinition(transport.dialect, options));
  return opened(table, transport, await readDefinition(transport, table), { isNew: true });
}

/** A table that exists; undefined for none. Changes nothing. @throws UnusableTableError if it does not fit */
export async function existingTable(
  transport: Transport,
  table: TableName,
): Promise<OpenedTable | undefined> {
  const definition = await readDefinition(transport, table);
  return definition === undefined ? undefined : opened(table, transport, definition, { isNew: false });
}

const PRIMARY_KEY = /^ +(?:CONSTRAINT .*)?PRIMARY KEY \("?oid"?\),?$/m;

function opened(
  table: TableName,
  { dialect }: Transport,
  definition = "",
  { isNew }: Pick<OpenedTable, "isNew">,
): OpenedTable {
  const [, kind] = /^CREATE (VIEW|FOREIGN)/.exec(definition) ?? [];
  if (kind) throw otherKind(table, kind.toLowerCase());
  const columns = definedColumns(definition);
  const typeOf = (name: string) =>
    /^\w+/.exec(columns.find(({ path }) => path.length === 1 && path[0] === name)?.type ?? "")?.[0];
  const faults = [
    PRIMARY_KEY.test(definition) ? [] : { what: "`oid` is not its primary key" },
    typeOf("data") === dialect.dataType
      ? []
      : { what: `it has no \`data\` column of type ${dialect.dataType}` },
    typeOf("oid") === "TEXT" ? [] : { what: "it has no `oid` column of type TEXT" },
    dialect.isJsonb ? [] : columnFaults(columns),
  ].flat();
  if (faults.length > 0) throw unusableTable(table, faults);
  const hasOverflow = typeOf("overflow") === dialect.overflowType;
  return Object.freeze({ ...table, hasOverflow, isNew, definition });
}

const otherKind = (table: TableName, kind: string): UnusableTableError =>
  new UnusableTableError(
    `Table ${quoteTable(table)} cannot be used: it is a ${kind === "view" ? kind : `${kind} table`}.`,
    { hint: `Name another table with --table, or rename or drop the ${kind}.` },
  );
