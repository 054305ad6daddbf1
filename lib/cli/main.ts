/** The command line: runs a command, and turns errors into texts and exit codes. */
import { logOptions } from "../config/config.ts";
import type { Environment } from "../config/read.ts";
import { describe, type Description } from "../pipeline/status/describe_error.ts";
import { createLogger } from "../util/log.ts";
import {
  isBrokenPipe,
  type OutputStream,
  STDERR,
  STDOUT,
  terminalColumns,
} from "../util/standard_streams.ts";
import { helpWidth } from "./help.ts";
import { parseCommandLine } from "./parse.ts";
import { StatusLine } from "./status_line.ts";
import { messageOf, UserError } from "../util/errors.ts";

interface Surroundings {
  readonly env: Environment;
  readonly signal: AbortSignal;
}

/** Runs a command line. Returns the exit code. @example IN: ["--version"] → OUT: prints "mongodb_cdc_cratedb 0.1.0", 0 */
export async function main(args: readonly string[], { env, signal: stop }: Surroundings): Promise<number> {
  const outcome = { report: printError };
  const output = new Output(STDOUT);
  const signal = AbortSignal.any([stop, output.closed]);
  try {
    return await run(args, { env, signal, output, outcome });
  } catch (error) {
    const description = describe(error);
    const isAbort = error instanceof Error && error.name === "AbortError";
    if (signal.aborted && description.exitCode === 1 && isAbort) return 0;
    outcome.report(description);
    return description.exitCode;
  }
}

const printError = ({ message, hint }: Description): void =>
  STDERR.write([`Error: ${message}`, ...hint ? [hint] : [], ""].join("\n"));

const printWithStack = ({ stack, ...description }: Description): void => {
  printError(description);
  if (stack) STDERR.write(`${stack}\n`);
};

interface RunOptions extends Surroundings {
  readonly output: Output;
  /** Reports the error that ends the program. */
  readonly outcome: { report: (description: Description) => void };
}

async function run(args: readonly string[], { env, signal, output, outcome }: RunOptions): Promise<number> {
  const parsed = parseCommandLine(args, helpWidth(env, terminalColumns()));
  if ("text" in parsed) {
    output.print(parsed.text);
    return 0;
  }
  const { command, flags } = parsed;
  const given = { flags, env };
  const logging = logOptions(given);
  const terminal = STDERR.isTerminal && env.TERM !== "dumb";
  const statusLine = new StatusLine();
  const write = (line: string) => statusLine.above(() => STDERR.write(`${line}\n`));
  const log = createLogger({ ...logging, colour: terminal && !env.NO_COLOR, write });
  const isVerbose = logging.level === "debug";
  if (logging.format === "json") {
    outcome.report = ({ message, hint, exitCode, stack }) =>
      log.error(message, { hint, exit_code: exitCode, stack: isVerbose ? stack : undefined });
  } else if (isVerbose) outcome.report = printWithStack;
  const showsProgress = terminal && logging.format === "text" && ["debug", "info"].includes(logging.level);
  const exitCode = await command.run(given, {
    signal,
    log,
    statusLine: showsProgress ? statusLine : undefined,
    print: (text) => statusLine.above(() => output.print(text)),
  });
  return exitCode ?? 0;
}

/** Standard output: the results of a command. */
export class Output {
  readonly #stream: Pick<OutputStream, "write">;
  readonly #closed = new AbortController();
  /** Aborted when the reader has closed the output: a command that prints forever then ends. */
  readonly closed = this.#closed.signal;

  constructor(stream: Pick<OutputStream, "write">) {
    this.#stream = stream;
  }

  /** Writes a text and a line end, unless the output is closed. Returns whether it is still open. */
  print(text: string): boolean {
    if (this.closed.aborted) return false;
    try {
      this.#stream.write(`${text}\n`);
    } catch (cause) {
      if (!isBrokenPipe(cause)) {
        throw new UserError(`Standard output cannot be written: ${messageOf(cause)}`, {
          hint: "Check whether the disk is full. The output is incomplete.",
          cause,
        });
      }
      this.#closed.abort();
    }
    return !this.closed.aborted;
  }
}
