/** Formats the status of streams as a table. */
import { durationText, GAP, type TextTable, textTable } from "../util/text.ts";
import type { StreamStatus } from "./stream_status.ts";

const HEADER = [
  "stream",
  "state",
  "phase",
  "lag",
  "snapshot",
  "events",
  "rows",
  "dead letters",
  "oplog",
  "reported",
];

/**
 * A table with a row for each stream, followed by the last errors.
 * @param now by CrateDB's clock or this machine's, in milliseconds since 1970
 *
 * @example
 * IN: [{stream: "shop.* -> …", state: "ok", phase: "following", lag_ms: 0, …}]
 * OUT: ["stream       state  phase      lag   …", "shop.* -> …  ok     following  0 ms  …"]
 */
export function statusText(
  streams: readonly StreamStatus[],
  { width, now }: { readonly width: number; readonly now: number },
): string[] {
  const table = fittingColumns({ header: HEADER, rows: streams.map((each) => cellsOf(each, now)) }, width);
  const errors = streams.filter(({ last_error }) => last_error !== null)
    .map(({ stream, last_error }) => `${stream}: ${last_error?.replace(/\s+/g, " ")}`);
  return [
    ...textTable(table, width),
    ...[...errors, ...streams.some(isUnfollowed) ? [FORGET] : []].map((line) =>
      line.length > width ? `${line.slice(0, width - 1)}…` : line
    ),
  ];
}

/** Columns that a narrow terminal omits, in this order. */
const OPTIONAL = ["reported", "rows", "events", "oplog", "phase", "snapshot"];
/** Minimum width of a stream's name, so that names stay distinct. */
const STREAM_WIDTH = 28;

/** Omits columns until names and states fit. */
function fittingColumns({ header, rows }: TextTable, width: number): TextTable {
  const widthOf = (at: number) =>
    Math.max(
      ...[header, ...rows].map((cells) =>
        Math.min(cells[at]?.length ?? 0, at === 0 ? STREAM_WIDTH : Infinity)
      ),
    );
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

function cellsOf(status: StreamStatus, now: number): string[] {
  const { snapshot_done: done, snapshot_total: total, oplog_headroom_s: headroom, reported_at } = status;
  return [
    status.stream,
    status.state,
    status.phase ?? "",
    status.lag_ms === null ? "" : durationText(status.lag_ms),
    done === null ? "" : `${done} of ${total}`,
    textOf(status.events),
    textOf(status.rows),
    textOf(status.dead_letters),
    headroom === null ? "" : durationText(headroom * 1_000),
    reported_at === null ? "" : `${durationText(Math.max(0, now - Date.parse(reported_at)))} ago`,
  ];
}

const textOf = (count: number | null): string => count === null ? "" : String(count);
