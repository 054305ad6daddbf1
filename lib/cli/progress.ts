/** How far a snapshot has come, for people: a bar on a terminal, a line every few seconds elsewhere. */
import process from "node:process";
// @ts-types="@types/cli-progress"
import { Format, SingleBar } from "cli-progress";
import type { RelayObserver, SnapshotProgress } from "../pipeline/observer.ts";
import type { Logger } from "../util/log.ts";

type ProgressObserver = Pick<RelayObserver, "snapshotProgress" | "snapshotDone" | "stopped"> & Disposable;

export interface ProgressOptions {
  /** Whether a bar may be drawn on standard error. */
  readonly terminal: boolean;
  readonly log: Logger;
}

const LINE_INTERVAL_MS = 5_000;

export const progressObserver = ({ terminal, log }: ProgressOptions): ProgressObserver =>
  terminal ? new Bar() : new Lines(log);

/** Documents a second since the first call, and the seconds that are left. */
class Pace {
  readonly #started = Date.now();
  #first: number | undefined;

  of({ documents, total }: SnapshotProgress): { rate: number; left: number } {
    this.#first ??= documents;
    const seconds = Math.max(0.001, (Date.now() - this.#started) / 1_000);
    const rate = Math.round((documents - this.#first) / seconds);
    return { rate, left: rate > 0 ? Math.ceil(Math.max(0, total - documents) / rate) : 0 };
  }
}

class Lines implements ProgressObserver {
  readonly #pace = new Pace();
  readonly #log: Logger;
  #shownAt = Date.now();

  constructor(log: Logger) {
    this.#log = log;
  }

  snapshotProgress(progress: SnapshotProgress): void {
    const { rate, left } = this.#pace.of(progress);
    if (Date.now() - this.#shownAt < LINE_INTERVAL_MS) return;
    this.#shownAt = Date.now();
    this.#log.info("Taking the snapshot", {
      documents: `${progress.documents} of ${progress.total}`,
      rate: `${rate}/s`,
      left: `${left} s`,
      lag: `${progress.lagSeconds} s`,
    });
  }

  snapshotDone(): void {}

  stopped(): void {}

  [Symbol.dispose](): void {}
}

class Bar implements ProgressObserver {
  readonly #pace = new Pace();
  readonly #bar = new SingleBar({
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
    format:
      "Snapshot {bar} {percentage} % | {value} of {total} documents | {rate}/s | {left} s left | stream {lag} s behind",
    formatBar: Format.BarFormat,
    gracefulExit: false,
  });

  snapshotProgress(progress: SnapshotProgress): void {
    const { documents, total, lagSeconds } = progress;
    const values = { ...this.#pace.of(progress), lag: lagSeconds };
    if (!this.#bar.isActive) this.#bar.start(total, documents, values);
    this.#bar.setTotal(Math.max(total, documents));
    this.#bar.update(documents, values);
  }

  snapshotDone(): void {
    this.#bar.stop();
  }

  stopped(): void {
    this.#bar.stop();
  }

  [Symbol.dispose](): void {
    this.#bar.stop();
  }
}
