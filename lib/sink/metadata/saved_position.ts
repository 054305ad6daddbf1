/** What a stream has saved, read without taking its lease. */
import type { Transport } from "../connection/transport.ts";
import { quoteTable } from "../table/sql_names.ts";
import { tableExists } from "./metadata_tables.ts";

const TABLE = "cdc_position";

export interface SavedPosition {
  /** The resume token, as hex digits of its BSON; null for a stream that was never followed. */
  readonly token: string | null;
  /** What is left of the snapshot, as JSON; null for nothing. */
  readonly snapshot: string | null;
  /** Whether a relay holds the stream's lease. */
  readonly isHeld: boolean;
}

/** @returns undefined where no relay has ever followed the stream */
export async function readPosition(
  transport: Transport,
  { schema, stream }: { readonly schema: string; readonly stream: string },
): Promise<SavedPosition | undefined> {
  if (!await tableExists(transport, { schema, name: TABLE })) return undefined;
  const { millis, now } = transport.dialect;
  const { rows: [row] } = await transport.query(
    `SELECT token, snapshot, ${millis("lease_until")}, ${now} FROM ${quoteTable({ schema, name: TABLE })} ` +
      "WHERE stream = $1",
    [stream],
  );
  if (!row) return undefined;
  const [token, snapshot, leaseUntil, serverTime] = row;
  return {
    token: token as string | null,
    snapshot: snapshot as string | null,
    isHeld: Number(leaseUntil ?? 0) > Number(serverTime),
  };
}
