/** The position of a stream, in `cdc_position`. One relay at a time follows a stream: it holds a lease on the row. */
import type { Clock } from "../../util/clock.ts";
import type { Logger } from "../../util/log.ts";
import type { Transport } from "../connection/transport.ts";
import { quoteName } from "../sql/names.ts";
import { Lease } from "./lease.ts";
import { checkColumns, createMetadataTable } from "./metadata_tables.ts";
import { REPORT_INTERVAL_MS, REPORTED_AT, STATUS_COLUMNS, type StatusColumns } from "./status_view.ts";

const TABLE = "cdc_position";

export interface SavedState {
  /** The resume token, as hex digits of its BSON; null before the first save. */
  readonly token: string | null;
  /** The rest of the snapshot, as JSON; null if it is done. */
  readonly snapshot: string | null;
  /** The identity of the deployment, as JSON; null if unknown. */
  readonly origin: string | null;
  /** The drop event at which a worker waits for the others, as hex digits of its token; null for none. */
  readonly barrier: string | null;
}

const COLUMNS = ["token", "snapshot", "origin", "barrier"] as const satisfies readonly (keyof SavedState)[];

interface StreamPositionOptions {
  /** The schema that `cdc_position` is in. */
  readonly schema: string;
  readonly stream: string;
  /** Milliseconds until another relay can take over. */
  readonly lease: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly clock: Clock;
  /** The status that each save and each renewal writes. @default {unchanged} */
  readonly status?: () => StatusColumns;
  /** Whether to wait as a standby while a live relay follows the stream. @default {false} */
  readonly standsBy?: boolean;
  /** Called once if another relay, live or dead, holds the lease. */
  readonly onWait?: (owner: string | null) => void;
  readonly isFree: () => boolean;
}

export class StreamPosition extends Lease<keyof SavedState> {
  readonly stream: string;

  private constructor(transport: Transport, options: StreamPositionOptions) {
    const { schema, stream, lease, clock, status, isFree } = options;
    super(transport, {
      table: { schema, name: TABLE },
      keyColumn: "stream",
      key: stream,
      columns: COLUMNS,
      ...status && { reported: () => reportOf(status()), reportedAtColumn: REPORTED_AT },
      savedAtColumn: "saved_at",
      lease,
      clock,
      holds: `follows this stream: ${stream}`,
      takesOver: `has taken over this stream: ${stream}`,
      isFree,
    });
    this.stream = stream;
  }

  /** Takes the lease of the stream, see {@linkcode Lease.acquire}. */
  static async acquire(transport: Transport, options: StreamPositionOptions): Promise<StreamPosition> {
    const { schema, signal, log, standsBy = false, onWait } = options;
    await createTable(transport, schema);
    const position = new StreamPosition(transport, options);
    await position.acquire({
      signal,
      standsBy,
      onWait: (owner, ms) => {
        if (standsBy) log.info("Standing by: another relay follows this stream", { owner });
        else log.info("Waiting for the lease of an earlier relay to expire", { owner, left_ms: ms });
        onWait?.(owner);
      },
    });
    return position;
  }

  /** As saved last. Save a new state only after CrateDB has confirmed all rows before it. */
  get state(): SavedState {
    return this.values;
  }

  override keep(lost: (error: unknown) => void): Disposable {
    return super.keep(lost, REPORT_INTERVAL_MS);
  }
}

const reportOf = (status: StatusColumns) =>
  typesOf(STATUS_COLUMNS).map(([column, type]) => ({ column, type, value: status[column] }));

const typesOf = <Types extends object>(types: Types) =>
  Object.entries(types) as [keyof Types & string, Types[keyof Types]][];

async function createTable(transport: Transport, schema: string): Promise<void> {
  const { longText } = transport.dialect;
  const types = {
    stream: "TEXT PRIMARY KEY",
    token: longText,
    snapshot: longText,
    origin: longText,
    barrier: longText,
    owner: "TEXT",
    lease_until: "TIMESTAMP WITH TIME ZONE",
    saved_at: "TIMESTAMP WITH TIME ZONE",
    [REPORTED_AT]: "TIMESTAMP WITH TIME ZONE",
    ...STATUS_COLUMNS,
  };
  const columns = typesOf(types).map(([name, type]) => `${quoteName(name)} ${type}`).join(", ");
  await createMetadataTable(transport, { schema, name: TABLE, columns });
  await checkColumns(transport, { schema, name: TABLE }, Object.keys(types));
}
