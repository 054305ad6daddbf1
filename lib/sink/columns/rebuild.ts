/**
 * Rebuilds a table under another definition: closes it to writing, fills a work table, changes rows, and swaps the two.
 * The swap is atomic; until then the table is unchanged. A row in `cdc_lock` names the work table, so that the next
 * relay cleans up after one that was killed.
 */
import { isDeepStrictEqual } from "node:util";
import type { Column } from "../../mapping/column_tree.ts";
import type { Clock } from "../../util/clock.ts";
import { messageOf, UserError } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import { Shutdown } from "../../util/shutdown.ts";
import { isRetryable, isSinkError, isUnknownRelation, SinkError } from "../connection/sink_error.ts";
import { queryNumber, type Transport } from "../connection/transport.ts";
import type { CountingTransport } from "../connection/lost_writes.ts";
import { abortable, fenced } from "../connection/wrappers.ts";
import { LeaseLostError } from "../metadata/lease.ts";
import { prepareTable } from "../metadata/metadata_tables.ts";
import {
  checkBackup,
  copyGrants,
  copyRows,
  countRows,
  lastWrites,
  RebuildError,
  type Redefinition,
  TableLock,
} from "./rebuild_steps.ts";
import { quoteTable, type TableName } from "../sql/names.ts";
import { tableExists } from "../table/create_table.ts";
import { scanTable, selectPart } from "../table/row_reader.ts";
import { asDesigned, checkDesign } from "../table/designed_columns.ts";
import type { Row } from "../table/row.ts";
import { definedColumns } from "../table/show_create_table.ts";
import { existingTable, type TargetTable } from "../table/target_table.ts";
import { Writer, type WriterOptions, writeRows } from "../table/writer.ts";
import { columnTree } from "../table/column_definition.ts";
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

/** Why a table was not rebuilt: a backup of CrateDB has to end first, the next try may succeed, or none will. */
export interface RebuildFailure {
  readonly kind: "backup running" | "passing" | "final";
  readonly reason: string;
}

const CLOSED = '("blocks.write" = true)';
const SWAPPABLE = '("blocks.write" = false, "blocks.read_only_allow_delete" = true)';
const OPEN = '("blocks.write" = false, "blocks.read_only_allow_delete" = false)';

const PAGE_ROWS = 2_000;
/** A multiple of the pages, after which progress is logged. */
const LOGGED_ROWS = 200_000;
/** Between two tries to get the lock while another relay has it. */
const LOCK_INTERVAL_MS = 1_000;
export class Rebuilder {
  constructor(private readonly transports: Transports, private readonly options: RebuildOptions) {}

  /** Rebuilds the table once, after other relays. Calls `plan` under the lock; keeps the table if it returns undefined. */
  async rebuild(plan: () => Promise<Redefinition | undefined>): Promise<RebuildFailure | undefined> {
    const { tableSchema, signal } = this.options;
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
      if (!await TableLock.isAtWork(this.transports.patient, this.options.table)) return false;
      const lock = await this.#tryLock();
      if (lock) await this.#cleanUpAfterDead(lock);
      return !lock;
    } catch (error) {
      if (isSinkError(error, "backup running")) return true;
      throw error;
    }
  }

  async #lock(): Promise<TableLock> {
    const { clock, signal, table } = this.options;
    await prepareTable(this.transports.patient, table.schema, "cdc_lock");
    while (true) {
      const lock = await this.#tryLock();
      if (lock?.workTable === null) return lock;
      if (lock) await this.#cleanUpAfterDead(lock);
      else await clock.wait(LOCK_INTERVAL_MS, { signal });
    }
  }

  #tryLock(): Promise<TableLock | undefined> {
    return TableLock.tryAcquire(this.transports.patient, this.options.table, this.options);
  }

  async #cleanUpAfterDead(held: TableLock): Promise<void> {
    const { table, log } = this.options;
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
    const { patient } = this.transports;
    const open = (name: TableName) => patient.query(`ALTER TABLE ${quoteTable(name)} SET ${OPEN}`);
    // Fails unless the lock is still held: another relay may be rebuilding the same table.
    await lock.setWorkTable(workTable);
    // First, because a backup may keep the other table from being dropped.
    await open(this.options.table);
    if (await tableExists(patient, workTable)) {
      await open(workTable);
      await patient.query(`DROP TABLE IF EXISTS ${quoteTable(workTable)}`);
    }
    await lock.setWorkTable(null);
  }

  /** @returns the expected error that has kept the table from being rebuilt */
  async #replaceUnder(lock: TableLock, change: Redefinition): Promise<Error | undefined> {
    const { table, signal } = this.options;
    await checkBackup(this.transports.raw);
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
    const { table, tableSchema, signal, clock, log } = this.options;
    const started = clock.monotonic();
    using shutdown = new Shutdown(signal);
    const { raw } = this.transports;
    const transport = abortable(fenced(raw, () => lock.check(), raw), shutdown);
    const { definition } = tableSchema;
    const source = quoteTable(table);
    await transport.query(`ALTER TABLE ${source} SET ${CLOSED}`);
    const written = await lastWrites(transport, table, clock);
    const { to, columns } = await this.#create(transport, change, workTable);
    await copyGrants(transport, table, workTable);
    const before = await countRows(transport, table, change.design && change.rows);
    if (!change.design) {
      await copyRows(transport, { from: table, to: workTable, columns: ownColumns(definition), log, clock });
    }
    const leftOut = await this.#writeRows(transport, change, to, columns);
    const after = await countRows(transport, workTable);
    // A relay that was killed may have left a row in two partitions. It writes that document again.
    const isWhole = after === before - leftOut ||
      change.design && table.partType && after === await countKeys(transport, table, change.rows) - leftOut;
    if (!isWhole) {
      throw new RebuildError(`the new table has ${after} rows, the old one ${before - leftOut}`, false);
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

  /** The new table as rows are written to it, with its columns below `data`. */
  async #create(transport: Transport, { create, design }: Redefinition, workTable: TableName) {
    const statement = create(workTable);
    if (!design) {
      await transport.query(statement);
      // The rows are copied with the columns beside `data`, which stay.
      const to: TargetTable = { ...this.options.table, ...workTable, cdc: undefined, shadows: {} };
      return { to, columns: columnTree(definedColumns(statement)) };
    }
    await checkDesign(transport, this.options.table, design);
    await asDesigned(this.options.table, design, () => transport.query(statement));
    const made = await existingTable(transport, workTable, design);
    if (!made) throw new RebuildError("the new table was dropped", true);
    const inferred = design.columns === "dynamic";
    return {
      to: { ...made, cdc: made.cdc && "set" } as const,
      columns: columnTree(definedColumns(made.definition), { inferred }),
    };
  }

  /** Writes what becomes of rows. @returns the number of rows that were left out */
  async #writeRows(
    transport: Transport,
    { rows: where, changed, design }: Redefinition,
    to: TargetTable,
    tree: Column,
  ): Promise<number> {
    const { table: { hasOverflow, partType, cdc, ...table }, log } = this.options;
    const writer = new Writer(transport, to, this.options);
    const columns = [
      "oid",
      "data::text",
      hasOverflow ? "overflow::text" : "NULL",
      partType ? selectPart(partType) : "NULL",
      design && cdc ? "cdc::text" : "NULL",
    ];
    let [read, leftOut, last] = [0, 0, ""];
    for await (const page of scanTable(transport, table, { columns, where, size: PAGE_ROWS })) {
      const rows = page.flatMap(([key, data, overflow, part, cdc]): Row[] => {
        const oid = String(key);
        if (design && oid === last) return [];
        last = oid;
        const row = changed({
          oid,
          data: String(data ?? "{}"),
          overflow: overflow as string | null,
          ...partType && { part: String(part) },
          cdc: cdc as string | null,
        }, tree);
        if (!row) leftOut++;
        return row ? [row] : [];
      });
      const { refused: [refused] } = await writeRows(writer, rows);
      if (refused) throw new RebuildError(`row ${refused.oid} cannot be moved: ${refused.reason}`, false);
      read += page.length;
      if (read % LOGGED_ROWS === 0) log.info("Rebuilding a table", { table: quoteTable(table), rows: read });
    }
    return design ? leftOut : 0;
  }
}

const countKeys = (transport: Transport, table: TableName, where: string): Promise<number> =>
  queryNumber(transport, `SELECT count(DISTINCT oid) FROM ${quoteTable(table)} WHERE ${where}`);

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

/** The columns that no expression generates, and that are below no other column. */
const ownColumns = (definition: string): string[] =>
  definedColumns(definition).filter(({ path, type }) =>
    path.length === 1 && !/^[^']*\bGENERATED ALWAYS AS\b/.test(type)
  )
    .map(({ path: [name = ""] }) => name);
