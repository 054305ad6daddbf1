/** `wait`: returns when CrateDB shows everything up to a time of MongoDB. */
import type { BSON } from "mongodb";
import { siblingsOf } from "../key/stream_name.ts";
import { hasWritten } from "../pipeline/snapshot/snapshot_state.ts";
import { openTransport } from "../sink/connection/open_transport.ts";
import { isUnknownRelation } from "../sink/connection/sink_error.ts";
import { refreshTable, type Transport } from "../sink/connection/transport.ts";
import type { SinkAddress } from "../sink/connection/url.ts";
import { selectFromEverySchema, tablesInEverySchema } from "../sink/metadata/metadata_tables.ts";
import { readPositions, type SavedPosition } from "../sink/metadata/saved_position.ts";
import { quoteTable, type TableName } from "../sink/sql/names.ts";
import { connectDeployment } from "../source/connection/deployment.ts";
import { clusterTimeFields, clusterTimeText, operationTimeOf } from "../source/connection/cluster_time.ts";
import { durationText } from "../util/text.ts";
import { explainAbsence } from "./absence.ts";
import type { StatusContext } from "./status.ts";

type WaitContext = Pick<StatusContext, "signal" | "clock" | "log">;

export interface WaitSettings {
  /** Provides the time, if `at` is "now". */
  readonly mongodbUrl: string;
  readonly sink: SinkAddress;
  /** The stream to wait for with all its workers, by the default schema; undefined for all. */
  readonly streamIn: ((schema: string) => string) | undefined;
  readonly at: "now" | BSON.Timestamp;
  /** Milliseconds. */
  readonly timeout: number;
  readonly output: "text" | "json";
}

export interface WaitedStream {
  readonly stream: string;
  /** "not followed" if no relay follows the stream, so that waiting is useless. */
  readonly outcome: "shown" | "behind" | "not followed";
}

export interface Waited {
  readonly at: BSON.Timestamp;
  readonly streams: readonly WaitedStream[];
  /** Why no stream was found; else empty. */
  readonly absence: readonly string[];
}

/** Intervals of polling: short at first, because most waits are short. */
const FIRST_INTERVAL_MS = 50;
const LONGEST_INTERVAL_MS = 500;
/** Interval of the search for tables with positions. */
const SEARCH_INTERVAL_MS = 5_000;

export async function wait(settings: WaitSettings, context: WaitContext): Promise<Waited> {
  const { sink, streamIn, timeout } = settings;
  const until = context.clock.monotonic() + timeout;
  const at = settings.at === "now" ? await timeOf(settings.mongodbUrl) : settings.at;
  await using transport = await openTransport(sink);
  const schema = transport.dialect.schema ?? sink.schema;
  return await waitFor(transport, { at, until, schema, wanted: streamIn?.(schema) }, context);
}

/** `until` is a time of the monotonic clock, in milliseconds. */
export async function waitFor(
  transport: Transport,
  { at, until, schema, wanted }: {
    readonly at: BSON.Timestamp;
    readonly until: number;
    readonly schema: string;
    readonly wanted: string | undefined;
  },
  { clock, log, signal }: WaitContext,
): Promise<Waited> {
  let tables: readonly TableName[] = [];
  let searchAt = -Infinity;
  for (let interval = FIRST_INTERVAL_MS;; interval = Math.min(2 * interval, LONGEST_INTERVAL_MS)) {
    if (clock.monotonic() >= searchAt) {
      tables = await tablesInEverySchema(transport, "cdc_position");
      searchAt = clock.monotonic() + SEARCH_INTERVAL_MS;
    }
    const streams = outcomesOf(await readPositions(transport, { tables, stream: wanted }), at, wanted);
    const isShown = waitOutcome(streams) === "shown";
    for (const { stream, outcome } of interval === FIRST_INTERVAL_MS ? streams : []) {
      if (outcome === "not followed") log.warn("No relay follows a stream that is waited for", { stream });
    }
    if (isShown) await refresh(transport, streams.map(({ stream }) => stream));
    if (isShown || clock.monotonic() >= until) {
      if (streams.length > 0) return { at, streams, absence: [] };
      tables = await tablesInEverySchema(transport, "cdc_position");
      const positions = await readPositions(transport, { tables, stream: undefined });
      const existing = positions.map(({ stream }) => stream).sort();
      return { at, streams, absence: await explainAbsence(transport, { wanted, existing, schema }) };
    }
    await clock.wait(Math.min(interval, Math.max(1, until - clock.monotonic())), { signal });
  }
}

/** The outcome of each stream, including workers that never ran. */
function outcomesOf(
  positions: readonly SavedPosition[],
  at: BSON.Timestamp,
  wanted: string | undefined,
): WaitedStream[] {
  const names = positions.map(({ stream }) => stream);
  const workers = new Set(names.filter((stream) => stream !== wanted).flatMap(siblingsOf));
  return [
    ...positions.map((each): WaitedStream => ({
      stream: each.stream,
      outcome: hasWritten(each, at) ? "shown" : each.isHeld ? "behind" : "not followed",
    })),
    ...workers.difference(new Set(names)).values()
      .map((stream): WaitedStream => ({ stream, outcome: "not followed" })),
  ].sort((one, other) => one.stream < other.stream ? -1 : 1);
}

async function timeOf(url: string): Promise<BSON.Timestamp> {
  await using deployment = await connectDeployment(url);
  return await operationTimeOf(deployment.route());
}

/** Rows are visible only after a refresh. */
async function refresh(transport: Transport, streams: readonly string[]): Promise<void> {
  const rows = await selectFromEverySchema(
    transport,
    "cdc_collection",
    (table) => `SELECT table_schema, table_name, stream FROM ${table} WHERE table_name IS NOT NULL`,
  );
  const tables = rows.filter(([, , stream]) => streams.includes(String(stream)))
    .map(([schema, name]) => ({ schema: String(schema), name: String(name) }));
  for (const table of new Map(tables.map((each) => [quoteTable(each), each])).values()) {
    await refreshTable(transport, table).catch((error) => {
      if (!isUnknownRelation(error)) throw error; // It was dropped with its collection.
    });
  }
}

/** The outcome of all streams together; "no stream" if none was found. */
export function waitOutcome(streams: readonly WaitedStream[]): "shown" | "behind" | "no stream" {
  if (streams.length === 0) return "no stream";
  return streams.every(({ outcome }) => outcome === "shown") ? "shown" : "behind";
}

/**
 * A line for each stream, or the reason why none was found.
 * @example
 * IN: {at: Timestamp(1700000000, 3), streams: [{stream: "shop.* -> …", outcome: "shown"}], …}, 120 ms
 * OUT: shop.* -> … shows everything up to 2023-11-14T22:13:20.000Z (3), after 120 ms
 */
export function waitText({ at, streams, absence }: Waited, duration: number): string {
  const lines = streams.map(({ stream, outcome }) => {
    const verb = outcome === "shown" ? "shows" : "does not show";
    const addition = outcome === "not followed" ? ", and no relay follows it" : "";
    return `${stream} ${verb} everything up to ${clusterTimeText(at)}${addition}, after ${
      durationText(duration)
    }`;
  });
  return [...lines, ...absence].join("\n");
}

/** The result as one line of JSON. @example OUT: {"outcome":"shown","cluster_time":"2023-11-14T22:13:20.000Z",…} */
export const waitJson = (waited: Waited, duration: number): string =>
  JSON.stringify({
    outcome: waitOutcome(waited.streams),
    ...clusterTimeFields(waited.at),
    duration_ms: Math.round(duration),
    streams: waited.streams,
  });
