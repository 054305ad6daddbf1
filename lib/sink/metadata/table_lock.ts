/**
 * The lock of a table that is being rebuilt, which all relays respect that write to it. It is kept in the table's own
 * schema, where they meet, and made when a table there is rebuilt first. The row names the table that is being filled,
 * so that the next relay can clean up after one that died.
 */
import type { Clock } from "../../util/clock.ts";
import type { Transport } from "../connection/transport.ts";
import { quoteTable, type TableName } from "../sql/names.ts";
import { Lease } from "./lease.ts";
import { createMetadataTable } from "./metadata_tables.ts";
import { tableExists } from "../table/create_table.ts";

const TABLE = "cdc_lock";

export interface TableLockOptions {
  /** Milliseconds that the lock lasts without a sign of life. */
  readonly lease: number;
  readonly clock: Clock;
}

export class TableLock implements AsyncDisposable {
  readonly #table: TableName;
  readonly #lease: Lease<"work_table">;

  private constructor(table: TableName, lease: Lease<"work_table">) {
    this.#table = table;
    this.#lease = lease;
  }

  /** Creates the table that locks are kept in. */
  static async prepare(transport: Transport, { schema }: TableName): Promise<void> {
    const columns =
      "table_name TEXT PRIMARY KEY, work_table TEXT, owner TEXT, lease_until TIMESTAMP WITH TIME ZONE";
    await createMetadataTable(transport, { schema, name: TABLE, columns });
  }

  /** The lock of a table; undefined while another relay that is alive has it. The table of locks has to exist. */
  static async tryAcquire(
    transport: Transport,
    table: TableName,
    { lease, clock }: TableLockOptions,
  ): Promise<TableLock | undefined> {
    const { schema, name } = table;
    const held = await Lease.tryAcquire(transport, {
      table: { schema, name: TABLE },
      keyColumn: "table_name",
      key: name,
      columns: ["work_table"],
      lease,
      clock,
      holds: `rebuilds ${quoteTable(table)}`,
      takesOver: `has taken over the rebuilding of ${quoteTable(table)}`,
    });
    return held && new TableLock(table, held);
  }

  /** Whether a rebuild of the table is under way or was left. Makes no table. */
  static async isAtWork(transport: Transport, { schema, name }: TableName): Promise<boolean> {
    const locks = { schema, name: TABLE };
    if (!await tableExists(transport, locks)) return false;
    const { rows } = await transport.query(
      `SELECT 1 FROM ${quoteTable(locks)} WHERE table_name = $1 AND work_table IS NOT NULL`,
      [name],
    );
    return rows.length > 0;
  }

  /** The table that is being filled; null when none is. */
  get workTable(): TableName | null {
    const { work_table: name } = this.#lease.values;
    return name === null ? null : { schema: this.#table.schema, name };
  }

  /** @throws LeaseLostError */
  async setWorkTable(table: TableName | null): Promise<void> {
    await this.#lease.save({ work_table: table?.name ?? null });
  }

  /** Keeps the lock until it is disposed of. That it was lost is found by the next {@linkcode check}. */
  keep(): Disposable {
    return this.#lease.keep(() => {});
  }

  /** @throws LeaseLostError */
  check(): Promise<void> {
    return this.#lease.check();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#lease[Symbol.asyncDispose]();
  }
}
