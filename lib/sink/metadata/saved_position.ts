/** Reads saved positions, and writes failures, without leases. */
import { isStreamOf, partsOfStream, streamKey, streamOfPart } from "../../key/stream_name.ts";
import { ifExists } from "../connection/sink_error.ts";
import type { Transport } from "../connection/transport.ts";
import { quoteTable, type TableName } from "../sql/names.ts";
import { selectFromEach } from "./metadata_tables.ts";
import type { SavedState } from "./stream_position.ts";
import type { StreamName } from "./stream_rows.ts";

const TABLE = "cdc_position";

export interface SavedPosition extends Omit<SavedState, "origin" | "paused"> {
  readonly stream: string;
  /** Whether the stream was caught up at the last save. */
  readonly isUpToDate: boolean;
  /** Whether a relay holds the stream's lease. */
  readonly isHeld: boolean;
  /** @default {false} */
  readonly isPaused?: boolean;
  readonly owner?: string | null;
  /** In milliseconds since 1970. */
  readonly leaseUntil?: number;
}

/** The current position of a stream; undefined if no relay has ever followed it. */
export async function readPosition(
  transport: Transport,
  { schema, stream }: StreamName,
): Promise<SavedPosition | undefined> {
  const sql = `${select(transport)} FROM ${quoteTable({ schema, name: TABLE })} WHERE stream = $1`;
  const found = await ifExists(transport.query(sql, [stream], { mayBeDropped: true }));
  const [row] = found?.rows ?? [];
  return row && positionOf(row);
}

/** The positions of all streams in tables from `tablesInEverySchema()`, or of one with all its workers. */
export async function readPositions(
  transport: Transport,
  { tables, stream }: { readonly tables: readonly TableName[]; readonly stream: string | undefined },
): Promise<SavedPosition[]> {
  const rows = await selectFromEach(transport, tables, (table) => `${select(transport)} FROM ${table}`);
  return rows.map(positionOf).filter((each) => stream === undefined || isStreamOf(each.stream, stream));
}

const select = ({ dialect: { millis, now } }: Transport): string =>
  "SELECT stream, token, snapshot, barrier, lag_ms, " +
  `coalesce(${millis("lease_until")} > ${now}, FALSE) AS is_held, owner, ${millis("lease_until")}, paused`;

const positionOf = (
  [stream, token, snapshot, barrier, lag, isHeld, owner, leaseUntil, paused]: readonly unknown[],
): SavedPosition => ({
  stream: String(stream),
  token: token as string | null,
  snapshot: snapshot as string | null,
  barrier: barrier as string | null,
  isUpToDate: lag !== null && Number(lag) === 0,
  isHeld: isHeld === true,
  isPaused: typeof paused === "string",
  owner: owner as string | null,
  leaseUntil: Number(leaseUntil ?? 0),
});

/** Shows the error of a stream that no relay follows in `cdc_status`, if a relay has created the tables. */
export async function saveFailure(
  transport: Transport,
  { error, ...name }: StreamName & { readonly error: string },
): Promise<void> {
  const { millis, now } = transport.dialect;
  const table = quoteTable({ schema: name.schema, name: TABLE });
  const stream = await savedName(transport, name);
  const insert = `INSERT INTO ${table} (stream) VALUES ($1) ON CONFLICT (stream) DO NOTHING`;
  if (!await ifExists(transport.query(insert, [stream], { mayBeDropped: true }))) return;
  await transport.query(
    `UPDATE ${table} SET phase = 'failed', last_error = $2, reported_at = CURRENT_TIMESTAMP ` +
      `WHERE stream = $1 AND coalesce(${millis("lease_until")}, 0) <= ${now}`,
    [stream, error],
  );
}

/** The name under which a stream was saved, which may list the same collections in another order. */
export async function savedName(transport: Transport, { schema, stream }: StreamName): Promise<string> {
  const newest = (table: string) => `SELECT stream FROM ${table} ORDER BY saved_at DESC NULLS LAST, stream`;
  const rows = await selectFromEach(transport, [{ schema, name: TABLE }], newest);
  return nameAmong(rows.map(([name]) => String(name)), stream);
}

/** The name among those saved, the newest first. */
export function nameAmong(saved: readonly string[], stream: string): string {
  if (saved.includes(stream)) return stream;
  const { whole, part } = partsOfStream(stream);
  const key = streamKey(whole);
  const found = saved.map(partsOfStream).find((each) =>
    streamKey(each.whole) === key && each.part?.count === part?.count
  );
  return found ? streamOfPart(found.whole, part) : stream;
}
