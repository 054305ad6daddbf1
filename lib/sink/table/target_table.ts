/** Opens the table that documents are written to. */
import { UserError } from "../../util/errors.ts";
import type { ColumnMode } from "./column_mode.ts";
import { createTable } from "./create_table.ts";
import { definedColumns } from "./show_create_table.ts";
import { quoteTable, subscript, type TableName } from "./sql_names.ts";
import { refreshTable, type Transport } from "../connection/transport.ts";
import { tableExists } from "../metadata/metadata_tables.ts";

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

/** Whether the table is there and has no rows. */
export async function isEmptyTable(transport: Transport, table: TableName): Promise<boolean> {
  if (!await tableExists(transport, table)) return false;
  await refreshTable(transport, table);
  return (await transport.query(`SELECT 1 FROM ${quoteTable(table)} LIMIT 1`)).rows.length === 0;
}

/**
 * Makes the table if it is missing, and uses an existing one if it fits.
 *
 * @throws UserError for an existing table that does not fit; it stays as it is
 */
export async function openTable(transport: Transport, options: OpenTableOptions): Promise<OpenedTable> {
  const { table, columns, shards } = options;
  const { dialect } = transport;
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
    key.length === 1 && key[0] === "oid" ? "" : "`oid` is not its primary key",
    types.get("data") === dialect.dataType
      ? ""
      : `it has no \`data\` column of type ${dialect.dataType.toUpperCase()}`,
    types.get("oid") === "text" ? "" : "it has no `oid` column of type TEXT",
    ...dialect.isJsonb ? [] : await changingColumns(transport, table),
  ].filter((fault) => fault !== "");
  if (faults.length > 0) {
    throw new UserError(`Table ${quoteTable(table)} cannot be used: ${faults.join(", ")}.`, {
      hint: "Its rows would not equal the documents. Name another table with --table, or " +
        `move this one out of the way:\n  ALTER TABLE ${quoteTable(table)} RENAME TO "${table.name}-old"`,
    });
  }
  return Object.freeze({ ...table, hasOverflow: types.get("overflow") === dialect.overflowType, isNew });
}

/** Columns that would change values, or give rows more than their documents have. */
async function changingColumns(transport: Transport, table: TableName): Promise<string[]> {
  const { rows: [row] } = await transport.query(`SHOW CREATE TABLE ${quoteTable(table)}`);
  return definedColumns(String(row?.[0])).flatMap(({ path: [top, ...path], type }) => {
    if (top === "overflow" && path.length === 0 && type !== "OBJECT(IGNORED)") {
      return [
        `its \`overflow\` is not a plain OBJECT(IGNORED), but ${type.replace(/ AS \($/, " with columns")}`,
      ];
    }
    const own = /\b(?:DEFAULT|GENERATED ALWAYS)\b/.exec(type)?.[0];
    return top === "data" && own ? [`${subscript(path)} has values of its own (${own})`] : [];
  });
}
