/** How streams are, for people. */
import { durationText } from "../util/duration_text.ts";
import { textTable } from "../util/text_table.ts";
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
 * A table with a row for each stream, and the last errors below it.
 *
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
  const rows = streams.map((each) => cellsOf(each, now));
  const errors = streams.filter(({ last_error }) => last_error !== null)
    .map(({ stream, last_error }) => `${stream}: ${last_error?.replace(/\s+/g, " ")}`);
  return [
    ...textTable({ header: HEADER, rows }, width),
    ...[...errors, ...streams.some(isUnfollowed) ? [FORGET] : []].map((line) =>
      line.length > width ? `${line.slice(0, width - 1)}…` : line
    ),
  ];
}

const FORGET = "forget --stream NAME removes what is kept of a stream that is no longer needed.";

/** Whether no relay follows the stream. One that failed needs a cure first. */
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
