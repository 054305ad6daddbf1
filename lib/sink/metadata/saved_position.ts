/** What streams have saved, read without taking their leases. */
import { isStreamOf } from "../../key/worker.ts";
import type { Transport } from "../connection/transport.ts";
import { quoteTable, type TableName } from "../sql/sql_names.ts";
import { selectFromEach, tableExists } from "./metadata_tables.ts";

const TABLE = "cdc_position";

export interface SavedPosition {
  readonly stream: string;
  /** The resume token, as hex digits of its BSON; null for a stream that was never followed. */
  readonly token: string | null;
  /** What is left of the snapshot, as JSON; null for nothing. */
  readonly snapshot: string | null;
  /** The event of a dropped collection that a worker has come to, as hex digits of its token; null for none. */
  readonly barrier: string | null;
  /** Whether the stream was caught up at the last save. */
  readonly isUpToDate: boolean;
  /** Whether a relay holds the stream's lease. */
  readonly isHeld: boolean;
}

/** The position of a stream, also when it was saved just now; undefined where no relay has ever followed the stream. */
export async function readPosition(
  transport: Transport,
  { schema, stream }: { readonly schema: string; readonly stream: string },
): Promise<SavedPosition | undefined> {
  if (!await tableExists(transport, { schema, name: TABLE })) return undefined;
  const { rows: [row] } = await transport.query(
    `${select(transport)} FROM ${quoteTable({ schema, name: TABLE })} WHERE stream = $1`,
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
  { tables, stream }: { readonly tables: readonly TableName[]; readonly stream: string | undefined },
): Promise<SavedPosition[]> {
  const rows = await selectFromEach(
    transport,
    tables,
    (table) => `${select(transport)} FROM ${table}`,
  );
  return rows.map(positionOf).filter((each) => stream === undefined || isStreamOf(each.stream, stream));
}

const select = ({ dialect: { millis, now } }: Transport): string =>
  `SELECT stream, token, snapshot, barrier, lag_ms, coalesce(${
    millis("lease_until")
  } > ${now}, FALSE) AS is_held`;

const positionOf = ([stream, token, snapshot, barrier, lag, isHeld]: readonly unknown[]): SavedPosition => ({
  stream: String(stream),
  token: token as string | null,
  snapshot: snapshot as string | null,
  barrier: barrier as string | null,
  isUpToDate: lag !== null && Number(lag) === 0,
  isHeld: isHeld === true,
});
