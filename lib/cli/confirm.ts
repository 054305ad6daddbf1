/** Asks a question on a terminal: on standard error, so that standard output has the result alone. */
import process from "node:process";
import { createInterface } from "node:readline";
import { isatty } from "node:tty";

const STDIN = 0;
const STDERR = 2;

/** Whether somebody can read a question, and answer it. */
export const canAsk = (): boolean => isatty(STDIN) && isatty(STDERR);

export interface Question {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  readonly signal: AbortSignal;
}

/**
 * Asks, and waits for a line. Anything but yes means no, and so do the end of the input and an aborted signal.
 *
 * @example
 * IN: "Remove it?", and "y" is typed → OUT: true
 */
export async function confirm(
  question: string,
  { input, output, signal }: Question,
): Promise<boolean> {
  output.write(`${question} [y/N] `);
  // In raw mode it would take Ctrl-C, which stops the program.
  const lines = createInterface({ input, terminal: false });
  const stop = () => lines.close();
  signal.addEventListener("abort", stop);
  try {
    const answer = await new Promise<string>((resolve) => {
      lines.once("line", resolve);
      lines.once("close", () => resolve(""));
    });
    if (signal.aborted) output.write("\n");
    return /^\s*y(?:es)?\s*$/i.test(answer);
  } finally {
    signal.removeEventListener("abort", stop);
    lines.close();
  }
}

/** The same on the terminal of the process. */
export const confirmOnTerminal = (question: string, signal: AbortSignal): Promise<boolean> =>
  confirm(question, { input: process.stdin, output: process.stderr, signal });
