/** What a command is, and what it runs with. */
import type { OptionTable } from "../config/option.ts";
import type { Given } from "../config/read.ts";
import type { Logger, LoggerOptions } from "../util/log.ts";
import type { StatusLine } from "./status_line.ts";

export interface Command {
  readonly summary: string;
  readonly options: OptionTable;
  /** The option that an argument without a flag sets. @default {none} */
  readonly argument?: string;
  /** The options of each example. */
  readonly examples: readonly string[];
  /** Whether SIGHUP does not end it. @default {never} */
  readonly reloads?: (given: Given) => boolean;
  /** Whether it may run until a signal ends it. Others fail then. @default {never} */
  readonly isEndless?: (given: Given) => boolean;
  /** Whether it has something to finish after the signal; others are left as they are. @default {false} */
  readonly tidiesUp?: true;
  /** Loads its modules when it is called, so that help is instant. Resolves to an exit code unless that is 0. */
  readonly run: (given: Given, context: CommandContext) => Promise<number | void>;
}

export interface CommandContext {
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Changes the format and the level of the log. */
  readonly configureLog: (options: Pick<LoggerOptions, "format" | "level">) => void;
  /** Draws progress; undefined if standard error is not a terminal. */
  readonly statusLine: StatusLine | undefined;
  /** Characters in a line of standard output; undefined if it is no terminal. */
  readonly columns: number | undefined;
  /** Writes to standard output. Returns false if the output is closed. */
  readonly print: (text: string) => boolean;
}
