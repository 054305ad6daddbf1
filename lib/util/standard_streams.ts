/** Standard output and standard error, written synchronously: nothing is lost if the program ends. */
import { writeSync } from "node:fs";
import process from "node:process";
import { isatty } from "node:tty";

export interface OutputStream {
  /** @throws an error that {@linkcode isBrokenPipe} recognizes if the reader has ended */
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Characters in a line of a terminal; undefined if it is none. */
  readonly columns: number | undefined;
}

const FULL_PIPE_WAIT_MS = 5;

function writeTo(file: 1 | 2, text: string): void {
  let rest = new TextEncoder().encode(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(file, rest));
    } catch (error) {
      if (codeOf(error) !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PIPE_WAIT_MS);
    }
  }
}

const streamOf = (file: 1 | 2, write: OutputStream["write"]): OutputStream => ({
  write,
  get isTerminal() {
    return isatty(file);
  },
  get columns() {
    return isatty(file) ? process[file === 1 ? "stdout" : "stderr"].columns : undefined;
  },
});

export const STDOUT: OutputStream = streamOf(1, (text) => writeTo(1, text));

/** Log, progress and errors. Drops text that cannot be written: a closed pipe or a full disk does not end the relay. */
export const STDERR: OutputStream = streamOf(2, (text) => {
  try {
    writeTo(2, text);
  } catch {
    // A report would fail as well.
  }
});

/** Whether an error means that the reader has ended, such as head(1) or a closed terminal. */
export const isBrokenPipe = (error: unknown): boolean => ["EPIPE", "EIO"].includes(String(codeOf(error)));

const codeOf = (error: unknown): unknown =>
  error instanceof Error && "code" in error ? error.code : undefined;
