/** Progress of a snapshot or a verification: a bar on a terminal, otherwise a log line every few seconds. */
import { type Listener, on, type SnapshotProgress } from "../pipeline/status/events.ts";
import { durationText } from "../util/text.ts";
import type { Logger } from "../util/log.ts";
import type { VerifyEvent } from "../verify/verify.ts";
import type { StatusLine } from "./status_line.ts";

/** Listens to events until it is disposed of. */
interface ProgressListener<Heard> extends Disposable {
  readonly listen: Heard;
}

export interface ProgressOptions {
  /** Draws the bar; undefined if standard error is not a terminal. */
  readonly statusLine: StatusLine | undefined;
  readonly log: Logger;
}

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

const LINE_INTERVAL_MS = 5_000;

export function snapshotProgress({ statusLine, log }: ProgressOptions): ProgressListener<Listener> {
  const display = statusLine ? new Bar("Snapshot", statusLine) : new Lines("Taking the snapshot", log);
  return {
    listen: on({
      snapshotProgress: ({ documents, total, lagSeconds }) => display.show({ documents, total }, lagSeconds),
      snapshotDone: () => display.stop(),
      stopped: () => display.stop(),
    }),
    [Symbol.dispose]: () => display.stop(),
  };
}

export function verifyProgress(
  { statusLine, log }: ProgressOptions,
): ProgressListener<(event: VerifyEvent) => void> {
  const display = statusLine ? new Bar("Verifying", statusLine) : new Lines("Comparing documents", log);
  return {
    listen: (event) => {
      if (event.type === "progress") display.show({ documents: event.documents, total: event.total });
      else if (event.type === "done") display.stop();
    },
    [Symbol.dispose]: () => display.stop(),
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
class Pace {
  readonly #started = performance.now();
  #first: number | undefined;

  of({ documents, total }: Counted): Pick<Progress, "rate" | "left"> {
    this.#first ??= documents;
    const seconds = Math.max(0.001, (performance.now() - this.#started) / 1_000);
    const rate = Math.round((documents - this.#first) / seconds);
    return { rate, left: rate > 0 ? Math.ceil(Math.max(0, total - documents) / rate) : null };
  }
}

class Lines implements Display {
  readonly #message: string;
  readonly #log: Logger;
  #pace = new Pace();
  #shownAt = performance.now();

  constructor(message: string, log: Logger) {
    this.#message = message;
    this.#log = log;
  }

  show(progress: Counted, lag?: number): void {
    const { rate, left } = this.#pace.of(progress);
    if (performance.now() - this.#shownAt < LINE_INTERVAL_MS) return;
    this.#shownAt = performance.now();
    this.#log.info(this.#message, {
      documents: progress.documents,
      total: progress.total,
      rate_per_s: rate,
      left_s: left ?? undefined,
      lag_s: lag,
    });
  }

  stop(): void {
    this.#pace = new Pace();
  }
}

class Bar implements Display {
  readonly #title: string;
  readonly #line: StatusLine;
  #pace = new Pace();

  constructor(title: string, line: StatusLine) {
    this.#title = title;
    this.#line = line;
  }

  show(progress: Counted, lag?: number): void {
    const shown = { title: this.#title, ...progress, ...this.#pace.of(progress), lag };
    this.#line.show((columns) => progressLine(shown, columns));
  }

  stop(): void {
    this.#line.clear();
    this.#pace = new Pace();
  }
}
