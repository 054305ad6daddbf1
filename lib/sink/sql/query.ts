/** A statement, its parameters and its result. */

/** JSON text of objects (or null), sent as `array(object)` without being parsed on the way. */
export interface JsonArray {
  readonly json: readonly (string | null)[];
}

export type Parameter = string | number | null | readonly string[] | JsonArray;

export interface Result {
  /** Rows that the statement wrote. */
  readonly count: number;
  readonly rows: readonly (readonly unknown[])[];
}

/** How long a statement may take by default. */
export const STATEMENT_LIMIT_MS = 120_000;
/** How long a statement may take that goes through a whole table. */
export const WHOLE_TABLE_LIMIT_MS = 24 * 60 * 60_000;

export interface QueryOptions {
  /** Whether the statement writes or deletes rows of a table that others may write to next. @default {false} */
  readonly writes?: boolean;
  /**
   * Whether the statement is sent to find out what the server refuses: an unknown error is thrown at once.
   *
   * @default {false}
   */
  readonly isTrial?: boolean;
  /** Whether the table may have been dropped: that it does not exist is thrown at once. @default {false} */
  readonly mayBeMissing?: boolean;
  /**
   * Milliseconds until the answer has to be complete. After that the connection is closed and a SinkError of the kind
   * "unreachable" is thrown; the server may still run the statement.
   *
   * @default {STATEMENT_LIMIT_MS}
   */
  readonly limitMs?: number;
}

export type Query = (
  sql: string,
  parameters?: readonly Parameter[],
  options?: QueryOptions,
) => Promise<Result>;
