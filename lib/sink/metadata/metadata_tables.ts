/** The relay's own tables, in each schema that relays write to. */
import { createTable } from "../table/create_table.ts";
import { quoteTable, type TableName } from "../sql/names.ts";
import { isUnknownRelation } from "../connection/sink_error.ts";
import { type Parameter, refreshTable, type Result, type Transport } from "../connection/transport.ts";
import { UserError } from "../../util/errors.ts";

/** What the rows of each table belong to. Several streams may share a collection or a table. `forget` depends on it. */
export const KEPT_FOR = {
  cdc_position: "stream",
  cdc_collection: "stream",
  cdc_dead_letter: "collection",
  cdc_lock: "table",
  cdc_repair: "stream",
  cdc_verify: "stream",
} as const;
export type MetadataTable = keyof typeof KEPT_FOR;
export const METADATA_TABLES = Object.keys(KEPT_FOR) as readonly MetadataTable[];

export const STATUS_VIEW = "cdc_status";

export const isMetadataTable = (name: string): boolean =>
  [...METADATA_TABLES, STATUS_VIEW].some((own) => own === name);

export async function createMetadataTable(
  transport: Transport,
  { schema, name, columns }: { schema: string; name: MetadataTable; columns: string },
): Promise<void> {
  await createTable(transport, { schema, name }, `(${columns}) ${transport.dialect.clustered(1)}`);
}

/** @throws UserError if a table that exists lacks one of these columns */
export async function checkColumns(
  transport: Transport,
  table: TableName,
  columns: readonly string[],
): Promise<void> {
  const sql =
    "SELECT column_name FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2";
  const { rows } = await transport.query(sql, [table.schema, table.name]);
  const missing = columns.find((name) => !rows.flat().includes(name));
  if (missing === undefined) return;
  throw new UserError(
    `The table ${quoteTable(table)} has no column ${missing}: another version created it.`,
    { hint: "Drop this table and start the relay again: it takes a new snapshot." },
  );
}

/** The tables of these names in each schema that the user may see. Tables of other programs lack the column `stream`. */
export async function tablesInEverySchema(
  transport: Transport,
  ...names: readonly MetadataTable[]
): Promise<TableName[]> {
  const { rows } = await transport.query(
    "SELECT t.table_schema, t.table_name " +
      "FROM information_schema.tables t JOIN information_schema.columns c " +
      "ON c.table_schema = t.table_schema AND c.table_name = t.table_name " +
      `WHERE t.table_name = ANY($1::${transport.dialect.lists[0]}) AND t.table_type = 'BASE TABLE' ` +
      "AND c.column_name = 'stream'",
    [names],
  );
  return rows.map(([schema, name]) => ({ schema: String(schema), name: String(name) }));
}

/** Queries each of these tables. Ignores tables that were dropped in between. */
export async function selectFromEach(
  transport: Transport,
  tables: readonly TableName[],
  statement: (table: string, found: TableName) => string,
  parameters: readonly Parameter[] = [],
): Promise<Result["rows"]> {
  const read = async (table: TableName) => {
    const options = { mayBeDropped: true };
    await refreshTable(transport, table, options);
    return (await transport.query(statement(quoteTable(table), table), parameters, options)).rows;
  };
  const found = tables.map((table) =>
    read(table).catch((error) => isUnknownRelation(error) ? [] : Promise.reject(error))
  );
  return (await Promise.all(found)).flat();
}

export const selectFromEverySchema = async (
  transport: Transport,
  name: MetadataTable,
  statement: (table: string, found: TableName) => string,
  parameters: readonly Parameter[] = [],
): Promise<Result["rows"]> =>
  await selectFromEach(transport, await tablesInEverySchema(transport, name), statement, parameters);
