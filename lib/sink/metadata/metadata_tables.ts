/** The relay's own tables. Each schema that relays write to may have them. */
import { createTable } from "../table/create_table.ts";
import { quoteName, quoteTable, type TableName } from "../sql/sql_names.ts";
import { isSinkError, isUnknownRelation } from "../connection/sink_error.ts";
import { type Parameter, type Result } from "../sql/query.ts";
import { refreshTable, type Transport } from "../connection/transport.ts";

export const METADATA_TABLES = [
  "cdc_position",
  "cdc_collection",
  "cdc_dead_letter",
  "cdc_lock",
  "cdc_repair",
  "cdc_verify",
] as const;
export type MetadataTable = typeof METADATA_TABLES[number];

/**
 * What the rows of each of them are kept for: a stream; a collection and its table, which several streams may have; or a
 * table, in its own schema. `forget` goes by it.
 */
export const KEPT_FOR: Readonly<Record<MetadataTable, "stream" | "collection" | "table">> = {
  cdc_position: "stream",
  cdc_collection: "stream",
  cdc_dead_letter: "collection",
  cdc_lock: "table",
  cdc_repair: "stream",
  cdc_verify: "stream",
};

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

/** The tables of these names in every schema that the user may see, without tables of others, which have no column `stream`. */
export async function tablesInEverySchema(
  transport: Transport,
  ...names: readonly MetadataTable[]
): Promise<FoundTable[]> {
  const { rows } = await transport.query(
    "SELECT t.table_schema, t.table_name, c.column_name " +
      "FROM information_schema.tables t JOIN information_schema.columns c " +
      "ON c.table_schema = t.table_schema AND c.table_name = t.table_name " +
      `WHERE t.table_name = ANY($1::${transport.dialect.lists[0]}) AND t.table_type = 'BASE TABLE'`,
    [names],
  );
  const columns = rows.map(([schema, name, column]) => ({
    table: { schema: String(schema), name: String(name) },
    column: String(column),
  }));
  return [...Map.groupBy(columns, ({ table }) => quoteTable(table)).values()]
    .flatMap((found) =>
      found.slice(0, 1).map(({ table }) => ({
        ...table,
        columns: found.map(({ column }) => column),
      }))
    )
    .filter(({ columns }) => columns.includes("stream"));
}

/** The rows that a query finds in each of these tables. Ignores tables that have just been dropped. */
export async function selectFromEach(
  transport: Transport,
  tables: readonly FoundTable[],
  statement: (table: string, found: FoundTable) => string,
  parameters: readonly Parameter[] = [],
): Promise<Result["rows"]> {
  const read = async (table: FoundTable) => {
    const options = { mayBeMissing: true };
    await refreshTable(transport, table, options);
    return (await transport.query(statement(quoteTable(table), table), parameters, options)).rows;
  };
  const found = tables.map((table) =>
    read(table).catch((error) => isUnknownRelation(error) ? [] : Promise.reject(error))
  );
  return (await Promise.all(found)).flat();
}

/** The rows that a query finds in all tables of that name, in every schema. */
export const selectFromEverySchema = async (
  transport: Transport,
  name: MetadataTable,
  statement: (table: string, found: FoundTable) => string,
  parameters: readonly Parameter[] = [],
): Promise<Result["rows"]> =>
  await selectFromEach(transport, await tablesInEverySchema(transport, name), statement, parameters);

export async function tableExists(transport: Transport, { schema, name }: TableName): Promise<boolean> {
  const { rows } = await transport.query(
    "SELECT 1 FROM information_schema.tables WHERE table_schema = $1 AND table_name = $2",
    [schema, name],
  );
  return rows.length > 0;
}
