/** The last line of a terminal, below the log: it shows the progress. */
import process from "node:process";
import { type OutputStream, STDERR } from "../util/standard_streams.ts";

const REDRAW_MS = 100;
const DEFAULT_COLUMNS = 80;
/** A terminal wraps a line that fills its last column, and echoes `^C` behind it. */
const MARGIN = 3;
/** Moves to the start of the line and erases it. */
const ERASE = "\r\x1b[2K";

const STDERR_TERMINAL = {
  stream: STDERR as Pick<OutputStream, "write">,
  columns: (): number => process.stderr.columns || DEFAULT_COLUMNS,
  now: (): number => performance.now(),
};

/**
 * @example
 * IN: show(() => "Snapshot 10 %"), above(() => log("Ready")) → OUT: the terminal shows "Ready", and below it "Snapshot 10 %"
 */
export class StatusLine {
  readonly #terminal: typeof STDERR_TERMINAL;
  #render: ((columns: number) => string) | undefined;
  #drawnAt = -Infinity;

  constructor(terminal: Partial<typeof STDERR_TERMINAL> = {}) {
    this.#terminal = { ...STDERR_TERMINAL, ...terminal };
  }

  /** Shows another text. `render` makes it for a number of characters; a longer text is cut. */
  show(render: (columns: number) => string): void {
    this.#render = render;
    if (this.#terminal.now() - this.#drawnAt >= REDRAW_MS) this.#draw();
  }

  /** Runs `write`, which writes whole lines to the terminal, and shows the status line below them. */
  above<Result>(write: () => Result): Result {
    if (!this.#render) return write();
    this.#terminal.stream.write(ERASE);
    try {
      return write();
    } finally {
      this.#draw();
    }
  }

  clear(): void {
    if (this.#render) this.#terminal.stream.write(ERASE);
    this.#render = undefined;
    this.#drawnAt = -Infinity;
  }

  #draw(): void {
    const columns = this.#terminal.columns() - MARGIN;
    this.#terminal.stream.write(ERASE + [...this.#render?.(columns) ?? ""].slice(0, columns).join(""));
    this.#drawnAt = this.#terminal.now();
  }
}
