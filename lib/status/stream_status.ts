/** How the streams in all schemas are, read from CrateDB alone. */
import { isUnknownRelation } from "../sink/connection/sink_error.ts";
import { refreshTable, type Transport } from "../sink/connection/transport.ts";
import { type FoundTable, tableExists, tablesInEverySchema } from "../sink/metadata/metadata_tables.ts";
import { STATUS_FIELDS, statusQuery, type StreamState } from "../sink/metadata/status_query.ts";
import { quoteName, quoteTable, type TableName } from "../sink/sql/sql_names.ts";
import { UserError } from "../util/errors.ts";
import { grantText, viewerOf } from "./absence.ts";

/** As the view `cdc_status` has it. Times are in ISO 8601; what an older version does not report is null. */
export interface StreamStatus {
  /** Of the relay's own tables. */
  readonly schema: string;
  readonly stream: string;
  readonly state: StreamState;
  readonly phase: string | null;
  readonly lag_ms: number | null;
  readonly cluster_time: string | null;
  readonly snapshot_done: number | null;
  readonly snapshot_total: number | null;
  readonly events: number | null;
  readonly rows: number | null;
  readonly overflowed: number | null;
  readonly dead_letters: number;
  readonly failed_collections: number | null;
  readonly oplog_headroom_s: number | null;
  readonly last_error: string | null;
  readonly owner: string | null;
  readonly version: string | null;
  readonly reported_at: string | null;
  readonly saved_at: string | null;
  readonly collections: readonly CollectionStatus[];
}

/** As `cdc_collection` has it. */
export interface CollectionStatus {
  readonly collection: string;
  /** The table that has rows of it, as `schema.table`; null for none. */
  readonly table: string | null;
  readonly state: string;
  readonly reason: string | null;
  readonly hint: string | null;
  readonly rows: number | null;
  readonly documents: number | null;
  readonly since: string | null;
}

const TEXTS: readonly string[] = [
  "stream",
  "state",
  "phase",
  "reason",
  "hint",
  "last_error",
  "owner",
  "version",
];
const MAX_COLLECTIONS = 1_000_000;

/** What the status of a stream is made of. A relay makes `cdc_position` last. */
const TABLES = ["cdc_position", "cdc_collection", "cdc_dead_letter"] as const;

/**
 * All streams that the user may see, in the order of their schemas and names.
 *
 * @param options.maxLag in milliseconds; a stream that is further behind has a problem
 *
 * @throws SinkError; UserError if the user sees the position of a stream, and not its dead letters
 */
export async function readStreams(
  transport: Transport,
  { maxLag }: { readonly maxLag: number },
): Promise<StreamStatus[]> {
  const tables = await tablesInEverySchema(transport, ...TABLES);
  const positions = tables.filter(({ name }) => name === TABLES[0]);
  for (const { schema } of positions) {
    const hidden = TABLES.find((name) =>
      !tables.some((each) => each.schema === schema && each.name === name)
    );
    if (hidden !== undefined) await refuse(transport, { schema, name: hidden });
  }
  const found = await Promise.all(positions.map((table) => streamsIn(transport, table, maxLag)));
  return found.flat().sort((one, other) => textOf(one) < textOf(other) ? -1 : 1);
}

/** None if the schema has just been dropped. */
async function streamsIn(
  transport: Transport,
  table: FoundTable,
  maxLag: number,
): Promise<StreamStatus[]> {
  const { schema, columns } = table;
  try {
    await refreshTable(transport, table);
    const { rows } = await transport.query(statusQuery(transport.dialect, { schema, columns, maxLag }));
    const collections = await collectionsIn(transport, schema);
    return rows.map((row) => statusOf(schema, row, collections.get(String(row[0])) ?? []));
  } catch (error) {
    if (isUnknownRelation(error) && !await tableExists(transport, table)) return [];
    throw error;
  }
}

/** @throws UserError */
async function refuse(transport: Transport, table: TableName): Promise<never> {
  const viewer = await viewerOf(transport);
  throw new UserError(`The user ${viewer.user} may not see ${quoteTable(table)}, which the status needs.`, {
    hint: grantText(viewer, table.schema),
  });
}

const COLLECTION_FIELDS = ["state", "reason", "hint", "rows", "documents", "since"] as const;

/** The collections of each stream, sorted by name. */
async function collectionsIn(
  transport: Transport,
  schema: string,
): Promise<Map<string, CollectionStatus[]>> {
  const table = { schema, name: "cdc_collection" };
  await refreshTable(transport, table);
  const fields = COLLECTION_FIELDS.map((name) => quoteName(name)).join(", ");
  const { rows } = await transport.query(
    `SELECT stream, "database", collection, table_schema, table_name, ${fields} FROM ${quoteTable(table)} ` +
      `ORDER BY stream, "database", collection LIMIT ${MAX_COLLECTIONS}`,
  );
  const found = new Map<string, CollectionStatus[]>();
  for (const [stream, database, collection, tableSchema, name, ...values] of rows) {
    const ofStream = found.get(String(stream)) ?? [];
    ofStream.push({
      collection: `${database}.${collection}`,
      table: name === null ? null : `${tableSchema}.${name}`,
      ...Object.fromEntries(COLLECTION_FIELDS.map((field, at) => [field, valueOf(field, values[at])])),
    } as CollectionStatus);
    found.set(String(stream), ofStream);
  }
  return found;
}

const textOf = ({ schema, stream }: StreamStatus): string => `${schema}\0${stream}`;

function statusOf(schema: string, values: readonly unknown[], collections: readonly CollectionStatus[]) {
  const fields = STATUS_FIELDS.map((name, at) => [name, valueOf(name, values[at])]);
  return { schema, ...Object.fromEntries(fields), collections } as StreamStatus;
}

/** Over HTTP a time is a number, over the wire a Date, and there a large integer is a text. */
function valueOf(name: string, value: unknown): string | number | null {
  if (value === null || value === undefined) return null;
  if (TEXTS.includes(name)) return String(value);
  if (!/_(?:at|time)$|^since$/.test(name)) return Number(value);
  return new Date(value instanceof Date ? value : Number(value)).toISOString();
}
