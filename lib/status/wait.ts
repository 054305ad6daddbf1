/** `wait`: returns when CrateDB shows everything up to a time of MongoDB. */
import type { BSON } from "mongodb";
import { siblingsOf } from "../key/partition.ts";
import { hasWritten } from "../pipeline/has_written.ts";
import { openTransport } from "../sink/connection/open_transport.ts";
import { isUnknownRelation } from "../sink/connection/sink_error.ts";
import { refreshTable, type Transport } from "../sink/connection/transport.ts";
import type { SinkAddress } from "../sink/connection/url.ts";
import { selectFromEverySchema } from "../sink/metadata/metadata_tables.ts";
import { readPositions, type SavedPosition } from "../sink/metadata/saved_position.ts";
import { quoteTable } from "../sink/table/sql_names.ts";
import { Deployment } from "../source/deployment.ts";
import { operationTimeOf } from "../source/operation_time.ts";
import type { Clock } from "../util/clock.ts";

export interface WaitSettings {
  /** Asked for the time, if that is "now". */
  readonly mongodbUrl: string;
  readonly sink: SinkAddress;
  /** The one stream to wait for, with all its parts, where names without a schema are in this one; undefined for all. */
  readonly streamIn: ((schema: string) => string) | undefined;
  readonly at: "now" | BSON.Timestamp;
  /** Milliseconds. */
  readonly timeout: number;
}

export interface WaitContext {
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

export interface Waited {
  readonly at: BSON.Timestamp;
  /** Streams that show everything. */
  readonly shown: readonly string[];
  /** Streams that did not in time. */
  readonly behind: readonly string[];
}

/** Between two looks at the positions. */
const INTERVAL_MS = 50;

/** @throws MongoError, SinkError; AbortError when it is told to stop */
export async function wait(settings: WaitSettings, context: WaitContext): Promise<Waited> {
  const { sink, streamIn, timeout } = settings;
  const { clock, signal } = context;
  const until = clock.monotonic() + timeout;
  const at = settings.at === "now" ? await timeOf(settings.mongodbUrl) : settings.at;
  await using transport = await openTransport(sink);
  const stream = streamIn?.(transport.dialect.schema ?? sink.schema);
  while (true) {
    const streams = await readPositions(transport, { stream });
    const behind = [
      ...streams.filter((each) => !hasWritten(each, at)).map(({ stream }) => stream),
      ...partsWithout(streams, stream),
    ];
    if (streams.length > 0 && behind.length === 0) {
      const shown = streams.map(({ stream }) => stream);
      await refresh(transport, shown);
      return { at, shown, behind };
    }
    if (clock.monotonic() >= until) return { at, shown: [], behind };
    await clock.wait(Math.min(INTERVAL_MS, Math.max(1, until - clock.monotonic())), { signal });
  }
}

/** Parts of divided streams that no relay has ever followed. */
function partsWithout(streams: readonly SavedPosition[], named: string | undefined): string[] {
  const there = streams.map(({ stream }) => stream).filter((stream) => stream !== named);
  return [...new Set(there.flatMap(siblingsOf))].filter((each) => !there.includes(each));
}

async function timeOf(url: string): Promise<BSON.Timestamp> {
  await using deployment = await Deployment.connect(url);
  return await operationTimeOf(deployment.route());
}

/** Rows are visible only after a refresh. */
async function refresh(transport: Transport, streams: readonly string[]): Promise<void> {
  const rows = await selectFromEverySchema(
    transport,
    "cdc_collection",
    (table) => `SELECT table_schema, table_name, stream FROM ${table}`,
  );
  const tables = rows.filter(([, , stream]) => streams.includes(String(stream)))
    .map(([schema, name]) => ({ schema: String(schema), name: String(name) }));
  const distinct = new Map(tables.map((table) => [quoteTable(table), table]));
  for (const table of distinct.values()) {
    try {
      await refreshTable(transport, table);
    } catch (error) {
      if (!isUnknownRelation(error)) throw error; // It was dropped with its collection.
    }
  }
}
