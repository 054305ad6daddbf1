/** The lock of a table during a rebuild. Its row in `cdc_lock` names the work table, for the cleanup after a crash. */
import type { Transport } from "../connection/transport.ts";
import { quoteTable, type TableName } from "../sql/names.ts";
import { Lease, type LeaseOptions } from "./lease.ts";
import { tableExists } from "../table/create_table.ts";

const TABLE = "cdc_lock";

type TableLockOptions = Pick<LeaseOptions<"work_table">, "lease" | "clock">;

export class TableLock extends Lease<"work_table"> {
  readonly #schema: string;

  private constructor(transport: Transport, { schema, name }: TableName, { lease, clock }: TableLockOptions) {
    super(transport, {
      table: { schema, name: TABLE },
      keyColumn: "table_name",
      key: name,
      columns: ["work_table"],
      lease,
      clock,
      holds: `rebuilds ${quoteTable({ schema, name })}`,
      takesOver: `has taken over the rebuilding of ${quoteTable({ schema, name })}`,
    });
    this.#schema = schema;
  }

  /** Takes the lock of a table unless a live relay holds it. `cdc_lock` must exist. */
  static async tryAcquire(
    transport: Transport,
    table: TableName,
    options: TableLockOptions,
  ): Promise<TableLock | undefined> {
    const lock = new TableLock(transport, table, options);
    return await lock.tryAcquire() ? lock : undefined;
  }

  /** Whether a rebuild of the table is running or was interrupted. */
  static async isAtWork(transport: Transport, { schema, name }: TableName): Promise<boolean> {
    const locks = { schema, name: TABLE };
    if (!await tableExists(transport, locks)) return false;
    const sql = `SELECT 1 FROM ${quoteTable(locks)} WHERE table_name = $1 AND work_table IS NOT NULL`;
    return (await transport.query(sql, [name])).rows.length > 0;
  }

  get workTable(): TableName | null {
    const { work_table: name } = this.values;
    return name === null ? null : { schema: this.#schema, name };
  }

  async setWorkTable(table: TableName | null): Promise<void> {
    await this.save({ work_table: table?.name ?? null });
  }

  /** Renews the lock until disposal. The next {@linkcode check} finds that it was lost. */
  override keep(): Disposable {
    return super.keep(() => {});
  }
}
