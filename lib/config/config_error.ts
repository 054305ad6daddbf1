/** The errors of a file with settings, with their places. */
import { UsageError } from "../util/errors.ts";

/** The first line and column are 1. */
export interface Problem {
  readonly line: number;
  readonly column: number;
  readonly message: string;
  /** What to do, without a full stop. */
  readonly hint?: string | undefined;
}

/** A file with errors: all of them. */
export class ConfigError extends UsageError {
  readonly problems: readonly Problem[];

  constructor(path: string, problems: readonly Problem[]) {
    const sorted = [...problems].sort((one, other) => one.line - other.line || one.column - other.column);
    super(sorted.map((each) => problemText(path, each)).join("\n"), {
      hint: `Nothing has been started or changed. To see them all: config check ${path}`,
    });
    this.problems = sorted;
  }
}

/** @example OUT: relay.yaml:12:5: Unknown key: onDrp. Did you mean onDrop? */
export const problemText = (path: string, { line, column, message, hint }: Problem): string =>
  `${path}:${line}:${column}: ${[message, ...hint ? [hint] : []].join(". ").replace(/\.$/, "")}`;
