/** The view `cdc_status`, for whoever reads with SQL. */
import { isRetryable, SinkError } from "../connection/sink_error.ts";
import type { Transport } from "../connection/transport.ts";
import { quoteTable } from "../sql/names.ts";
import type { Logger } from "../../util/log.ts";
import { messageOf } from "../../util/errors.ts";
import { STATUS_VIEW } from "./metadata_tables.ts";
import { statusQuery } from "./status_query.ts";

/**
 * Makes the view, or brings it up to date. The relay goes on without it where the server refuses, and says so.
 *
 * @throws SinkError when the server cannot be reached
 */
export async function createStatusView(
  transport: Transport,
  { schema, log }: { readonly schema: string; readonly log: Logger },
): Promise<void> {
  const view = quoteTable({ schema, name: STATUS_VIEW });
  const skip = (because: string) =>
    log.warn("The view of all streams cannot be made: going on without it", { view, because });
  // CrateDB 6 replaces a table as it does a view: the table and its rows are gone.
  const { rows } = await transport.query(
    "SELECT 1 FROM information_schema.tables WHERE table_schema = $1 AND table_name = $2 AND table_type <> 'VIEW'",
    [schema, STATUS_VIEW],
  );
  if (rows.length > 0) return skip("there is a table of that name");
  try {
    await transport.query(`CREATE OR REPLACE VIEW ${view} AS ${statusQuery(transport.dialect, { schema })}`);
  } catch (error) {
    if (!(error instanceof SinkError) || isRetryable(error)) throw error;
    skip(messageOf(error));
  }
}
