/** Progress of a snapshot or a verification: a bar on a terminal, otherwise a log line every few seconds. */
import { type Listener, on, type SnapshotProgress } from "../pipeline/status/events.ts";
import { type Clock, SYSTEM_CLOCK } from "../util/clock.ts";
import { durationText } from "../util/text.ts";
import type { VerifyEvent } from "../verify/verify.ts";
import type { CommandContext } from "./command.ts";

interface Options extends Pick<CommandContext, "statusLine" | "log"> {
  /** @default {the system's} */
  readonly clock?: Pick<Clock, "monotonic">;
}

type Counted = Pick<SnapshotProgress, "documents" | "total">;

export interface Progress extends Counted {
  readonly title: string;
  readonly rate: number;
  /** Seconds until the end; null if the rate is 0. */
  readonly left: number | null;
  /** Lag of the change stream, in seconds. @default {not shown} */
  readonly lag?: number | undefined;
}

/** Listens to events of a relay until it is disposed of. */
export function snapshotProgress(options: Options): Disposable & { readonly listen: Listener } {
  const { show, stop } = display("Snapshot", "Taking the snapshot", options);
  const listen = on({
    snapshotProgress: ({ lagSeconds, ...counted }) => show(counted, lagSeconds),
    snapshotDone: stop,
    stopped: stop,
  });
  return { listen, [Symbol.dispose]: stop };
}

/** Listens to events of a verification until it is disposed of. */
export function verifyProgress(
  options: Options,
): Disposable & { readonly listen: (event: VerifyEvent) => void } {
  const { show, stop } = display("Verifying", "Comparing documents", options);
  const listen = (event: VerifyEvent) => {
    if (event.type === "progress") show(event);
    else if (event.type === "done") stop();
  };
  return { listen, [Symbol.dispose]: stop };
}

const LINE_INTERVAL_MS = 5_000;

/** Draws a bar with this title, or logs this message every few seconds, until it is stopped. */
function display(title: string, message: string, { statusLine, log, clock = SYSTEM_CLOCK }: Options) {
  let paceOf = startPace(clock);
  let shownAt = clock.monotonic();
  const show = ({ documents, total }: Counted, lag?: number): void => {
    const { rate, left } = paceOf({ documents, total });
    if (statusLine) {
      statusLine.show((columns) => progressLine({ title, documents, total, rate, left, lag }, columns));
    } else if (clock.monotonic() - shownAt >= LINE_INTERVAL_MS) {
      shownAt = clock.monotonic();
      log.info(message, { documents, total, rate_per_s: rate, left_s: left ?? undefined, lag_s: lag });
    }
  };
  const stop = (): void => {
    statusLine?.clear();
    paceOf = startPace(clock);
  };
  return { show, stop };
}

const LONGEST_BAR = 40;
const SHORTEST_BAR = 5;

/**
 * Draws a line with a bar that fills the terminal.
 * @example
 * IN: {title: "Snapshot", documents: 67_500, total: 150_000, rate: 27_120, left: 4, lag: 0}, 79
 * OUT: Snapshot ██████░░░░░░░ 45 % | 67,500 of 150,000 | 27,120/s | 4 s left | lag 0 s
 */
export function progressLine(
  { title, documents, total, rate, left, lag }: Progress,
  columns: number,
): string {
  const part = total > 0 ? Math.min(1, documents / total) : 0;
  const text = [
    `${Math.floor(part * 100)} %`,
    `${countText(documents)} of ${countText(Math.max(total, documents))}`,
    `${countText(rate)}/s`,
    ...left === null ? [] : [`${secondsText(left)} left`],
    ...lag === undefined ? [] : [`lag ${lag} s`],
  ].join(" | ");
  const length = Math.min(LONGEST_BAR, columns - title.length - text.length - 2);
  if (length < SHORTEST_BAR) return `${title} ${text}`;
  const full = Math.round(part * length);
  return `${title} ${"█".repeat(full)}${"░".repeat(length - full)} ${text}`;
}

const secondsText = (seconds: number): string =>
  seconds < 120 ? `${seconds} s` : durationText(seconds * 1_000);

const countText = (count: number): string => count.toLocaleString("en-US");

/** Measures documents per second since the first call, and estimates the seconds until all are read. */
function startPace(clock: Pick<Clock, "monotonic">): (counted: Counted) => Pick<Progress, "rate" | "left"> {
  let first: { readonly at: number; readonly documents: number } | undefined;
  return ({ documents, total }) => {
    const at = clock.monotonic();
    first ??= { at, documents };
    const seconds = Math.max(0.001, (at - first.at) / 1_000);
    const rate = Math.round((documents - first.documents) / seconds);
    return { rate, left: rate > 0 ? Math.ceil(Math.max(0, total - documents) / rate) : null };
  };
}
