/** The relay's own tables. Each schema that relays write to may have them. */
import { createTable } from "../table/create_table.ts";
import { quoteName, quoteTable, type TableName } from "../table/sql_names.ts";
import { isSinkError, isUnknownRelation } from "../connection/sink_error.ts";
import { type Parameter, type Result } from "../connection/query.ts";
import { refreshTable, type Transport } from "../connection/transport.ts";

const METADATA_TABLES = [
  "cdc_position",
  "cdc_collection",
  "cdc_dead_letter",
  "cdc_lock",
  "cdc_repair",
  "cdc_verify",
] as const;
type MetadataTable = typeof METADATA_TABLES[number];

/** The view of how all streams are. */
export const STATUS_VIEW = "cdc_status";

export const isMetadataTable = (name: string): boolean =>
  [...METADATA_TABLES, STATUS_VIEW].some((own) => own === name);

/** Makes one of them, if the schema has none. */
export async function createMetadataTable(
  transport: Transport,
  { schema, name, columns }: { schema: string; name: MetadataTable; columns: string },
): Promise<void> {
  await createTable(transport, { schema, name }, `(${columns}) ${transport.dialect.clustered(1)}`);
}

export interface ColumnOfTable {
  readonly name: string;
  readonly type: string;
}

/** How often relays may be faster that add the same columns at the same moment. */
const MAX_TRIES = 5;

/** Adds the columns that a table lacks. Another process may add the same at the same moment. */
export async function addColumns(
  transport: Transport,
  table: TableName,
  wanted: readonly ColumnOfTable[],
): Promise<void> {
  for (let tries = 1;; tries++) {
    const { rows } = await transport.query(
      "SELECT column_name FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2",
      [table.schema, table.name],
    );
    const missing = wanted.filter(({ name }) => !rows.flat().includes(name));
    if (missing.length === 0) return;
    const clauses = missing.map(({ name, type }) => `ADD COLUMN ${quoteName(name)} ${type}`);
    try {
      await transport.query(`ALTER TABLE ${quoteTable(table)} ${clauses.join(", ")}`);
      return;
    } catch (error) {
      if (!isSinkError(error, "exists") || tries === MAX_TRIES) throw error;
    }
  }
}

/** One of them, as it was found. Older versions made it with fewer columns. */
export interface FoundTable extends TableName {
  readonly columns: readonly string[];
}

/**
 * The rows that a query finds in all tables of that name, in every schema. Ignores tables that have just been dropped,
 * and tables of others, which have no column `stream`.
 */
export async function selectFromEverySchema(
  transport: Transport,
  name: MetadataTable,
  statement: (table: string, found: FoundTable) => string,
  parameters: readonly Parameter[] = [],
): Promise<Result["rows"]> {
  const { rows } = await transport.query(
    "SELECT t.table_schema, c.column_name FROM information_schema.tables t JOIN information_schema.columns c " +
      "ON c.table_schema = t.table_schema AND c.table_name = t.table_name " +
      "WHERE t.table_name = $1 AND t.table_type = 'BASE TABLE'",
    [name],
  );
  const tables = [...Map.groupBy(rows, ([schema]) => String(schema))]
    .map(([schema, found]) => ({ schema, name, columns: found.map(([, column]) => String(column)) }))
    .filter(({ columns }) => columns.includes("stream"));
  const read = async (table: FoundTable) => {
    await refreshTable(transport, table);
    return (await transport.query(statement(quoteTable(table), table), parameters)).rows;
  };
  const found = tables.map((table) =>
    read(table).catch((error) => isUnknownRelation(error) ? [] : Promise.reject(error))
  );
  return (await Promise.all(found)).flat();
}

export async function tableExists(transport: Transport, { schema, name }: TableName): Promise<boolean> {
  const { rows } = await transport.query(
    "SELECT 1 FROM information_schema.tables WHERE table_schema = $1 AND table_name = $2",
    [schema, name],
  );
  return rows.length > 0;
}
