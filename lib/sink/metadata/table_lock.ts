/** The lock of a table during a rebuild. Its row in `cdc_lock` names the work table, for the cleanup after a crash. */
import { ifExists } from "../connection/sink_error.ts";
import type { Transport } from "../connection/transport.ts";
import { quoteTable, type TableName } from "../sql/names.ts";
import { Lease, type LeaseOptions } from "./lease.ts";

const TABLE = "cdc_lock";

export class TableLock extends Lease<"work_table"> {
  /** Takes the lock of a table unless a live relay holds it. `cdc_lock` must exist. */
  static async tryAcquire(
    transport: Transport,
    table: TableName,
    { lease, clock }: Pick<LeaseOptions<"work_table">, "lease" | "clock">,
  ): Promise<TableLock | undefined> {
    const lock = new TableLock(transport, {
      table: { schema: table.schema, name: TABLE },
      keyColumn: "table_name",
      key: table.name,
      columns: ["work_table"],
      lease,
      clock,
      holds: `rebuilds ${quoteTable(table)}`,
      takesOver: `has taken over the rebuilding of ${quoteTable(table)}`,
    });
    return await lock.tryAcquire() ? lock : undefined;
  }

  /** Whether a rebuild of the table is running or was interrupted. */
  static async isAtWork(transport: Transport, { schema, name }: TableName): Promise<boolean> {
    const locks = quoteTable({ schema, name: TABLE });
    const sql = `SELECT 1 FROM ${locks} WHERE table_name = $1 AND work_table IS NOT NULL`;
    const found = await ifExists(transport.query(sql, [name], { mayBeDropped: true }));
    return found !== undefined && found.rows.length > 0;
  }

  get workTable(): TableName | null {
    const { work_table: name } = this.values;
    return name === null ? null : { schema: this.options.table.schema, name };
  }

  setWorkTable(table: TableName | null): Promise<void> {
    return this.save({ work_table: table?.name ?? null });
  }
}
