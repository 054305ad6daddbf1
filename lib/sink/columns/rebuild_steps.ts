/**
 * The parts of a rebuild: what becomes of a table, its lock, the copy of its rows, and what the server is asked before a
 * swap: running backups, operations in progress, grants.
 */
import { type Clock, waitAtMost } from "../../util/clock.ts";
import { ifExists, isAnswerLost, SinkError, withoutValues } from "../connection/sink_error.ts";
import { queryNumber, refreshTable, type Transport, WHOLE_TABLE_LIMIT_MS } from "../connection/transport.ts";
import { quoteName, quoteTable, type TableName } from "../sql/names.ts";
import type { Logger } from "../../util/log.ts";
import { StatementMark } from "../connection/lost_writes.ts";
import { Lease, type LeaseOptions } from "../metadata/lease.ts";
import type { Column } from "../../mapping/column_tree.ts";
import type { StoredRow } from "../../mapping/split_document.ts";
import type { Row, RowKey } from "../table/row.ts";
import type { TableDesign } from "../table/table_design.ts";

/** As it is read. */
export interface OldRow extends StoredRow, RowKey {
  /** JSON of the column `cdc`. */
  readonly cdc: string | null;
}

/** Another definition of a table, and what its rows become. */
export interface Redefinition {
  /** The statement that creates the new table under a name. */
  readonly create: (table: TableName) => string;
  /** The design of the new table if all rows are written again. Without it, rows are copied, and some are changed then. */
  readonly design?: TableDesign;
  /** SQL condition for the rows that may change, or that the new table has. */
  readonly rows: string;
  /** A row of the old table in the new one, which has these columns; undefined if it does not change, or is left out. */
  readonly changed: (row: OldRow, columns: Column) => Row | undefined;
  /** Is called after the swap, with the milliseconds that the rebuild has taken. */
  readonly onDone: (ms: number) => void;
}

const TABLE = "cdc_lock";

/** The lock of a table during a rebuild. Its row in `cdc_lock` names the work table, for the cleanup after a crash. */
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

/** An expected failure of a rebuild. */
export class RebuildError extends Error {
  constructor(message: string, readonly isPassing: boolean) {
    super(message);
  }
}

/** How often, and how far apart, to look whether operations in progress have ended. */
const MAX_LOOKS = 100;
const LOOK_INTERVAL_MS = 50;

/** Whether CrateDB takes a snapshot, which would miss a swapped table. False if the user may not see backups. */
export async function isBackupRunning(transport: Transport): Promise<boolean> {
  const running = await transport.query("SELECT 1 FROM sys.snapshots WHERE state = 'IN_PROGRESS' LIMIT 1")
    .catch((error) => error instanceof SinkError ? undefined : Promise.reject(error));
  return running !== undefined && running.rows.length > 0;
}

export async function checkBackup(transport: Transport): Promise<void> {
  if (!await isBackupRunning(transport)) return;
  throw new SinkError("CrateDB takes a snapshot", { kind: "backup running" });
}

const LAST_WRITES =
  `SELECT id, seq_no_stats['max_seq_no'], seq_no_stats['local_checkpoint'], partition_ident FROM sys.shards
  WHERE schema_name = $1 AND table_name = $2 AND "primary" ORDER BY partition_ident, id`;

/** The last operation of each shard, once every earlier operation has ended. */
export async function lastWrites(
  transport: Transport,
  { schema, name }: TableName,
  clock: Clock,
): Promise<string> {
  for (let looks = 0; looks < MAX_LOOKS; looks++) {
    const { rows } = await transport.query(LAST_WRITES, [schema, name]);
    if (rows.every(([, last, done]) => last !== null && last === done)) return JSON.stringify(rows);
    await clock.wait(LOOK_INTERVAL_MS);
  }
  throw new RebuildError("a shard of the table has operations that do not end", true);
}

/** Grants belong to the name of a table, and are swapped with it. */
export async function copyGrants(
  transport: Transport,
  table: TableName,
  workTable: TableName,
): Promise<void> {
  const { rows } = await transport.query(
    "SELECT grantee, type, state FROM sys.privileges WHERE class = 'TABLE' AND ident = $1",
    [`${table.schema}.${table.name}`],
  );
  for (const [grantee, type, state] of rows) {
    const user = quoteName(String(grantee));
    await transport.query(`${state} ${type} ON TABLE ${quoteTable(workTable)} TO ${user}`);
  }
}

const REPORT_INTERVAL_MS = 10_000;

/** Copies all rows to an empty table with one statement. If the answer is lost, waits for the statement and counts rows. */
export async function copyRows(
  transport: Transport,
  { from, to, columns, log, clock }: {
    readonly from: TableName;
    readonly to: TableName;
    readonly columns: readonly string[];
    readonly log: Logger;
    readonly clock: Pick<Clock, "wait">;
  },
): Promise<void> {
  const names = columns.map(quoteName).join(", ");
  const mark = new StatementMark();
  const { id, sql } = mark.mark(
    `INSERT INTO ${quoteTable(to)} (${names}) (SELECT ${names} FROM ${quoteTable(from)})`,
  );
  const total = await countRows(transport, from);
  let outcome: { readonly error?: unknown } | undefined;
  // The error of a copy is logged.
  const shown = (error: unknown) => withoutValues(transport.dialect.name, error, "to copy the rows");
  const copied = transport.query(sql, [], { limitMs: WHOLE_TABLE_LIMIT_MS })
    .then(() => outcome = {}, (error) => outcome = { error: shown(error) });
  for (let looksInVain = 0; looksInVain < 2;) {
    await waitAtMost(REPORT_INTERVAL_MS, copied, clock);
    if (outcome && !isAnswerLost(outcome.error)) {
      if ("error" in outcome) throw outcome.error;
      return;
    }
    const running = await mark.running(transport);
    // If the user may not see statements, a lost answer is a failure.
    if (!running && outcome) throw outcome.error;
    if (running?.has(id)) {
      looksInVain = 0;
      const copied = await countRows(transport, to);
      log.info("Rebuilding a table", { table: quoteTable(from), copied, rows: total });
    } else if (running) looksInVain++;
    // The statement has ended, and its answer was lost.
    if (outcome && looksInVain > 0) break;
  }
  if (await countRows(transport, to) === total) return;
  throw outcome?.error ??
    new SinkError("The statement that copies the rows has ended without an answer", { code: "ETIMEDOUT" });
}

export async function countRows(transport: Transport, table: TableName, where = "TRUE"): Promise<number> {
  await refreshTable(transport, table);
  return await queryNumber(transport, `SELECT count(*) FROM ${quoteTable(table)} WHERE ${where}`);
}
