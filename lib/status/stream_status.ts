/** How the streams in all schemas are, read from CrateDB alone. */
import { isStreamOf } from "../key/partition.ts";
import type { Transport } from "../sink/connection/transport.ts";
import { selectFromEverySchema } from "../sink/metadata/metadata_tables.ts";
import { STATUS_FIELDS, statusQuery, type StreamState } from "../sink/metadata/status_query.ts";

/** As the view `cdc_status` has it. Times are in ISO 8601; what an older version does not report is null. */
export interface StreamStatus {
  /** Of the relay's own tables. */
  readonly schema: string;
  readonly stream: string;
  readonly state: StreamState;
  readonly phase: string | null;
  readonly lag_ms: number | null;
  readonly cluster_time: string | null;
  readonly snapshot_done: number | null;
  readonly snapshot_total: number | null;
  readonly events: number | null;
  readonly rows: number | null;
  readonly overflowed: number | null;
  readonly dead_letters: number;
  readonly left_out: number | null;
  readonly oplog_headroom_s: number | null;
  readonly last_error: string | null;
  readonly owner: string | null;
  readonly version: string | null;
  readonly reported_at: string | null;
  readonly saved_at: string | null;
}

export interface ReadOptions {
  /** The one stream to read, or all parts of it. @default {all} */
  readonly stream?: string | undefined;
  /** Milliseconds; a stream that is further behind has a problem. */
  readonly maxLag: number;
}

const TEXTS: readonly string[] = ["stream", "state", "phase", "last_error", "owner", "version"];

/** @throws SinkError */
export async function readStreams(
  transport: Transport,
  { stream, maxLag }: ReadOptions,
): Promise<StreamStatus[]> {
  const rows = await selectFromEverySchema(transport, "cdc_position", (_, { schema, columns }) => {
    const name = `'${schema.replaceAll("'", "''")}' AS "schema"`;
    return `SELECT ${name}, s.* FROM (${statusQuery(transport.dialect, { schema, columns, maxLag })}) s`;
  });
  return rows.map(statusOf)
    .filter((each) => stream === undefined || isStreamOf(each.stream, stream))
    .sort((one, other) => textOf(one) < textOf(other) ? -1 : 1);
}

const textOf = ({ schema, stream }: StreamStatus): string => `${schema}\0${stream}`;

function statusOf([schema, ...values]: readonly unknown[]): StreamStatus {
  const fields = STATUS_FIELDS.map((name, at) => [name, valueOf(name, values[at])]);
  return { schema, ...Object.fromEntries(fields) } as StreamStatus;
}

/** Over HTTP a time is a number, over the wire a Date, and there a large integer is a text. */
function valueOf(name: string, value: unknown): string | number | null {
  if (value === null || value === undefined) return null;
  if (TEXTS.includes(name)) return String(value);
  if (!/_(?:at|time)$/.test(name)) return Number(value);
  return new Date(value instanceof Date ? value : Number(value)).toISOString();
}
