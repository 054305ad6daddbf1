/** How statements reach the sink; the two ways are in `http.ts` and `wire.ts`. */
import type { TableName } from "../table/sql_names.ts";
import type { Dialect } from "./dialect.ts";

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

export type Query = (sql: string, parameters?: readonly Parameter[]) => Promise<Result>;

/** A way to a server; the dialect is the server's. */
export interface Transport extends AsyncDisposable {
  readonly dialect: Dialect;
  /**
   * Runs one statement with `$1`, `$2`, … as parameters.
   *
   * @throws SinkError
   */
  query(...statement: Parameters<Query>): ReturnType<Query>;
}

/** Makes what was written visible to queries, where it is not so at once. */
export async function refreshTable(transport: Transport, table: TableName): Promise<void> {
  const statement = transport.dialect.refresh?.(table);
  if (statement) await transport.query(statement);
}
