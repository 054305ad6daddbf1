/** How far a copy has come, for people: a bar on a terminal, a line every few seconds elsewhere. */
import process from "node:process";
// @ts-types="@types/cli-progress"
import { Format, SingleBar } from "cli-progress";
import type { Logger } from "../util/log.ts";

export interface Measure {
  readonly copied: number;
  /** Estimated. */
  readonly total: number;
  /** Seconds that the change stream is behind. */
  readonly lag: number;
}

export interface Progress {
  show(measure: Measure): void;
  stop(): void;
}

export interface ProgressOptions {
  readonly terminal: boolean;
  readonly log: Logger;
}

const LINE_INTERVAL = 5_000;

export const createProgress = (options: ProgressOptions): Progress =>
  options.terminal ? new Bar() : new Lines(options.log);

/** Documents a second since the start, and the seconds that are left. */
class Pace {
  readonly #started = Date.now();
  #first: number | undefined;

  of({ copied, total }: Measure): { rate: number; left: number } {
    this.#first ??= copied;
    const seconds = Math.max(0.001, (Date.now() - this.#started) / 1_000);
    const rate = Math.round((copied - this.#first) / seconds);
    return { rate, left: rate > 0 ? Math.ceil(Math.max(0, total - copied) / rate) : 0 };
  }
}

class Lines implements Progress {
  readonly #pace = new Pace();
  readonly #log: Logger;
  #shown = Date.now();

  constructor(log: Logger) {
    this.#log = log;
  }

  show(measure: Measure): void {
    const { rate, left } = this.#pace.of(measure);
    if (Date.now() - this.#shown < LINE_INTERVAL) return;
    this.#shown = Date.now();
    this.#log.info("Copying", {
      documents: `${measure.copied} of ${measure.total}`,
      rate: `${rate}/s`,
      left: `${left} s`,
      lag: `${measure.lag} s`,
    });
  }

  stop(): void {}
}

class Bar implements Progress {
  readonly #pace = new Pace();
  readonly #bar = new SingleBar({
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
    format:
      "Copying {bar} {percentage} % | {value} of {total} documents | {rate}/s | {left} s left | stream {lag} s behind",
    formatBar: Format.BarFormat,
    gracefulExit: false,
  });

  show(measure: Measure): void {
    const values = { ...this.#pace.of(measure), lag: measure.lag };
    if (!this.#bar.isActive) this.#bar.start(measure.total, measure.copied, values);
    this.#bar.setTotal(Math.max(measure.total, measure.copied));
    this.#bar.update(measure.copied, values);
  }

  stop(): void {
    this.#bar.stop();
  }
}
