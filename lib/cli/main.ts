/** The command line: runs a command, and turns errors into texts and exit codes. */
import { logOptions } from "../config/config.ts";
import type { Environment } from "../config/read.ts";
import type { Description } from "../pipeline/status/describe_error.ts";
import { unlessAborted } from "../util/concurrency.ts";
import { messageOf, UserError } from "../util/errors.ts";
import { createLogger, type Logger, type LoggerOptions } from "../util/log.ts";
import { isBrokenPipe, type OutputStream, STDERR, STDOUT } from "../util/standard_streams.ts";
import { helpWidth } from "./help.ts";
import { parseCommandLine } from "./parse.ts";
import { StatusLine } from "./status_line.ts";
import { stopOnHangup } from "./stop_signals.ts";

interface Surroundings {
  readonly env: Environment;
  readonly signal: AbortSignal;
  /** @default {those of the process} */
  readonly stdout?: OutputStream;
  readonly stderr?: OutputStream;
}

const STOPPED = "Stopped by a signal before the end";

type Report = (description: Description) => void;

/** Runs a command line. Returns the exit code. @example IN: ["--version"] → OUT: prints "mongodb_cdc_cratedb 0.1.0", 0 */
export async function main(
  args: readonly string[],
  { env, signal: stop, stdout = STDOUT, stderr = STDERR }: Surroundings,
): Promise<number> {
  let report = printTo(stderr);
  const output = outputTo(stdout);
  const signal = AbortSignal.any([stop, output.closed]);
  let isEndless = false;
  try {
    const parsed = parseCommandLine(args, helpWidth(env, stdout.columns));
    if ("text" in parsed) {
      output.print(parsed.text);
      return 0;
    }
    const given = { flags: parsed.flags, env };
    const logging = { ...logOptions(given) };
    const terminal = stderr.isTerminal && env.TERM !== "dumb";
    const statusLine = new StatusLine({ stream: stderr });
    const write = (line: string) => statusLine.above(() => stderr.write(`${line}\n`));
    const log = createLogger(Object.assign(logging, { colour: terminal && !env.NO_COLOR, write }));
    report = reportTo(log, logging, stderr);
    const isShown = terminal && logging.format === "text" && ["debug", "info"].includes(logging.level);
    if (!parsed.command.reloads?.(given)) stopOnHangup();
    isEndless = parsed.command.isEndless?.(given) ?? false;
    const running = parsed.command.run(given, {
      signal,
      log,
      configureLog: (options) => Object.assign(logging, options),
      statusLine: isShown ? statusLine : undefined,
      columns: stdout.columns,
      print: (text) => statusLine.above(() => output.print(text)),
    });
    const exitCode = await (parsed.command.tidiesUp ? running : unlessAborted(running, stop)) ?? 0;
    if (exitCode === 0 && stop.aborted && !isEndless) throw stop.reason;
    return exitCode;
  } catch (error) {
    // Loaded only now, with the MongoDB driver.
    const { describe } = await import("../pipeline/status/describe_error.ts");
    const isStopped = signal.aborted && error instanceof Error && error.name === "AbortError";
    if (isStopped && (isEndless || !stop.aborted)) return 0;
    const description = describe(isStopped ? new UserError(STOPPED) : error);
    report(description);
    return description.exitCode;
  }
}

const printTo = (stderr: OutputStream): Report => ({ message, hint }) =>
  stderr.write([`Error: ${message}`, ...hint ? [hint] : [], ""].join("\n"));

/** Reports the error that ends the program in the format of the log, with its stack at level debug. */
function reportTo(log: Logger, logging: LoggerOptions, stderr: OutputStream): Report {
  return ({ stack, ...description }) => {
    const { message, hint, exitCode } = description;
    const shown = logging.level === "debug" ? stack : undefined;
    if (logging.format === "json") return log.error(message, { hint, exit_code: exitCode, stack: shown });
    printTo(stderr)(description);
    if (shown) stderr.write(`${shown}\n`);
  };
}

/** Standard output: the results of a command. */
export function outputTo(stream: Pick<OutputStream, "write">) {
  const closing = new AbortController();
  /** Aborted when the reader has closed the output: a command that prints forever then ends. */
  const closed = closing.signal;

  /** Writes a text and a line end, unless the output is closed. Returns whether it is still open. */
  function print(text: string): boolean {
    if (closed.aborted) return false;
    try {
      stream.write(`${text}\n`);
    } catch (cause) {
      if (!isBrokenPipe(cause)) {
        throw new UserError(`Standard output cannot be written: ${messageOf(cause)}`, {
          hint: "Check whether the disk is full. The output is incomplete.",
          cause,
        });
      }
      closing.abort();
    }
    return !closed.aborted;
  }

  return { closed, print };
}
