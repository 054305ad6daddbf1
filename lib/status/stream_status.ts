/** Reads the status of the streams in all schemas, from CrateDB only. */
import { partsOfStream } from "../key/stream_name.ts";
import { ifExists, isSinkError, isUnknownRelation } from "../sink/connection/sink_error.ts";
import { refreshTable, type Transport } from "../sink/connection/transport.ts";
import { checkColumns, tablesInEverySchema } from "../sink/metadata/metadata_tables.ts";
import {
  type CollectionStatus,
  REPORTED_AT,
  STATUS_COLUMNS,
  STATUS_FIELDS,
  statusQuery,
  type StreamStatus,
} from "../sink/metadata/status_view.ts";
import { tableExists } from "../sink/table/create_table.ts";
import { quoteName, quoteTable, type TableName } from "../sink/sql/names.ts";
import { type Clock, SYSTEM_CLOCK } from "../util/clock.ts";
import { UserError } from "../util/errors.ts";
import { grantText, viewerOf } from "./absence.ts";

const TEXTS = /^(?:stream|state|phase|reason|hint|last_error|owner|version)$/;
const TIMES = /_(?:at|time)$|^since$/;
const MAX_COLLECTIONS = 1_000_000;

/** The tables that the status needs. A relay creates `cdc_position` last. */
const TABLES = ["cdc_position", "cdc_collection", "cdc_dead_letter"] as const;

/** Another relay may be creating its tables, or somebody drops a schema. */
const TRIES = 4;
const PAUSE_MS = 250;

interface ReadOptions {
  /** In milliseconds; a larger lag is a problem. */
  readonly maxLag: number;
  readonly clock?: Pick<Clock, "wait">;
}

/**
 * All streams that the user may see, ordered by schema and name.
 * @throws SinkError; UserError if the user sees positions, but not collections or dead letters
 */
export async function readStreams(
  transport: Transport,
  { maxLag, clock = SYSTEM_CLOCK }: ReadOptions,
): Promise<StreamStatus[]> {
  for (let left = TRIES - 1;; left--) {
    try {
      return await readOnce(transport, maxLag);
    } catch (error) {
      const mayPass = error instanceof UserError || isUnknownRelation(error) ||
        isSinkError(error, "unavailable");
      if (left === 0 || !mayPass) throw error;
    }
    await clock.wait(PAUSE_MS);
  }
}

async function readOnce(transport: Transport, maxLag: number): Promise<StreamStatus[]> {
  const tables = await tablesInEverySchema(transport, ...TABLES);
  const positions = tables.filter(({ name }) => name === TABLES[0]);
  for (const { schema } of positions) {
    const visible = tables.filter((each) => each.schema === schema).map(({ name }) => name);
    const hidden = TABLES.find((name) => !visible.includes(name));
    if (hidden === undefined) continue;
    const viewer = await viewerOf(transport);
    const what = quoteTable({ schema, name: hidden });
    throw new UserError(`The user ${viewer.user} may not see ${what}, which the status needs.`, {
      hint: grantText(viewer, schema),
    });
  }
  const found = await Promise.all(positions.map((table) => streamsIn(transport, table, maxLag)));
  return found.flat().sort((one, other) => textOf(one) < textOf(other) ? -1 : 1);
}

/** No streams if the schema was dropped in between. @throws UserError for a table of another version */
async function streamsIn(transport: Transport, table: TableName, maxLag: number): Promise<StreamStatus[]> {
  const { schema } = table;
  try {
    await refreshTable(transport, table);
    const { rows } = await transport.query(statusQuery(transport.dialect, schema, maxLag));
    const collections = await collectionsIn(transport, schema);
    return rows.map((row) => {
      const fields = STATUS_FIELDS.map((name, at) => [name, valueOf(name, row[at])]);
      const ofStream = collections.get(String(row[0])) ?? [];
      return { schema, ...Object.fromEntries(fields), collections: ofStream } as StreamStatus;
    });
  } catch (error) {
    if (isUnknownRelation(error) && !await tableExists(transport, table)) return [];
    await checkColumns(transport, table, [...Object.keys(STATUS_COLUMNS), REPORTED_AT]);
    throw error;
  }
}

const COLLECTION_FIELDS = ["state", "reason", "hint", "rows", "documents", "since"] as const;

/** The collections of each stream of a schema. */
export async function collectionsIn(
  transport: Transport,
  schema: string,
): Promise<Map<string, CollectionStatus[]>> {
  const table = { schema, name: "cdc_collection" };
  await refreshTable(transport, table);
  const letters = new Map<unknown, number>(
    (await transport.query(
      `SELECT stream, count(*) FROM ${quoteTable({ schema, name: "cdc_dead_letter" })} GROUP BY stream`,
    )).rows.map(([stream, count]) => [stream, Number(count)]),
  );
  const verified = await verifiedIn(transport, schema);
  const fields = COLLECTION_FIELDS.map((name) => quoteName(name)).join(", ");
  const { rows } = await transport.query(
    `SELECT stream, "database", collection, table_schema, table_name, ${fields} FROM ${quoteTable(table)} ` +
      `ORDER BY stream, "database", collection LIMIT ${MAX_COLLECTIONS}`,
  );
  const found = new Map<string, CollectionStatus[]>();
  for (const [stream, database, collection, tableSchema, name, ...values] of rows) {
    const ofStream = found.get(String(stream)) ?? [];
    const namespace = `${database}.${collection}`;
    const table = name === null ? null : `${tableSchema}.${name}`;
    ofStream.push({
      collection: namespace,
      table,
      ...Object.fromEntries(COLLECTION_FIELDS.map((field, at) => [field, valueOf(field, values[at])])),
      dead_letters: letters.get(`${namespace} -> ${table}`) ?? 0,
      ...verified.get(`${partsOfStream(String(stream)).whole}\0${namespace}`) ?? NOT_VERIFIED,
    } as CollectionStatus);
    found.set(String(stream), ofStream);
  }
  return found;
}

const NOT_VERIFIED = { verified: null, verified_to: null };

/** By stream and collection. Only `verify` creates the table. */
async function verifiedIn(transport: Transport, schema: string) {
  const found = await ifExists(
    transport.query(
      `SELECT stream, collection, outcome, mode, cluster_time FROM ${
        quoteTable({ schema, name: "cdc_verify" })
      }`,
    ),
  );
  return new Map(
    found?.rows.map(([stream, collection, outcome, mode, time]) => {
      const isProof = mode === "full" && (outcome === "equal" || outcome === "repaired");
      const verified_to = isProof ? valueOf("cluster_time", time) : null;
      return [`${stream}\0${collection}`, { verified: String(outcome), verified_to }];
    }),
  );
}

const textOf = ({ schema, stream }: StreamStatus): string => `${schema}\0${stream}`;

/** Times are numbers over HTTP, and dates over the wire, where large integers are texts. */
function valueOf(name: string, value: unknown): string | number | null {
  if (value === null || value === undefined) return null;
  if (TEXTS.test(name)) return String(value);
  if (!TIMES.test(name)) return Number(value);
  return new Date(value instanceof Date ? value : Number(value)).toISOString();
}
