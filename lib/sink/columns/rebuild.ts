/**
 * Rebuilds a table under another definition: closes it to writing, fills a work table, changes rows, and swaps the two.
 * The swap is atomic; until then the table is unchanged. A row in `cdc_lock` names the work table, so that the next
 * relay cleans up after one that was killed.
 */
import { isDeepStrictEqual } from "node:util";
import type { Column } from "../../mapping/column_tree.ts";
import type { StoredRow } from "../../mapping/split_document.ts";
import type { Clock } from "../../util/clock.ts";
import { messageOf, UserError } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import { jsonBytes } from "../../util/json_writer.ts";
import { Shutdown } from "../../util/shutdown.ts";
import { isRetryable, isSinkError, isUnknownRelation, SinkError } from "../connection/sink_error.ts";
import type { Transport } from "../connection/transport.ts";
import type { CountingTransport } from "../connection/lost_writes.ts";
import { abortable, fenced } from "../connection/wrappers.ts";
import { LeaseLostError } from "../metadata/lease.ts";
import { prepareTable } from "../metadata/metadata_tables.ts";
import { TableLock } from "../metadata/table_lock.ts";
import { quoteName, quoteTable, type TableName } from "../sql/names.ts";
import { tableExists } from "../table/create_table.ts";
import { scanTable, selectPart } from "../table/row_reader.ts";
import { type DefinedColumn, definedColumns, redefined } from "../table/show_create_table.ts";
import type { TargetTable } from "../table/target_table.ts";
import type { Row } from "../table/row.ts";
import { Writer, type WriterOptions } from "../table/writer.ts";
import { columnTree } from "../table/column_definition.ts";
import { copyRows, countRows } from "./copy_rows.ts";
import type { TableSchema } from "./table_schema.ts";

/** `patient` waits for a sink that is away, and checks the stream's lease before each statement; `raw` fails at once. */
export interface Transports {
  readonly patient: Transport;
  readonly raw: Transport & Partial<Pick<CountingTransport, "settled">>;
}

export interface RebuildOptions extends WriterOptions {
  readonly table: TargetTable;
  readonly tableSchema: TableSchema;
  /** Milliseconds after which another relay may take over the lock of one that was killed. */
  readonly lease: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly clock: Clock;
}

/** Another definition of a table, and what its rows become. */
export interface Redefinition {
  /** The type of each column in the new table. */
  readonly typeOf: (column: DefinedColumn) => string;
  /** SQL condition for the rows that may change. */
  readonly rowsToChange: string;
  /** A row of the old table in the new one, which has these columns; undefined if it does not change. */
  readonly changed: (row: StoredRow, columns: Column) => StoredRow | undefined;
  /** Is called after the swap, with the milliseconds that the rebuild has taken. */
  readonly onDone: (ms: number) => void;
}

/** Why a table was not rebuilt: a backup of CrateDB has to end first, the next try may succeed, or none will. */
export interface RebuildFailure {
  readonly kind: "backup running" | "passing" | "final";
  readonly reason: string;
}

class RebuildError extends Error {
  constructor(message: string, readonly isPassing: boolean) {
    super(message);
  }
}

const CLOSED = '("blocks.write" = true)';
const SWAPPABLE = '("blocks.write" = false, "blocks.read_only_allow_delete" = true)';
const OPEN = '("blocks.write" = false, "blocks.read_only_allow_delete" = false)';

const PAGE_ROWS = 2_000;
/** Between two tries to get the lock while another relay has it. */
const LOCK_INTERVAL_MS = 1_000;
/** How often, and how far apart, to look whether operations in progress have ended. */
const MAX_LOOKS = 100;
const LOOK_INTERVAL_MS = 50;

export class Rebuilder {
  readonly #transports: Transports;
  readonly #options: RebuildOptions;

  constructor(transports: Transports, options: RebuildOptions) {
    this.#transports = transports;
    this.#options = options;
  }

  /** Rebuilds the table once, after other relays. Calls `plan` under the lock; keeps the table if it returns undefined. */
  async rebuild(plan: () => Promise<Redefinition | undefined>): Promise<RebuildFailure | undefined> {
    const { tableSchema, signal } = this.#options;
    let error: unknown;
    try {
      await using lock = await this.#lock();
      await tableSchema.load();
      const change = await plan();
      if (!change) return undefined;
      error = await this.#replaceUnder(lock, change);
    } catch (thrown) {
      if (!isSinkError(thrown, "backup running")) throw thrown;
      error = thrown;
    }
    signal.throwIfAborted();
    await tableSchema.load();
    return error instanceof Error ? failureOf(error) : undefined;
  }

  /** Cleans up after an interrupted rebuild. @returns whether another relay or a backup has prevented it */
  async recover(): Promise<boolean> {
    try {
      if (!await TableLock.isAtWork(this.#transports.patient, this.#options.table)) return false;
      const lock = await this.#tryLock();
      if (lock) await this.#cleanUpAfterDead(lock);
      return !lock;
    } catch (error) {
      if (isSinkError(error, "backup running")) return true;
      throw error;
    }
  }

  async #lock(): Promise<TableLock> {
    const { clock, signal, table } = this.#options;
    await prepareTable(this.#transports.patient, table.schema, "cdc_lock");
    while (true) {
      const lock = await this.#tryLock();
      if (lock?.workTable === null) return lock;
      if (lock) await this.#cleanUpAfterDead(lock);
      else await clock.wait(LOCK_INTERVAL_MS, { signal });
    }
  }

  #tryLock(): Promise<TableLock | undefined> {
    return TableLock.tryAcquire(this.#transports.patient, this.#options.table, this.#options);
  }

  async #cleanUpAfterDead(held: TableLock): Promise<void> {
    const { table, log } = this.#options;
    await using lock = held;
    const { workTable } = lock;
    if (!workTable) return;
    // A user may have edited the row; only a table that a relay has created is dropped.
    if (!workTable.name.startsWith(`${table.name}~`)) return await lock.setWorkTable(null);
    await unlessLost(() => this.#cleanUp(lock, workTable));
    log.warn("Removed what an interrupted rebuild of a table left", { table: quoteTable(workTable) });
  }

  /** Opens the table for writing, and drops the work table, or what the swap made of it. May be repeated. */
  async #cleanUp(lock: TableLock, workTable: TableName): Promise<void> {
    const { patient } = this.#transports;
    const open = (name: TableName) => patient.query(`ALTER TABLE ${quoteTable(name)} SET ${OPEN}`);
    // Fails unless the lock is still held: another relay may be rebuilding the same table.
    await lock.setWorkTable(workTable);
    // First, because a backup may keep the other table from being dropped.
    await open(this.#options.table);
    if (await tableExists(patient, workTable)) {
      await open(workTable);
      await patient.query(`DROP TABLE IF EXISTS ${quoteTable(workTable)}`);
    }
    await lock.setWorkTable(null);
  }

  /** @returns the expected error that has kept the table from being rebuilt */
  async #replaceUnder(lock: TableLock, change: Redefinition): Promise<Error | undefined> {
    const { table, signal } = this.#options;
    await checkBackup(this.#transports.raw);
    const workTable = { schema: table.schema, name: `${table.name}~${crypto.randomUUID().slice(0, 8)}` };
    return await unlessLost(async () => {
      await lock.setWorkTable(workTable);
      using _kept = lock.keep();
      try {
        await this.#replace(lock, change, workTable);
        return undefined;
      } catch (error) {
        if (error instanceof Error && (signal.aborted || isExpected(error))) return error;
        throw error;
      } finally {
        await this.#cleanUp(lock, workTable);
      }
    });
  }

  async #replace(lock: TableLock, change: Redefinition, workTable: TableName): Promise<void> {
    const { table, tableSchema, signal, clock, log } = this.#options;
    const started = clock.monotonic();
    using shutdown = new Shutdown(signal);
    const { raw } = this.#transports;
    const transport = abortable(fenced(raw, () => lock.check(), raw), shutdown);
    const { definition } = tableSchema;
    const create = redefined(definition, workTable, change.typeOf);
    const source = quoteTable(table);
    await transport.query(`ALTER TABLE ${source} SET ${CLOSED}`);
    const written = await lastWrites(transport, table, clock);
    await transport.query(create);
    await copyGrants(transport, table, workTable);
    const columns = ownColumns(definition);
    await copyRows(transport, { from: table, to: workTable, columns, log, clock });
    await this.#changeRows(transport, change, workTable, columnTree(definedColumns(create)));
    const [before, after] = [await countRows(transport, table), await countRows(transport, workTable)];
    if (before !== after) {
      throw new RebuildError(`the new table has ${after} rows, the old one ${before}`, false);
    }
    // CrateDB 6 refuses to swap a table with `blocks.write`. The disk monitor may remove this other block.
    await transport.query(`ALTER TABLE ${source} SET ${SWAPPABLE}`);
    if (await lastWrites(transport, table, clock) !== written) {
      throw new RebuildError("the table was written to during the rebuild", true);
    }
    await checkBackup(transport);
    await tableSchema.load();
    if (!isDeepStrictEqual(definedColumns(tableSchema.definition), definedColumns(definition))) {
      throw new RebuildError("the columns of the table were changed during the rebuild", true);
    }
    await lock.setWorkTable(workTable);
    await transport.query(`ALTER CLUSTER SWAP TABLE ${quoteTable(workTable)} TO ${source}`);
    change.onDone(Math.round(clock.monotonic() - started));
  }

  async #changeRows(
    transport: Transport,
    { rowsToChange, changed }: Redefinition,
    workTable: TableName,
    tree: Column,
  ): Promise<void> {
    const { table } = this.#options;
    // The rows are copied with the columns beside `data`, which stay.
    const copied = { ...table, ...workTable, cdc: undefined, shadows: {} };
    const writer = new Writer(transport, copied, this.#options);
    const { partType } = table;
    const columns = ["oid", "data::text", "overflow::text", ...partType ? [selectPart(partType)] : []];
    for await (const page of scanTable(transport, table, { columns, where: rowsToChange, size: PAGE_ROWS })) {
      const rows = page.flatMap(([oid, data, overflow, part]): Row[] => {
        const row = changed({ data: String(data), overflow: overflow as string | null }, tree);
        return row ? [{ ...rowOf(String(oid), row), ...partType && { part: String(part) } }] : [];
      });
      const [refused] = await writer.upsert(rows);
      if (refused) throw new RebuildError(`row ${refused.oid} cannot be moved: ${refused.error}`, false);
    }
  }
}

const rowOf = (oid: string, { data, overflow }: StoredRow): Row => ({
  oid,
  data: jsonBytes(data),
  overflow: overflow === null ? null : jsonBytes(overflow),
});

/** Errors of the server, and of a rebuild. Any other error is a defect of the relay. */
const isExpected = (error: Error): boolean =>
  error instanceof SinkError || error instanceof UserError || error instanceof RebuildError;

function failureOf(error: Error): RebuildFailure {
  const reason = reasonOf(error);
  if (isSinkError(error, "backup running")) return { kind: "backup running", reason };
  const isPassing = error instanceof RebuildError ? error.isPassing : error instanceof LeaseLostError;
  return { kind: isPassing || isRetryable(error) ? "passing" : "final", reason };
}

/** CrateDB hides what a user may not read. No other table's name begins the message so. */
const HIDDEN = /^ ?(?:\w+\[)*(?:Schema 'sys'|Relation 'sys\.\w+') unknown/;

function reasonOf(error: Error): string {
  const message = messageOf(error);
  return isUnknownRelation(error) && HIDDEN.test(message)
    ? `a privilege is missing: GRANT DQL ON TABLE sys.shards, sys.privileges TO <user> (${message})`
    : message;
}

/** @returns the error if another relay has taken over the lock: that one cleans up */
const unlessLost = <T>(work: () => Promise<T>): Promise<T | LeaseLostError> =>
  work().catch((error) => error instanceof LeaseLostError ? error : Promise.reject(error));

/** Whether CrateDB takes a snapshot, which would miss a swapped table. False if the user may not see backups. */
export async function isBackupRunning(transport: Transport): Promise<boolean> {
  const running = await transport.query("SELECT 1 FROM sys.snapshots WHERE state = 'IN_PROGRESS' LIMIT 1")
    .catch((error) => error instanceof SinkError ? undefined : Promise.reject(error));
  return running !== undefined && running.rows.length > 0;
}

async function checkBackup(transport: Transport): Promise<void> {
  if (!await isBackupRunning(transport)) return;
  throw new SinkError("CrateDB takes a snapshot", { kind: "backup running" });
}

const LAST_WRITES =
  `SELECT id, seq_no_stats['max_seq_no'], seq_no_stats['local_checkpoint'], partition_ident FROM sys.shards
  WHERE schema_name = $1 AND table_name = $2 AND "primary" ORDER BY partition_ident, id`;

/** The last operation of each shard, once every earlier operation has ended. */
async function lastWrites(transport: Transport, { schema, name }: TableName, clock: Clock): Promise<string> {
  for (let looks = 0; looks < MAX_LOOKS; looks++) {
    const { rows } = await transport.query(LAST_WRITES, [schema, name]);
    if (rows.every(([, last, done]) => last !== null && last === done)) return JSON.stringify(rows);
    await clock.wait(LOOK_INTERVAL_MS);
  }
  throw new RebuildError("a shard of the table has operations that do not end", true);
}

/** The columns that no expression generates, and that are below no other column. */
const ownColumns = (definition: string): string[] =>
  definedColumns(definition).filter(({ path, type }) =>
    path.length === 1 && !/^[^']*\bGENERATED ALWAYS AS\b/.test(type)
  )
    .map(({ path: [name = ""] }) => name);

/** Grants belong to the name of a table, and are swapped with it. */
async function copyGrants(transport: Transport, table: TableName, workTable: TableName): Promise<void> {
  const { rows } = await transport.query(
    "SELECT grantee, type, state FROM sys.privileges WHERE class = 'TABLE' AND ident = $1",
    [`${table.schema}.${table.name}`],
  );
  for (const [grantee, type, state] of rows) {
    const user = quoteName(String(grantee));
    await transport.query(`${state} ${type} ON TABLE ${quoteTable(workTable)} TO ${user}`);
  }
}
