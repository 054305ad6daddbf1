/** How far a stream has come, kept beside the data. One relay at a time follows a stream: its row is held by a lease. */
import type { Clock } from "../../util/clock.ts";
import type { Logger } from "../../util/log.ts";
import type { Transport } from "../connection/transport.ts";
import { quoteName } from "../sql/sql_names.ts";
import { Lease } from "./lease.ts";
import { addColumns, createMetadataTable } from "./metadata_tables.ts";
import { REPORT_INTERVAL_MS, REPORTED_AT, STATUS_COLUMNS, type StatusColumns } from "./status_columns.ts";

const TABLE = "cdc_position";

/** What is saved of a stream. */
export interface SavedState {
  /** The resume token, as hex digits of its BSON; null for a stream that was never followed. */
  readonly token: string | null;
  /** What is left of the snapshot, as JSON; null for nothing. */
  readonly snapshot: string | null;
  /** The identity of the deployment, as JSON; null where that is not known. */
  readonly origin: string | null;
  /** The event at which a part of a divided stream waits for the others, as hex digits of its token; null for none. */
  readonly barrier: string | null;
}

const COLUMNS = ["token", "snapshot", "origin", "barrier"] as const satisfies readonly (keyof SavedState)[];

export interface StreamPositionOptions {
  /** The schema that `cdc_position` is in. */
  readonly schema: string;
  /** Who follows what: databases, collections and table. */
  readonly stream: string;
  /** Milliseconds that the stream stays reserved without a sign of life. */
  readonly lease: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly clock: Clock;
  /** How the relay is; written with each save and each renewal of the lease. @default {it stays as it is} */
  readonly status?: () => StatusColumns;
  /** Whether this one waits while another relay that is alive follows the stream. @default {false} */
  readonly standsBy?: boolean;
  /** Called once when another relay, alive or dead, has the stream. @default {nobody is told} */
  readonly onWait?: (owner: string | null) => void;
  /** Whether another relay may write at once when this one gives the stream back. */
  readonly isFree: () => boolean;
}

export class StreamPosition implements AsyncDisposable {
  readonly stream: string;
  readonly #lease: Lease<keyof SavedState>;

  private constructor(stream: string, lease: Lease<keyof SavedState>) {
    this.stream = stream;
    this.#lease = lease;
  }

  /**
   * Takes the stream, waiting for the lease of a relay that died to run out.
   *
   * @throws LeaseHeldError when another relay that is alive follows the stream, and is not to be waited for
   */
  static async acquire(transport: Transport, options: StreamPositionOptions): Promise<StreamPosition> {
    const { schema, stream, lease, signal, log, clock, status, standsBy = false, onWait, isFree } = options;
    const table = { schema, name: TABLE };
    await createTable(transport, schema);
    const held = await Lease.acquire(transport, {
      table,
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
    }, {
      signal,
      standsBy,
      onWait: (owner, ms) => {
        if (standsBy) log.info("Standing by: another relay follows this stream", { owner });
        else log.info("Waiting for the lease of an earlier relay to run out", { owner, left_ms: ms });
        onWait?.(owner);
      },
    });
    return new StreamPosition(stream, held);
  }

  /** The name of this process, as the lease has it. */
  get owner(): string {
    return this.#lease.owner;
  }

  /** What was saved last. */
  get state(): SavedState {
    return this.#lease.values;
  }

  /**
   * Saves what has changed. Call it only after all rows before it are confirmed.
   *
   * @throws LeaseLostError
   */
  save(change: Partial<SavedState>): Promise<void> {
    return this.#lease.save(change);
  }

  /** Keeps the stream and reports the status until it is disposed of; calls `lost` if that fails. */
  keep(lost: (error: unknown) => void): Disposable {
    return this.#lease.keep(lost, REPORT_INTERVAL_MS);
  }

  /**
   * Writes the status as it is.
   *
   * @throws LeaseLostError
   */
  report(): Promise<void> {
    return this.#lease.renew();
  }

  /**
   * Resolves while the stream is this relay's for some time yet.
   *
   * @throws LeaseLostError
   */
  check(): Promise<void> {
    return this.#lease.check();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#lease[Symbol.asyncDispose]();
  }
}

const reportOf = (status: StatusColumns) =>
  typesOf(STATUS_COLUMNS).map(([column, type]) => ({ column, type, value: status[column] }));

const typesOf = <Types extends object>(types: Types) =>
  Object.entries(types) as [keyof Types & string, Types[keyof Types]][];

/** Tables of older versions lack the columns that came later. */
async function createTable(transport: Transport, schema: string): Promise<void> {
  const { longText } = transport.dialect;
  const later = {
    snapshot: longText,
    origin: longText,
    barrier: longText,
    ...STATUS_COLUMNS,
    [REPORTED_AT]: "TIMESTAMP WITH TIME ZONE",
  };
  const definition = ([name, type]: readonly [string, string]) => `${quoteName(name)} ${type}`;
  const columns = `stream TEXT PRIMARY KEY, token ${longText}, owner TEXT, ` +
    "lease_until TIMESTAMP WITH TIME ZONE, saved_at TIMESTAMP WITH TIME ZONE, " +
    typesOf(later).map(definition).join(", ");
  await createMetadataTable(transport, { schema, name: TABLE, columns });
  await addColumns(
    transport,
    { schema, name: TABLE },
    typesOf(later).map(([name, type]) => ({ name, type })),
  );
}
