/** The table that documents land in. */
import { UserError } from "../../util/errors.ts";
import { createTable } from "./create_table.ts";
import { definedColumns } from "./show_create_table.ts";
import { quoteTable, subscript, type TableName } from "./sql_names.ts";
import type { Transport } from "../connection/transport.ts";

export interface TargetTable extends TableName {
  /** Whether values that `data` doesn't take have a place to go. */
  readonly hasOverflow: boolean;
}

export interface OpenedTable extends TargetTable {
  /** Whether there was none before. */
  readonly isNew: boolean;
}

export interface OpenTableOptions {
  readonly table: TableName;
  readonly columns: Columns;
}

/** Whose columns `data` has: the relay's, those that CrateDB infers, or none. */
export type Columns = "typed" | "dynamic" | "ignored";

/** Types of `data` in a new table. */
const TYPES: Readonly<Record<Columns, string>> = {
  typed: "OBJECT(DYNAMIC)",
  dynamic: "OBJECT(DYNAMIC)",
  ignored: "OBJECT(IGNORED)",
};

const COLUMNS = `SELECT column_name, data_type FROM information_schema.columns
  WHERE table_schema = $1 AND table_name = $2 AND column_name IN ('oid', 'data', 'overflow')`;

/**
 * Makes the table where there is none, and uses the one that is there when it fits.
 *
 * @throws UserError for a table that doesn't fit; it is left as it is
 */
export async function openTable(transport: Transport, options: OpenTableOptions): Promise<OpenedTable> {
  const { table, columns } = options;
  const { dialect } = transport;
  const [data, overflow] = dialect.name === "CrateDB"
    ? [TYPES[columns], "OBJECT(IGNORED)"]
    : ["JSONB", "JSON"];
  const columnsThere = async () => (await transport.query(COLUMNS, [table.schema, table.name])).rows;
  const before = await columnsThere();
  const isNew = before.length === 0;
  await createTable(transport, table, `(oid TEXT PRIMARY KEY, data ${data}, overflow ${overflow})`);
  const rows = isNew ? await columnsThere() : before;
  const types = new Map(rows.map(([name, type]) => [name, type]));
  const key = (await transport.query(dialect.primaryKey, [table.schema, table.name])).rows.flat();
  const faults = [
    key.length === 1 && key[0] === "oid" ? "" : "`oid` is not its primary key",
    types.get("data") === dialect.dataType
      ? ""
      : `it has no \`data\` column of type ${dialect.dataType.toUpperCase()}`,
    types.get("oid") === "text" ? "" : "it has no `oid` column of type TEXT",
    ...dialect.name === "CrateDB" ? await changingColumns(transport, table) : [],
  ].filter((fault) => fault !== "");
  if (faults.length > 0) {
    throw new UserError(`Table ${quoteTable(table)} cannot be used: ${faults.join(", ")}.`, {
      hint:
        "It would have rows twice, or others than the documents are. Name another table with --table, or " +
        `move this one out of the way:\n  ALTER TABLE ${quoteTable(table)} RENAME TO "${table.name}-old"`,
    });
  }
  return Object.freeze({ ...table, hasOverflow: types.get("overflow") === dialect.overflowType, isNew });
}

/** Columns by which values would become others, or rows have more than their documents. */
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
