/** Standard output and standard error, written synchronously: nothing is lost if the program ends. */
import { writeSync } from "node:fs";
import process from "node:process";
import { isatty } from "node:tty";

export interface OutputStream {
  /** @throws an error that {@linkcode isBrokenPipe} recognizes if the reader has ended */
  write(text: string): void;
  readonly isTerminal: boolean;
}

/** Between two tries while the pipe is full. */
const FULL_PIPE_WAIT_MS = 5;

class FileStream implements OutputStream {
  readonly #file: 1 | 2;

  constructor(file: 1 | 2) {
    this.#file = file;
  }

  get isTerminal(): boolean {
    return isatty(this.#file);
  }

  write(text: string): void {
    let rest = new TextEncoder().encode(text);
    while (rest.length > 0) {
      try {
        rest = rest.subarray(writeSync(this.#file, rest));
      } catch (error) {
        if (codeOf(error) !== "EAGAIN") throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PIPE_WAIT_MS);
      }
    }
  }
}

/** Log, progress and errors. Drops text that cannot be written: a full disk does not end the relay. */
class Diagnostics extends FileStream {
  override write(text: string): void {
    try {
      super.write(text);
    } catch {
      // A closed pipe, a full disk.
    }
  }
}

export const STDOUT: OutputStream = new FileStream(1);
export const STDERR: OutputStream = new Diagnostics(2);

/** Characters per line; undefined if standard output is not a terminal. */
export const terminalColumns = (): number | undefined =>
  STDOUT.isTerminal ? process.stdout.columns : undefined;

/** Whether an error means that the reader has ended, such as head(1) or a closed terminal. */
export const isBrokenPipe = (error: unknown): boolean => ["EPIPE", "EIO"].includes(String(codeOf(error)));

const codeOf = (error: unknown): unknown =>
  error instanceof Error && "code" in error ? error.code : undefined;
