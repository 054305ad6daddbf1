/** What is kept about a stream in all of the relay's own tables. */
import { partsOfStream } from "../../key/stream_name.ts";
import type { Parameter } from "../sql/query.ts";
import { refreshTable, type Transport } from "../connection/transport.ts";
import { quoteTable, type TableName } from "../sql/sql_names.ts";
import { deadLetterStream } from "./dead_letters.ts";
import {
  KEPT_FOR,
  METADATA_TABLES,
  type MetadataTable,
  selectFromEverySchema,
  tableExists,
  tablesInEverySchema,
} from "./metadata_tables.ts";

/** A stream, and the schema that its position is in. */
export interface StreamName {
  readonly schema: string;
  readonly stream: string;
}

/** Rows of one of the relay's own tables. */
export interface StreamRecords {
  readonly name: MetadataTable;
  readonly table: TableName;
  /** A condition on the rows. */
  readonly where: string;
  readonly parameters: readonly Parameter[];
}

/** The tables whose rows name a stream, in the order of removal: an interrupted removal can be repeated. */
const OF_STREAMS: readonly MetadataTable[] = [
  ...METADATA_TABLES.filter((name) =>
    KEPT_FOR[name] === "stream" && !["cdc_position", "cdc_collection"].includes(name)
  ),
  "cdc_collection",
  "cdc_position",
];

/** Versions up to 0.1 kept the locks of tables as streams. */
const NO_LOCK = `stream NOT LIKE 'widening "%'`;

/**
 * The streams that any of the tables has rows of, in every schema that the user may see.
 *
 * @throws SinkError
 */
export async function knownStreams(transport: Transport): Promise<StreamName[]> {
  const found = new Map<string, StreamName>();
  for (const table of await tablesInEverySchema(transport, ...OF_STREAMS)) {
    await refreshTable(transport, table);
    const { rows } = await transport.query(
      `SELECT DISTINCT stream FROM ${quoteTable(table)} WHERE ${NO_LOCK}`,
    );
    const { schema } = table;
    for (const [stream] of rows) found.set(`${schema}\0${stream}`, { schema, stream: String(stream) });
  }
  return [...found].sort(([one], [other]) => one < other ? -1 : 1).map(([, each]) => each);
}

/** A collection with rows in a table, and the stream that writes them. */
interface Followed extends StreamName {
  readonly letters: string;
  readonly table: TableName;
}

/**
 * All rows that are kept for these streams of one schema, in the order in which they are to be removed. What belongs to a
 * collection or a table that another stream writes too is not among them, nor the lock of a table whose rebuild was cut short.
 *
 * @example
 * IN: [{schema: "doc", stream: "shop.* -> …"}]
 * OUT: [{name: "cdc_dead_letter", table: doc.cdc_dead_letter, where: "stream = ANY(…)", …}, …, {name: "cdc_position", …}]
 *
 * @throws SinkError
 */
export async function recordsOf(
  transport: Transport,
  streams: readonly StreamName[],
): Promise<StreamRecords[]> {
  const [{ schema } = { schema: "" }] = streams;
  const names = streams.map(({ stream }) => stream);
  const all = await followed(transport);
  const isOwn = (each: Followed) => each.schema === schema && names.includes(each.stream);
  const own = all.filter(isOwn);
  const others = all.filter((each) => !isOwn(each));
  const tables = await tablesInEverySchema(transport, ...METADATA_TABLES);
  const has = (name: MetadataTable) => tables.some((each) => each.schema === schema && each.name === name);
  return [
    ...has("cdc_dead_letter") ? lettersOf(own, others, schema, transport) : [],
    ...await locksOf(own, others, transport),
    ...OF_STREAMS.filter(has).map((name) => ({
      name,
      table: { schema, name },
      where: `stream = ANY($1::${transport.dialect.lists[0]})`,
      parameters: [names],
    })),
  ];
}

async function followed(transport: Transport): Promise<Followed[]> {
  const rows = await selectFromEverySchema(
    transport,
    "cdc_collection",
    (table, { schema }) =>
      `SELECT '${
        schema.replaceAll("'", "''")
      }', stream, "database", collection, table_schema, table_name FROM ${table}`,
  );
  return rows.map((row) => {
    const [schema = "", stream = "", database = "", collection = "", tableSchema = "", name = ""] = row.map(
      String,
    );
    const table = { schema: tableSchema, name };
    return { schema, stream, table, letters: deadLetterStream({ database, collection }, table) };
  });
}

function lettersOf(
  own: readonly Followed[],
  others: readonly Followed[],
  schema: string,
  { dialect }: Transport,
): StreamRecords[] {
  const kept = new Set(others.filter((each) => each.schema === schema).map(({ letters }) => letters));
  const letters = [...new Set(own.map((each) => each.letters))].filter((each) => !kept.has(each));
  if (letters.length === 0) return [];
  const name = "cdc_dead_letter";
  return [{
    name,
    table: { schema, name },
    where: `stream = ANY($1::${dialect.lists[0]})`,
    parameters: [letters],
  }];
}

/** Locks are in the schemas of the tables. One of a rebuild that was cut short is what the next relay cleans up by. */
async function locksOf(
  own: readonly Followed[],
  others: readonly Followed[],
  transport: Transport,
): Promise<StreamRecords[]> {
  const name = "cdc_lock";
  const { lists: [texts], now, millis } = transport.dialect;
  const kept = new Set(others.map(({ table }) => quoteTable(table)));
  const tables = own.map(({ table }) => table).filter((table) => !kept.has(quoteTable(table)));
  const records: StreamRecords[] = [];
  for (const [schema, inSchema] of Map.groupBy(tables, (table) => table.schema)) {
    const table = { schema, name };
    if (!await tableExists(transport, table)) continue;
    records.push({
      name,
      table,
      where: `table_name = ANY($1::${texts}) AND work_table IS NULL ` +
        `AND (lease_until IS NULL OR ${millis("lease_until")} <= ${now})`,
      parameters: [[...new Set(inSchema.map((each) => each.name))]],
    });
  }
  return records;
}

/** The number of these rows. */
export async function countRecords(transport: Transport, records: StreamRecords): Promise<number> {
  const { table, where, parameters } = records;
  await refreshTable(transport, table);
  const { rows: [row] } = await transport.query(
    `SELECT count(*) FROM ${quoteTable(table)} WHERE ${where}`,
    parameters,
  );
  return Number(row?.[0]);
}

/** Removes these rows with one statement, except those that somebody writes during it. @returns their number */
export async function removeRecords(transport: Transport, records: StreamRecords): Promise<number> {
  const { table, where, parameters } = records;
  // A search passes over rows that were written since the last refresh.
  await refreshTable(transport, table);
  const { count } = await transport.query(
    `DELETE FROM ${quoteTable(table)} WHERE ${where}`,
    parameters,
    { writes: true },
  );
  await refreshTable(transport, table);
  return count;
}

/** The names of streams without their parts, each once. */
export const wholeStreams = (streams: readonly StreamName[]): string[] => [
  ...new Set(streams.map(({ stream }) => partsOfStream(stream).whole)),
];
