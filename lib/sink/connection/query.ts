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

export interface QueryOptions {
  /** Whether the statement writes or deletes rows of a table that others may write to next. @default {false} */
  readonly writes?: boolean;
  /** Milliseconds that the server has for the answer. @default {that of the transport} */
  readonly limitMs?: number;
}

export type Query = (
  sql: string,
  parameters?: readonly Parameter[],
  options?: QueryOptions,
) => Promise<Result>;
