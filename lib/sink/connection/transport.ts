/** How statements reach the sink: over HTTP (`http.ts`) or the PostgreSQL wire (`wire.ts`). */
import type { Query, QueryOptions } from "../sql/query.ts";
import type { TableName } from "../sql/sql_names.ts";
import type { Dialect } from "../sql/dialect.ts";

/** A connection to a server, which speaks a dialect. */
export interface Transport extends AsyncDisposable {
  readonly dialect: Dialect;
  /**
   * Runs one statement with `$1`, `$2`, … as parameters.
   *
   * @throws SinkError
   */
  query(...statement: Parameters<Query>): ReturnType<Query>;
}

/** Makes rows visible to queries, if the server does not do so at once. */
export async function refreshTable(
  transport: Transport,
  table: TableName,
  options: QueryOptions = {},
): Promise<void> {
  const statement = transport.dialect.refresh?.(table);
  if (statement) await transport.query(statement, [], options);
}
