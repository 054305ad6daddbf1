/** The position of a stream, in `cdc_position`. One relay at a time follows a stream: it holds a lease on the row. */
import type { Logger } from "../../util/log.ts";
import type { Transport } from "../connection/transport.ts";
import { type AcquireOptions, Lease, type LeaseOptions, rowOfStream } from "./lease.ts";
import type { StreamName } from "./stream_rows.ts";
import {
  type ColumnType,
  REPORT_INTERVAL_MS,
  REPORTED_AT,
  STATUS_COLUMNS,
  type StatusColumns,
} from "./status_view.ts";

const STATUS_ENTRIES = Object.entries(STATUS_COLUMNS) as [keyof StatusColumns, ColumnType][];

export interface SavedState {
  /** The resume token, as hex digits of its BSON; null before the first save. */
  readonly token: string | null;
  /** The rest of the snapshot, as JSON; null if it is done. */
  readonly snapshot: string | null;
  /** The identity of the deployment, as JSON; null if unknown. */
  readonly origin: string | null;
  /** The drop event at which a worker waits for the others, as hex digits of its token; null for none. */
  readonly barrier: string | null;
  /** The pause, as JSON; null while the stream is followed. */
  readonly paused: string | null;
}

interface StreamPositionOptions
  extends
    Pick<AcquireOptions, "signal" | "standsBy">,
    Pick<LeaseOptions<never>, "lease" | "clock" | "isFree">,
    StreamName {
  readonly log: Logger;
  /** The status that each save and each renewal writes. */
  readonly status: () => StatusColumns;
  /** Called once if another relay, live or dead, holds the lease. */
  readonly onWait: (owner: string | null) => void;
}

export class StreamPosition extends Lease<keyof SavedState> {
  /** Takes the lease of the stream in `cdc_position`, which must exist, see {@linkcode Lease.acquire}. */
  static async acquire(transport: Transport, options: StreamPositionOptions): Promise<StreamPosition> {
    const { status, log, standsBy, onWait } = options;
    const position = new StreamPosition(transport, {
      ...options,
      ...rowOfStream(options),
      columns: ["token", "snapshot", "origin", "barrier", "paused"],
      reported: () => {
        const values = status();
        return STATUS_ENTRIES.map(([column, type]) => ({ column, type, value: values[column] }));
      },
      reportedAtColumn: REPORTED_AT,
      savedAtColumn: "saved_at",
      renewal: REPORT_INTERVAL_MS,
    });
    await position.acquire({
      ...options,
      onWait: (owner, ms) => {
        if (standsBy) log.info("Standing by: another relay follows this stream", { owner });
        else log.info("Waiting for the lease of an earlier relay to expire", { owner, left_ms: ms });
        onWait(owner);
      },
    });
    return position;
  }

  get stream(): string {
    return this.options.key;
  }

  /** As saved last. Save a new state only after CrateDB has confirmed all rows before it. */
  get state(): SavedState {
    return this.values;
  }
}
