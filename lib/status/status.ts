/** `status`: reports the state of all streams, once or every second. Reads CrateDB alone. */
import { isStreamOf } from "../key/stream_name.ts";
import { healthOf } from "../pipeline/status/health.ts";
import { proofOf, proofText } from "../pipeline/status/proof.ts";
import { openTransport } from "../sink/connection/open_transport.ts";
import { isRetryable } from "../sink/connection/sink_error.ts";
import type { Transport } from "../sink/connection/transport.ts";
import { addressKey, nodesOf, nodeText, type SinkAddress } from "../sink/connection/url.ts";
import type { StreamStatus } from "../sink/metadata/status_view.ts";
import type { Clock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { cut, durationText, GAP, type TextTable, textTable } from "../util/text.ts";
import { explainAbsence } from "./absence.ts";
import { readStreams } from "./stream_status.ts";

export interface StatusSettings {
  readonly sink: SinkAddress;
  /** The stream to report with all its workers, by the default schema; undefined for all. */
  readonly streamIn: ((schema: string) => string) | undefined;
  /** Milliseconds; a larger lag is a problem. */
  readonly maxLag: number;
  readonly output: "text" | "json";
  readonly runs: "once" | "forever";
  /** Replaces the variables of the URL in a text by its origin. @default {the same text} */
  readonly reword?: ((text: string) => string) | undefined;
}

export interface StatusContext {
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly log: Logger;
  /** Characters per line; undefined if standard output is not a terminal, so that nothing is redrawn. */
  readonly columns: number | undefined;
  /** @default {openTransport} */
  readonly open?: (sink: SinkAddress) => Promise<Transport>;
  /** @returns false if the output is closed */
  readonly print: (text: string) => boolean;
}

export interface Found {
  readonly streams: readonly StreamStatus[];
  /** Why streams are missing; empty if none is. */
  readonly absence: readonly string[];
}

const INTERVAL_MS = 1_000;
const WIDTH_ELSEWHERE = 200;

/**
 * @param all the same for all streams of a file, but for the stream and its CrateDB
 * @returns whether a stream was found and all were well, once or when the output was closed
 * @throws SinkError, UserError, if no CrateDB answers; AbortError when the signal is aborted
 */
export async function status(
  all: readonly [StatusSettings, ...StatusSettings[]],
  context: StatusContext,
): Promise<boolean> {
  const [{ output, runs }] = all;
  const { signal, clock, columns, print, open = openTransport } = context;
  await using opened = new AsyncDisposableStack();
  let isReached = false;
  const reads = [...Map.groupBy(all, ({ sink }) => addressKey(sink)).values()].map((settings) => {
    const [{ sink, reword } = all[0]] = settings;
    let transport: Transport | undefined;
    const read = async () => {
      transport ??= opened.use(await open(sink));
      isReached = true;
      return await findStreams(transport, settings);
    };
    return () => read().catch((error) => ({ sink, error, reword }));
  });
  const drawnWidth = output === "text" ? columns : undefined;
  let drawn = 0;
  while (true) {
    const found = await Promise.all(reads.map((read) => read()));
    const silent = found.filter((each) => "error" in each);
    const answers = found.filter((each) => "streams" in each);
    let isAllWell = false;
    let text: string;
    if (answers.length > 0) {
      const streams = answers.flatMap(({ streams }) => streams);
      const reasons = await Promise.all(silent.map(why));
      const absence = [...answers.flatMap(({ absence }) => absence), ...reasons.flat()];
      isAllWell = isWell(streams) && absence.length === 0;
      text = textOf({ streams, absence }, all[0], context);
    } else {
      const [{ error } = { error: undefined }] = silent;
      if (runs === "once" || !isReached || !isRetryable(error)) throw error;
      text = output === "json" ? JSON.stringify({ error: messageOf(error) }) : messageOf(error);
    }
    const isOpen = print(redrawn(text, drawn));
    if (runs === "once" || !isOpen) return isAllWell;
    if (drawnWidth !== undefined) drawn = heightOf(text, drawnWidth);
    await clock.wait(INTERVAL_MS, { signal });
  }
}

/** @example OUT: ["The streams at db2:4200 are missing: CrateDB cannot be reached: connect ECONNREFUSED …", "Check …"] */
async function why(
  { sink, error, reword = (text) => text }: Pick<StatusSettings, "sink" | "reword"> & {
    readonly error: unknown;
  },
): Promise<readonly string[]> {
  // Loaded only now, with the MongoDB driver.
  const { describe } = await import("../pipeline/status/describe_error.ts");
  const { message, hint } = describe(error);
  const nodes = nodesOf(sink).map(nodeText).join();
  return [`The streams at ${nodes} are missing: ${message}`, ...hint ? [hint] : []].map(reword);
}

/** Finds the streams of one CrateDB. */
export async function findStreams(
  transport: Transport,
  settings: readonly Pick<StatusSettings, "sink" | "streamIn" | "maxLag">[],
): Promise<Found> {
  const all = await readStreams(transport, { maxLag: settings[0]?.maxLag ?? 0 });
  const existing = all.map(({ stream }) => stream);
  const streams: StreamStatus[] = [];
  const absence: string[] = [];
  for (const { sink, streamIn } of settings) {
    const schema = transport.dialect.schema ?? sink.schema;
    const wanted = streamIn?.(schema);
    const found = all.filter(({ stream }) => wanted === undefined || isStreamOf(stream, wanted));
    streams.push(...found);
    if (found.length === 0) absence.push(...await explainAbsence(transport, { wanted, existing, schema }));
  }
  return { streams, absence };
}

/** Erases the last lines and draws the text over them. @example IN: "a", 2 → OUT: "\x1b[2A\x1b[Ja" */
export const redrawn = (text: string, lines: number): string =>
  lines === 0 ? text : `\x1b[${lines}A\x1b[J${text}`;

/** The lines that a terminal of this width shows. @example IN: "abcd\n", 3 → OUT: 3 */
const heightOf = (text: string, width: number): number =>
  text.split("\n").reduce((sum, { length }) => sum + Math.max(1, Math.ceil(length / width)), 0);

function textOf(
  { streams, absence }: Found,
  { output, maxLag }: StatusSettings,
  context: StatusContext,
): string {
  if (output === "json") {
    if (absence.length > 0) context.log.warn(absence.join(" "));
    return JSON.stringify(streams);
  }
  const size = { width: context.columns ?? WIDTH_ELSEWHERE, now: context.clock.now(), maxLag };
  return [...streams.length > 0 ? statusText(streams, size) : [], ...absence].join("\n");
}

/** Whether a health check passes. */
export const isWell = (streams: readonly Pick<StreamStatus, "state">[]): boolean =>
  streams.length > 0 && streams.every(({ state }) => state === "ok");

/** The columns of the table, with the cell of a stream. */
const CELLS: Readonly<Record<string, (status: StreamStatus, now: number) => string>> = {
  "stream": ({ stream }) => stream,
  "state": ({ state }) => state,
  "phase": ({ phase }) => phase ?? "",
  "lag": ({ lag_ms }) => lag_ms === null ? "" : durationText(lag_ms),
  "snapshot": ({ snapshot_done: done, snapshot_total: total }) => done === null ? "" : `${done} of ${total}`,
  "events": ({ events }) => countText(events),
  "rows": ({ rows }) => countText(rows),
  "dead letters": ({ dead_letters }) => countText(dead_letters),
  "oplog": ({ oplog_headroom_s: left }) => left === null ? "" : durationText(left * 1_000),
  "reported": ({ reported_at: time }, now) =>
    time === null ? "" : `${durationText(Math.max(0, now - Date.parse(time)))} ago`,
};

const countText = (count: number | null): string => count === null ? "" : String(count);

/**
 * A table with a row for each stream, followed by what to do about their problems.
 * @param now by CrateDB's clock or this machine's, in milliseconds since 1970
 * @example
 * IN: [{stream: "shop.* -> …", state: "ok", phase: "following", lag_ms: 0, …}]
 * OUT: ["stream       state  phase      lag   …", "shop.* -> …  ok     following  0 ms  …"]
 */
export function statusText(
  streams: readonly StreamStatus[],
  { width, now, maxLag }: { readonly width: number; readonly now: number; readonly maxLag: number },
): string[] {
  const rows = streams.map((each) => Object.values(CELLS).map((cell) => cell(each, now)));
  const table = textTable(fittingColumns({ header: Object.keys(CELLS), rows }, width), width);
  const warnings = streams.flatMap((each) =>
    healthOf(each, { maxLag }).warnings.flatMap(({ text, hint }) => [`${each.stream}: ${text}`, `  ${hint}`])
  );
  const proofs = streams.flatMap(({ stream, collections }) => {
    const proof = proofText(proofOf(collections));
    return proof === undefined ? [] : [`${stream}: ${proof}`];
  });
  const notes = [
    ...warnings,
    ...proofs,
    ...streams.some(isUnfollowed) ? [FORGET] : [],
  ];
  return [...table, ...notes.map((line) => cut(line, width))];
}

/** Columns that a narrow terminal omits, in this order. */
const OPTIONAL = ["reported", "rows", "events", "oplog", "phase", "snapshot"];
/** Minimum width of a stream's name, so that names stay distinct. */
const STREAM_WIDTH = 28;

function fittingColumns({ header, rows }: TextTable, width: number): TextTable {
  const widthOf = (at: number) => {
    const widest = Math.max(...[header, ...rows].map((cells) => cells[at]?.length ?? 0));
    return at === 0 ? Math.min(widest, STREAM_WIDTH) : widest;
  };
  const isEmpty = (at: number) => rows.every((cells) => cells[at] === "");
  const shown = new Set(header.keys().filter((at) => !isEmpty(at)));
  for (const name of OPTIONAL) {
    const needed = [...shown].reduce((sum, at) => sum + widthOf(at) + GAP.length, -GAP.length);
    if (needed <= width) break;
    shown.delete(header.indexOf(name));
  }
  const only = (cells: readonly string[]) => cells.filter((_, at) => shown.has(at));
  return { header: only(header), rows: rows.map(only) };
}

const FORGET = "forget --stream NAME removes the metadata of a stream that is no longer needed.";

/** Whether no relay follows the stream. A failed one needs a repair first. */
const isUnfollowed = ({ state }: StreamStatus): boolean => state === "stopped" || state === "no sign of life";
