/** The rows of a stream in all of the relay's own tables. */
import { partsOfStream } from "../../key/stream_name.ts";
import { queryNumber, refreshTable, type Transport, type Values } from "../connection/transport.ts";
import { quoteTable, type TableName } from "../sql/names.ts";
import { deadLetterStream } from "./dead_letters.ts";
import {
  type MetadataTable,
  selectFromEach,
  selectFromEverySchema,
  tablesInEverySchema,
} from "./metadata_tables.ts";
import type { StreamName } from "./stream_rows.ts";
import { tableExists } from "../table/create_table.ts";

export interface StreamRecords {
  readonly name: MetadataTable;
  readonly table: TableName;
  readonly where: string;
  readonly parameters: Values;
}

/** The tables with a column `stream`, in the order of deletion: an interrupted deletion can be repeated. */
const OF_STREAMS = ["cdc_events", "cdc_verify", "cdc_settings", "cdc_collection", "cdc_position"] as const;

/** All streams with rows in these tables, in every schema that the user may see. */
export async function knownStreams(transport: Transport): Promise<StreamName[]> {
  const found = new Map<string, StreamName>();
  for (const table of await tablesInEverySchema(transport, ...OF_STREAMS)) {
    const { schema } = table;
    const rows = await selectFromEach(transport, [table], (name) => `SELECT DISTINCT stream FROM ${name}`);
    for (const [stream] of rows) found.set(`${schema}\0${stream}`, { schema, stream: String(stream) });
  }
  return [...found].sort(([one], [other]) => one < other ? -1 : 1).map(([, each]) => each);
}

type Followed = StreamName & { readonly letters: string; readonly table: TableName };

/** The rows of streams of one schema, in the order of deletion, without those that another stream or a rebuild needs. */
export async function recordsOf(
  transport: Transport,
  streams: readonly StreamName[],
): Promise<StreamRecords[]> {
  const [{ schema } = { schema: "" }] = streams;
  const names = streams.map(({ stream }) => stream);
  const { own = [], others = [] } = Object.groupBy(
    await followed(transport),
    (each) => each.schema === schema && names.includes(each.stream) ? "own" : "others",
  );
  const tables = await tablesInEverySchema(transport, "cdc_dead_letter", "cdc_control", ...OF_STREAMS);
  const has = (name: MetadataTable) => tables.some((each) => each.schema === schema && each.name === name);
  const lettersOf = (each: readonly Followed[]) => new Set(each.map(({ letters }) => letters));
  const kept = lettersOf(others.filter((each) => each.schema === schema));
  const letters = [...lettersOf(own).difference(kept)];
  const byStream = (name: MetadataTable, values: readonly string[]): StreamRecords => ({
    name,
    table: { schema, name },
    where: `stream = ANY($1::${transport.dialect.lists[0]})`,
    parameters: [values],
  });
  return [
    ...has("cdc_dead_letter") && letters.length > 0 ? [byStream("cdc_dead_letter", letters)] : [],
    ...await locksOf(own, others, transport),
    ...["cdc_control" as const, ...OF_STREAMS].filter(has).map((name) => byStream(name, names)),
  ];
}

async function followed(transport: Transport): Promise<Followed[]> {
  const columns = 'stream, "database", collection, table_schema, table_name';
  const rows = await selectFromEverySchema(
    transport,
    "cdc_collection",
    (table, { schema }) =>
      `SELECT '${schema.replaceAll("'", "''")}', ${columns} FROM ${table} WHERE table_name IS NOT NULL`,
  );
  return rows.map((row) => {
    const [schema = "", stream = "", database = "", collection = "", ...at] = row.map(String);
    const [tableSchema = "", name = ""] = at;
    const table = { schema: tableSchema, name };
    return { schema, stream, table, letters: deadLetterStream({ database, collection }, table) };
  });
}

/** Locks are in the schemas of the tables. The next relay needs the lock of an interrupted rebuild to clean up. */
async function locksOf(
  own: readonly Followed[],
  others: readonly Followed[],
  transport: Transport,
): Promise<StreamRecords[]> {
  const { lists: [texts], now, millis } = transport.dialect;
  const kept = new Set(others.map(({ table }) => quoteTable(table)));
  const tables = own.map(({ table }) => table).filter((table) => !kept.has(quoteTable(table)));
  const records: StreamRecords[] = [];
  for (const [schema, inSchema] of Map.groupBy(tables, (table) => table.schema)) {
    const table = { schema, name: "cdc_lock" } as const;
    if (!await tableExists(transport, table)) continue;
    records.push({
      name: table.name,
      table,
      where: `table_name = ANY($1::${texts}) AND work_table IS NULL ` +
        `AND (lease_until IS NULL OR ${millis("lease_until")} <= ${now})`,
      parameters: [[...new Set(inSchema.map((each) => each.name))]],
    });
  }
  return records;
}

export async function countRecords(transport: Transport, records: StreamRecords): Promise<number> {
  const { table, where, parameters } = records;
  await refreshTable(transport, table);
  return await queryNumber(transport, `SELECT count(*) FROM ${quoteTable(table)} WHERE ${where}`, parameters);
}

/** Deletes these rows with one statement, except rows that are written at the same time. @returns their number */
export async function removeRecords(transport: Transport, records: StreamRecords): Promise<number> {
  const { table, where, parameters } = records;
  // A query skips rows that were written after the last refresh.
  await refreshTable(transport, table);
  const sql = `DELETE FROM ${quoteTable(table)} WHERE ${where}`;
  const { count } = await transport.query(sql, parameters, { writes: true });
  await refreshTable(transport, table);
  return count;
}

/** The distinct names of streams, without their workers. */
export const wholeStreams = (streams: readonly StreamName[]): string[] => [
  ...new Set(streams.map(({ stream }) => partsOfStream(stream).whole)),
];
