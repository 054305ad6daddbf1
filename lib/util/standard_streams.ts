/** Standard output and standard error. What is written is there when the call returns, also if the program ends then. */
import { writeSync } from "node:fs";
import process from "node:process";
import { isatty } from "node:tty";

export interface OutputStream {
  /** @throws an error of which {@linkcode isBrokenPipe} says so when nobody reads any more */
  write(text: string): void;
  readonly isTerminal: boolean;
}

/** Between two tries where whoever reads has no room yet. */
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

/** Log, progress and errors. What cannot be written is dropped, so that a full disk does not end the relay. */
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

/** Characters of a line; undefined where standard output is no terminal. */
export const terminalColumns = (): number | undefined =>
  STDOUT.isTerminal ? process.stdout.columns : undefined;

/** Whether an error means that the reader has ended: head(1) has enough lines, or the terminal is closed. */
export const isBrokenPipe = (error: unknown): boolean => ["EPIPE", "EIO"].includes(String(codeOf(error)));

const codeOf = (error: unknown): unknown =>
  error instanceof Error && "code" in error ? error.code : undefined;
