/** How far a snapshot or a verification has come, for people: a bar on a terminal, a line every few seconds elsewhere. */
import process from "node:process";
// @ts-types="@types/cli-progress"
import cliProgress from "cli-progress";
import type { RelayObserver, SnapshotProgress } from "../pipeline/observer.ts";
import type { LogFields, Logger } from "../util/log.ts";
import type { VerifyObserver } from "../verify/observer.ts";

type SnapshotObserver = Pick<RelayObserver, "snapshotProgress" | "snapshotDone" | "stopped"> & Disposable;

export interface ProgressOptions {
  /** Whether a bar may be drawn on standard error. */
  readonly terminal: boolean;
  readonly log: Logger;
}

/** Draws how far something has come. */
interface Display {
  /** @param more what else is told, in the words of the line, and with the names of the bar's format */
  show(progress: Counted, more?: { readonly fields: LogFields; readonly values: object }): void;
  stop(): void;
}

type Counted = Pick<SnapshotProgress, "documents" | "total">;

const LINE_INTERVAL_MS = 5_000;

export function progressObserver({ terminal, log }: ProgressOptions): SnapshotObserver {
  const display = terminal
    ? new Bar("Snapshot", " | stream {lag} s behind")
    : new Lines("Taking the snapshot", log);
  return {
    snapshotProgress: ({ documents, total, lagSeconds: lag }) =>
      display.show({ documents, total }, { fields: { lag_s: lag }, values: { lag } }),
    snapshotDone: () => display.stop(),
    stopped: () => display.stop(),
    [Symbol.dispose]: () => display.stop(),
  };
}

export function verifyProgress(
  { terminal, log }: ProgressOptions,
): Pick<VerifyObserver, "progress" | "done"> & Disposable {
  const display = terminal ? new Bar("Verifying") : new Lines("Comparing documents", log);
  return {
    progress: (progress) => display.show(progress),
    done: () => display.stop(),
    [Symbol.dispose]: () => display.stop(),
  };
}

/** Documents a second since the first call, and the seconds that are left. */
class Pace {
  readonly #started = Date.now();
  #first: number | undefined;

  of({ documents, total }: Counted): { rate: number; left: number } {
    this.#first ??= documents;
    const seconds = Math.max(0.001, (Date.now() - this.#started) / 1_000);
    const rate = Math.round((documents - this.#first) / seconds);
    return { rate, left: rate > 0 ? Math.ceil(Math.max(0, total - documents) / rate) : 0 };
  }
}

class Lines implements Display {
  #pace = new Pace();
  readonly #message: string;
  readonly #log: Logger;
  #shownAt = Date.now();

  constructor(message: string, log: Logger) {
    this.#message = message;
    this.#log = log;
  }

  show(progress: Counted, { fields = {} }: { readonly fields?: LogFields } = {}): void {
    const { rate, left } = this.#pace.of(progress);
    if (Date.now() - this.#shownAt < LINE_INTERVAL_MS) return;
    this.#shownAt = Date.now();
    this.#log.info(this.#message, {
      documents: progress.documents,
      total: progress.total,
      rate_per_s: rate,
      left_s: left,
      ...fields,
    });
  }

  stop(): void {
    this.#pace = new Pace();
  }
}

class Bar implements Display {
  #pace = new Pace();
  readonly #bar: cliProgress.SingleBar;

  constructor(title: string, more = "") {
    this.#bar = new cliProgress.SingleBar({
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: true,
      format:
        `${title} {bar} {percentage} % | {value} of {total} documents | {rate}/s | {left} s left${more}`,
      formatBar: cliProgress.Format.BarFormat,
      gracefulExit: false,
    });
  }

  show(progress: Counted, { values = {} }: { readonly values?: object } = {}): void {
    const { documents, total } = progress;
    const shown = { ...this.#pace.of(progress), ...values };
    if (!this.#bar.isActive) this.#bar.start(total, documents, shown);
    this.#bar.setTotal(Math.max(total, documents));
    this.#bar.update(documents, shown);
  }

  stop(): void {
    this.#bar.stop();
    this.#pace = new Pace();
  }
}
