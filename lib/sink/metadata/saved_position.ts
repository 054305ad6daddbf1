/** What streams have saved, read without taking their leases. */
import { isStreamOf } from "../../key/stream_name.ts";
import type { Transport } from "../connection/transport.ts";
import { quoteTable } from "../sql/sql_names.ts";
import { type FoundTable, selectFromEach } from "./metadata_tables.ts";

const TABLE = "cdc_position";

export interface SavedPosition {
  readonly stream: string;
  /** The resume token, as hex digits of its BSON; null for a stream that was never followed. */
  readonly token: string | null;
  /** What is left of the snapshot, as JSON; null for nothing. */
  readonly snapshot: string | null;
  /** The event at which a part of a divided stream waits for the others, as hex digits of its token; null for none. */
  readonly barrier: string | null;
  /** Whether MongoDB had nothing more when this was saved. Versions up to 0.1 do not tell. */
  readonly isUpToDate: boolean;
  /** Whether a relay holds the stream's lease. */
  readonly isHeld: boolean;
}

/** The position of a stream, also when it was saved just now; undefined where no relay has ever followed the stream. */
export async function readPosition(
  transport: Transport,
  { schema, stream }: { readonly schema: string; readonly stream: string },
): Promise<SavedPosition | undefined> {
  const { rows: found } = await transport.query(
    "SELECT column_name FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2",
    [schema, TABLE],
  );
  if (found.length === 0) return undefined;
  const columns = found.map(([name]) => String(name));
  const { rows: [row] } = await transport.query(
    `${select(transport, columns)} FROM ${quoteTable({ schema, name: TABLE })} WHERE stream = $1`,
    [stream],
  );
  return row && positionOf(row);
}

/**
 * The positions of all streams in these tables, or of one with all its parts.
 *
 * @param tables as `tablesInEverySchema()` has found them
 */
export async function readPositions(
  transport: Transport,
  { tables, stream }: { readonly tables: readonly FoundTable[]; readonly stream: string | undefined },
): Promise<SavedPosition[]> {
  const rows = await selectFromEach(
    transport,
    tables,
    // Versions up to 0.1 kept the locks of tables here.
    (table, { columns }) => `${select(transport, columns)} FROM ${table} WHERE stream NOT LIKE 'widening "%'`,
  );
  return rows.map(positionOf).filter((each) => stream === undefined || isStreamOf(each.stream, stream));
}

/** @param columns those that the table has; older versions made it with fewer */
function select({ dialect: { millis, now } }: Transport, columns: readonly string[]): string {
  const orNull = (name: string) => columns.includes(name) ? name : "NULL";
  const isHeld = `coalesce(${millis("lease_until")} > ${now}, FALSE)`;
  return `SELECT stream, token, ${orNull("snapshot")} AS snapshot, ${orNull("barrier")} AS barrier, ` +
    `${orNull("lag_ms")} AS lag_ms, ${isHeld} AS is_held`;
}

const positionOf = ([stream, token, snapshot, barrier, lag, isHeld]: readonly unknown[]): SavedPosition => ({
  stream: String(stream),
  token: token as string | null,
  snapshot: snapshot as string | null,
  barrier: barrier as string | null,
  isUpToDate: lag !== null && Number(lag) === 0,
  isHeld: isHeld === true,
});
