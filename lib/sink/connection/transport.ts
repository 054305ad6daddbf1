/** How statements reach the sink: over HTTP (`http.ts`) or the PostgreSQL wire (`wire.ts`). */
import type { Dialect } from "../sql/dialect.ts";
import type { TableName } from "../sql/names.ts";
import type { SinkError } from "./sink_error.ts";

/** JSON of objects (or null) as `jsonBytes()` makes it, sent as `array(object)` without being parsed. */
export type JsonArray = { readonly json: readonly (Uint8Array | null)[] };

export type Parameter = string | number | null | readonly string[] | JsonArray;

/** The values of the parameters `$1`, `$2`, …. */
export type Values = readonly Parameter[];

export type Rows = readonly (readonly unknown[])[];

/** The number of rows that a statement wrote, and the rows that it read. */
export interface Result {
  readonly count: number;
  readonly rows: Rows;
  /** With {@linkcode QueryOptions.forEach}, the error of each item: null if it was written; undefined or missing if the server does not report it. */
  readonly errors?: readonly (SinkError | null | undefined)[];
}

export const STATEMENT_LIMIT_MS = 120_000;
/** The limit of a statement that reads or writes a whole table. */
export const WHOLE_TABLE_LIMIT_MS = 24 * 60 * 60_000;

export interface QueryOptions {
  /** Whether the statement writes or deletes rows of a table to which others may write next. @default {false} */
  readonly writes?: boolean;
  /** Whether the statement tests what the server refuses: an unknown error is thrown at once. @default {false} */
  readonly isTrial?: boolean;
  /** Whether the caller repeats the statement in parts if an overloaded server refuses it. @default {false} */
  readonly isDivisible?: boolean;
  /** Whether the parameters are lists, and the statement runs for each of their items. Needs `rowErrors`. @default {false} */
  readonly forEach?: boolean;
  /** Whether another process may have dropped the relation: its absence is thrown at once. @default {false} */
  readonly mayBeDropped?: boolean;
  /** Milliseconds until the connection is closed; the server may still run the statement. @default {STATEMENT_LIMIT_MS} */
  readonly limitMs?: number;
}

export type Query = (sql: string, parameters?: Values, options?: QueryOptions) => Promise<Result>;

export interface Transport extends AsyncDisposable {
  readonly dialect: Dialect;
  /** Runs one statement with the parameters `$1`, `$2`, …. */
  query(...statement: Parameters<Query>): ReturnType<Query>;
}

export const wrapped = (transport: Transport, query: Query): Transport => ({
  dialect: transport.dialect,
  query,
  [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
});

/** The first value of the first row, as a number. @example IN: SELECT count(*) FROM t → OUT: 3 */
export async function queryNumber(transport: Transport, ...statement: Parameters<Query>): Promise<number> {
  const { rows: [row] } = await transport.query(...statement);
  return Number(row?.[0]);
}

/** Makes rows visible to queries, if the server does not do so at once. */
export async function refreshTable(
  transport: Transport,
  table: TableName,
  options?: QueryOptions,
): Promise<void> {
  const statement = transport.dialect.refresh?.(table);
  if (statement) await transport.query(statement, [], options);
}
