/** The relay's own tables, in each schema that relays write to. */
import { createTable } from "../table/create_table.ts";
import { readColumns } from "../table/show_create_table.ts";
import type { Dialect } from "../sql/dialect.ts";
import { quoteName, quoteTable, type TableName } from "../sql/names.ts";
import { ifExists } from "../connection/sink_error.ts";
import { refreshTable, type Rows, type Transport, type Values } from "../connection/transport.ts";
import { UserError } from "../../util/errors.ts";
import { REPORTED_AT, STATUS_COLUMNS, STATUS_VIEW } from "./status_view.ts";
import { VERIFY_COLUMNS } from "./verify_results.ts";

const TIME = "TIMESTAMP WITH TIME ZONE";

/** The columns of each table. Several streams may share a collection, its dead letters, or the lock of its table. */
const DEFINITIONS = {
  cdc_position: ({ longText }) => definitionsOf(positionColumns(longText)),
  cdc_collection: () =>
    'stream TEXT, "database" TEXT, collection TEXT, table_schema TEXT, table_name TEXT, "state" TEXT, reason TEXT, ' +
    `hint TEXT, "rows" BIGINT, documents BIGINT, "since" ${TIME}, PRIMARY KEY (stream, "database", collection)`,
  cdc_control: ({ longText }) =>
    `id TEXT PRIMARY KEY, stream TEXT, verb TEXT, arguments ${longText}, asked_at ${TIME} DEFAULT CURRENT_TIMESTAMP, ` +
    `asked_by TEXT DEFAULT CURRENT_USER, expires_at ${TIME}, state TEXT DEFAULT 'asked', progress TEXT, ` +
    `message ${longText}, started_at ${TIME}, ended_at ${TIME}`,
  cdc_dead_letter: ({ longText }) =>
    `stream TEXT, oid TEXT, document ${longText}, error ${longText}, time ${TIME}, PRIMARY KEY (stream, oid)`,
  cdc_events: ({ overflowDefinition, longText }) =>
    `id TEXT, "month" ${TIME}, "at" ${TIME}, stream TEXT, kind TEXT, severity TEXT, message ${longText}, ` +
    `details ${overflowDefinition}, PRIMARY KEY (id, "month")`,
  cdc_lock: () => `table_name TEXT PRIMARY KEY, work_table TEXT, owner TEXT, lease_until ${TIME}`,
  cdc_settings: ({ longText }) => `stream TEXT PRIMARY KEY, settings ${longText}, saved_at ${TIME}`,
  cdc_verify: ({ longText }) =>
    `${definitionsOf({ ...VERIFY_COLUMNS, differences: longText })}, PRIMARY KEY (stream, collection)`,
} as const satisfies Readonly<Record<string, (dialect: Dialect) => string>>;
export type MetadataTable = keyof typeof DEFINITIONS;
export const METADATA_TABLES = Object.keys(DEFINITIONS) as readonly MetadataTable[];

const positionColumns = (longText: string) => ({
  stream: "TEXT PRIMARY KEY",
  token: longText,
  snapshot: longText,
  origin: longText,
  barrier: longText,
  paused: longText,
  owner: "TEXT",
  lease_until: TIME,
  saved_at: TIME,
  [REPORTED_AT]: TIME,
  ...STATUS_COLUMNS,
});

const definitionsOf = (types: Readonly<Record<string, string>>): string =>
  Object.entries(types).map(([name, type]) => `${quoteName(name)} ${type}`).join(", ");

/** Columns by which a table of this version is recognised. */
const CHECKED: Partial<Record<MetadataTable, readonly string[]>> = {
  cdc_position: Object.keys(positionColumns("")),
  cdc_collection: ["state", "since"],
};

export const isMetadataTable = (name: string): boolean =>
  name === STATUS_VIEW || Object.hasOwn(DEFINITIONS, name);

/** Creates a table unless it exists. @throws UserError for a table of another version */
export async function prepareTable(transport: Transport, schema: string, name: MetadataTable): Promise<void> {
  const { dialect } = transport;
  const table = { schema, name };
  const months = name === "cdc_events" && dialect.name === "CrateDB" ? ' PARTITIONED BY ("month")' : "";
  await createTable(transport, table, `(${DEFINITIONS[name](dialect)}) ${dialect.clustered(1)}${months}`);
  const checked = CHECKED[name];
  if (checked) await checkColumns(transport, table, checked);
}

/** Creates the tables that a relay and `verify` share, and that of one of them, if they are missing. */
export async function prepareTables(
  transport: Transport,
  schema: string,
  own: "cdc_position" | "cdc_verify",
): Promise<void> {
  const letters = "cdc_dead_letter";
  const prepare = (name: MetadataTable) => prepareTable(transport, schema, name);
  const shared = [letters, "cdc_collection", "cdc_control", "cdc_events"] as const;
  await Promise.all([...shared, own].map(prepare));
  await refreshTable(transport, { schema, name: letters });
}

/** @throws UserError if a table that exists lacks one of these columns */
export async function checkColumns(
  transport: Transport,
  table: TableName,
  columns: readonly string[],
): Promise<void> {
  const existing = await readColumns(transport, table);
  const missing = columns.find((name) => !existing.has(name));
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
  parameters: Values = [],
): Promise<Rows> {
  const read = async (table: TableName) => {
    const options = { mayBeDropped: true };
    await refreshTable(transport, table, options);
    return (await transport.query(statement(quoteTable(table), table), parameters, options)).rows;
  };
  const found = await Promise.all(tables.map((table) => ifExists(read(table))));
  return found.flatMap((rows) => rows ?? []);
}

export const selectFromEverySchema = async (
  transport: Transport,
  name: MetadataTable,
  statement: (table: string, found: TableName) => string,
  parameters: Values = [],
): Promise<Rows> =>
  await selectFromEach(transport, await tablesInEverySchema(transport, name), statement, parameters);
