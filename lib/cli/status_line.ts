/** The last line of a terminal, below the log: it shows the progress. */
import process from "node:process";
import { type OutputStream, STDERR } from "../util/standard_streams.ts";

const REDRAW_MS = 100;
const DEFAULT_COLUMNS = 80;
/** A terminal wraps a line that fills its last column, and echoes `^C` behind it. */
const MARGIN = 3;
/** Moves to the start of the line and erases it. */
const ERASE = "\r\x1b[2K";

export interface StatusLineOptions {
  /** @default {standard error} */
  readonly stream?: Pick<OutputStream, "write">;
  /** Characters in a line of the terminal. @default {those of standard error} */
  readonly columns?: () => number;
  /** A monotonic clock in milliseconds. @default {performance.now} */
  readonly now?: () => number;
}

/**
 * @example
 * IN: show(() => "Snapshot 10 %"), above(() => log("Ready")) → OUT: the terminal shows "Ready", and below it "Snapshot 10 %"
 */
export class StatusLine {
  readonly #stream: Pick<OutputStream, "write">;
  readonly #columns: () => number;
  readonly #now: () => number;
  #render: ((columns: number) => string) | undefined;
  #drawnAt = -Infinity;

  constructor(options: StatusLineOptions = {}) {
    this.#stream = options.stream ?? STDERR;
    this.#columns = options.columns ?? (() => process.stderr.columns || DEFAULT_COLUMNS);
    this.#now = options.now ?? (() => performance.now());
  }

  /**
   * Shows a text instead of the last one.
   *
   * @param render makes the text for a number of characters; a longer text is cut
   */
  show(render: (columns: number) => string): void {
    this.#render = render;
    if (this.#now() - this.#drawnAt >= REDRAW_MS) this.#draw();
  }

  /** Runs `write`, which writes whole lines to the terminal, and shows the status line below them. */
  above<Result>(write: () => Result): Result {
    if (!this.#render) return write();
    this.#stream.write(ERASE);
    try {
      return write();
    } finally {
      this.#draw();
    }
  }

  /** Erases the line. */
  clear(): void {
    if (this.#render) this.#stream.write(ERASE);
    this.#render = undefined;
    this.#drawnAt = -Infinity;
  }

  #draw(): void {
    const columns = this.#columns() - MARGIN;
    this.#stream.write(ERASE + [...this.#render?.(columns) ?? ""].slice(0, columns).join(""));
    this.#drawnAt = this.#now();
  }
}
