/** Progress of a snapshot or a verification: a bar on a terminal, otherwise a log line every few seconds. */
import { type Listener, on, type SnapshotProgress } from "../pipeline/status/events.ts";
import { durationText } from "../util/text.ts";
import type { Logger } from "../util/log.ts";
import type { VerifyEvent } from "../verify/verify.ts";
import type { CommandContext } from "./command.ts";
import type { StatusLine } from "./status_line.ts";

type Options = Pick<CommandContext, "statusLine" | "log">;

type Counted = Pick<SnapshotProgress, "documents" | "total">;

export interface Progress extends Counted {
  readonly title: string;
  /** Documents per second. */
  readonly rate: number;
  /** Seconds until the end; null if the rate is 0. */
  readonly left: number | null;
  /** Lag of the change stream, in seconds. @default {not shown} */
  readonly lag?: number | undefined;
}

/** Draws progress until it is stopped. */
interface Display {
  show(progress: Counted, lag?: number): void;
  stop(): void;
}

/** Listens to events of a relay until it is disposed of. */
export function snapshotProgress({ statusLine, log }: Options): Disposable & { readonly listen: Listener } {
  const { show, stop } = statusLine ? bar("Snapshot", statusLine) : logLines("Taking the snapshot", log);
  return {
    listen: on({
      snapshotProgress: ({ documents, total, lagSeconds }) => show({ documents, total }, lagSeconds),
      snapshotDone: stop,
      stopped: stop,
    }),
    [Symbol.dispose]: stop,
  };
}

/** Listens to events of a verification until it is disposed of. */
export function verifyProgress(
  { statusLine, log }: Options,
): Disposable & { readonly listen: (event: VerifyEvent) => void } {
  const { show, stop } = statusLine ? bar("Verifying", statusLine) : logLines("Comparing documents", log);
  return {
    listen: (event) => {
      if (event.type === "progress") show(event);
      else if (event.type === "done") stop();
    },
    [Symbol.dispose]: stop,
  };
}

const LONGEST_BAR = 40;
const SHORTEST_BAR = 5;

/**
 * Draws a line with a bar that fills the terminal.
 *
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
function startPace(): (counted: Counted) => Pick<Progress, "rate" | "left"> {
  const started = performance.now();
  let first: number | undefined;
  return ({ documents, total }) => {
    first ??= documents;
    const seconds = Math.max(0.001, (performance.now() - started) / 1_000);
    const rate = Math.round((documents - first) / seconds);
    return { rate, left: rate > 0 ? Math.ceil(Math.max(0, total - documents) / rate) : null };
  };
}

const LINE_INTERVAL_MS = 5_000;

function logLines(message: string, log: Logger): Display {
  let paceOf = startPace();
  let shownAt = performance.now();
  return {
    show({ documents, total }, lag) {
      const { rate, left } = paceOf({ documents, total });
      if (performance.now() - shownAt < LINE_INTERVAL_MS) return;
      shownAt = performance.now();
      log.info(message, { documents, total, rate_per_s: rate, left_s: left ?? undefined, lag_s: lag });
    },
    stop() {
      paceOf = startPace();
    },
  };
}

function bar(title: string, line: StatusLine): Display {
  let paceOf = startPace();
  return {
    show({ documents, total }, lag) {
      const shown = { title, documents, total, ...paceOf({ documents, total }), lag };
      line.show((columns) => progressLine(shown, columns));
    },
    stop() {
      line.clear();
      paceOf = startPace();
    },
  };
}
