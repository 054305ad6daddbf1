/**
 * Widens a column when values arrive that it cannot take: `20.5` in a BIGINT column. The table is rebuilt with a DOUBLE
 * PRECISION column, earlier values come back from `overflow`, and the two tables are swapped. A relay that dies over it
 * leaves a row in `cdc_lock`, by which the next one cleans up.
 */
import { type Column, type ColumnPath, innermost } from "../../mapping/column_tree.ts";
import { remapRow } from "../../mapping/remap_row.ts";
import { isWidened, MAX_EXACT } from "../../mapping/column_types.ts";
import type { Clock } from "../../util/clock.ts";
import { messageOf } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import { Shutdown } from "../../util/shutdown.ts";
import type { Transport } from "../connection/transport.ts";
import { abortable, fenced } from "../connection/wrappers.ts";
import { findOldLock, releaseOldLock } from "../metadata/old_table_lock.ts";
import { TableLock } from "../metadata/table_lock.ts";
import { type DefinedColumn, definedColumns, redefined } from "../table/show_create_table.ts";
import { quoteTable, subscript, type TableName } from "../sql/names.ts";
import { columnTree } from "./column_definition.ts";
import type { TableSchema } from "./table_schema.ts";
import type { TargetTable } from "../table/target_table.ts";
import { Writer, type WriterOptions } from "../table/writer.ts";
import {
  checkBackup,
  isBackupRunning,
  isExpected,
  isPassing,
  reasonOf,
  unlessBackup,
  unlessLost,
} from "./failures.ts";
import { discard, LateWriteError, rebuild } from "./rebuild.ts";

export interface Transports {
  /** Waits for a sink that is away, and asks for the stream's lease before each statement. */
  readonly patient: Transport;
  /** Fails at once. */
  readonly raw: Transport;
}

export interface WideningOptions extends WriterOptions {
  readonly table: TargetTable;
  readonly tableSchema: TableSchema;
  readonly widen: "on" | "off";
  /** Rows of a table that is still rebuilt; the columns of a larger one stay as they are. */
  readonly widenRows: number;
  readonly lease: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly clock: Clock;
  /** Is told how many columns were widened. */
  readonly onWidened?: (columns: number) => void;
}

/** How often a rebuild is tried that fails for a passing reason. */
const MAX_TRIES = 3;
/** Between two looks at whether another relay is done with the table. */
const LOCK_INTERVAL_MS = 1_000;

export class Widening {
  readonly #transports: Transports;
  readonly #options: WideningOptions;
  /** Columns that stay as they are, which has been said. */
  readonly #kept = new Set<string>();
  /** Columns that wait until a backup of CrateDB is done, and what it keeps from being cleaned up. */
  #putOff: readonly ColumnPath[] | undefined;

  constructor(transports: Transports, options: WideningOptions) {
    this.#transports = transports;
    this.#options = options;
  }

  /**
   * Widens columns where that can be done; where not, their values stay in `overflow`.
   *
   * @returns whether the table's columns have changed
   *
   * @example
   * IN: [["temperature"]], column BIGINT → OUT: column DOUBLE PRECISION, which `tableSchema` knows
   */
  async widen(paths: readonly ColumnPath[]): Promise<boolean> {
    const { tableSchema } = this.#options;
    const before = tableSchema.columns;
    await this.#widen(paths);
    return tableSchema.columns !== before;
  }

  /**
   * Cleans up what a widening of this table has left: that of a relay that died, or one that a backup kept from it.
   *
   * @returns whether there is something left: a relay still has the lock, which may be alive, or a backup is running
   */
  async recover(): Promise<boolean> {
    return await unlessBackup(() => this.#recover()) !== false;
  }

  async #recover(): Promise<boolean> {
    const { patient } = this.#transports;
    const { table } = this.#options;
    if (await TableLock.isAtWork(patient, table)) {
      const lock = await this.#tryLock();
      if (!lock) return true;
      await this.#cleanUpAfterDead(lock);
    }
    const name = await findOldLock(patient, table);
    if (name !== undefined) await this.#cleanUpOldLock(name);
    return false;
  }

  /** Tries again what was put off. @returns whether the table's columns have changed */
  async retryPutOff(): Promise<boolean> {
    const paths = this.#putOff;
    if (!paths || await unlessBackup(() => checkBackup(this.#transports.raw)) || await this.recover()) {
      return false;
    }
    this.#putOff = undefined;
    return await this.widen(paths);
  }

  async #widen(paths: readonly ColumnPath[]): Promise<void> {
    const { table, widen, signal, log, tableSchema } = this.#options;
    const wanted = distinct(paths).filter((path) => !this.#kept.has(subscript(path)));
    if (wanted.length === 0) return;
    if (this.#putOff) {
      this.#putOff = distinct([...this.#putOff, ...wanted]);
      return;
    }
    if (!table.hasOverflow) return this.#keep(wanted, "the table has no column `overflow`");
    if (widen === "off") return this.#keep(wanted, "--widen is off");
    for (let tries = 1;; tries++) {
      const failure = await unlessBackup(() => this.#attempt(wanted));
      // Nothing may be written to overflow now: the next start widens.
      signal.throwIfAborted();
      if (isBackupRunning(failure)) await tableSchema.load();
      const narrow = wanted.filter((path) => this.#isNarrow(path));
      if (isBackupRunning(failure)) return this.#waitForBackup(narrow);
      if (!failure || narrow.length === 0) return;
      if (!isPassing(failure) || tries === MAX_TRIES) return this.#keep(narrow, reasonOf(failure));
      log.warn("Not widened yet, trying again", {
        columns: narrow.map(subscript).join(", "),
        error: messageOf(failure),
      });
    }
  }

  #waitForBackup(narrow: readonly ColumnPath[]): void {
    const { log, table } = this.#options;
    this.#putOff = narrow;
    if (narrow.length === 0) return;
    log.warn("CrateDB takes a snapshot: columns are widened once that is done", {
      table: quoteTable(table),
      columns: narrow.map(subscript).join(", "),
    });
  }

  /** @returns what kept the columns from being widened, if anything did */
  async #attempt(wanted: readonly ColumnPath[]): Promise<Error | undefined> {
    const { tableSchema, table, widenRows } = this.#options;
    await using lock = await this.#lock();
    await tableSchema.load();
    const narrow = wanted.filter((path) => this.#isNarrow(path));
    if (narrow.length === 0) return undefined;
    const rows = await this.#countRows();
    if (rows > widenRows) {
      this.#keep(narrow, `it has ${rows} rows, more than --widen-rows`);
      return undefined;
    }
    await checkBackup(this.#transports.raw);
    const workTable = { schema: table.schema, name: `${table.name}~${crypto.randomUUID().slice(0, 8)}` };
    const failure = await unlessLost(async () => {
      await lock.setWorkTable(workTable);
      using _kept = lock.keep();
      try {
        return await this.#rebuild(narrow, { workTable, lock });
      } finally {
        await this.#cleanUp(workTable, lock);
      }
    });
    await tableSchema.load();
    return failure;
  }

  /** Waits for a relay that widens a column of the table, as all writing does; cleans up after one that died. */
  async #lock(): Promise<TableLock> {
    const { clock, signal, table } = this.#options;
    await TableLock.prepare(this.#transports.patient, table);
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

  /** Gives the lock back. */
  async #cleanUpAfterDead(held: TableLock): Promise<void> {
    const { table, log } = this.#options;
    await using lock = held;
    const { workTable } = lock;
    if (!workTable) return;
    // Somebody may have written to the row by hand; only what a relay has made is dropped.
    if (!workTable.name.startsWith(`${table.name}~`)) return await lock.setWorkTable(null);
    await unlessLost(() => this.#cleanUp(workTable, lock));
    log.warn("The leftovers of a widening that was cut short are removed", { table: quoteTable(workTable) });
  }

  /** Versions up to 0.1 kept the lock in `cdc_position`. */
  async #cleanUpOldLock(name: string): Promise<void> {
    const { table } = this.#options;
    await TableLock.prepare(this.#transports.patient, table);
    const lock = await this.#tryLock();
    if (!lock) return;
    await lock.setWorkTable({ schema: table.schema, name });
    await this.#cleanUpAfterDead(lock);
    await releaseOldLock(this.#transports.patient, table);
  }

  /** Only while the lock is ours: another relay may be at the same table by now. */
  async #cleanUp(workTable: TableName, lock: TableLock): Promise<void> {
    await lock.setWorkTable(workTable);
    await discard(this.#transports.patient, { table: this.#options.table, workTable });
    await lock.setWorkTable(null);
  }

  async #rebuild(
    narrow: readonly ColumnPath[],
    { workTable, lock }: { workTable: TableName; lock: TableLock },
  ): Promise<Error | undefined> {
    const { tableSchema, table, log, signal, clock, onWidened } = this.#options;
    const started = clock.monotonic();
    const { definition } = tableSchema;
    const wanted = new Set(narrow.map(subscript));
    const create = redefined(definition, workTable, (column) => widenedType(column, wanted));
    using shutdown = new Shutdown(signal);
    const transport = abortable(fenced(this.#transports.raw, () => lock.check()), shutdown);
    const tree = columnTree(definedColumns(create));
    try {
      await rebuild(transport, {
        table,
        workTable,
        create,
        writer: new Writer(transport, { ...table, ...workTable }, this.#options),
        rowsToRemap: narrow.flatMap((path) => rowsToRemap(subscript(path), this.#arraysAbove(path))).join(
          " OR ",
        ),
        remap: (row) => remapRow(row, tree, narrow),
        confirm: async () => {
          await checkBackup(transport);
          await tableSchema.load();
          if (!sameColumns(tableSchema.definition, definition)) {
            throw new LateWriteError("The table has got other columns meanwhile");
          }
          await lock.setWorkTable(workTable);
        },
        clock,
        log,
      });
      log.info("Widened to DOUBLE PRECISION", {
        columns: narrow.map(subscript).join(", "),
        duration_ms: Math.round(clock.monotonic() - started),
      });
      onWidened?.(narrow.length);
      return undefined;
    } catch (error) {
      if (error instanceof Error && (signal.aborted || isExpected(error))) return error;
      throw error;
    }
  }

  #keep(paths: readonly ColumnPath[], reason: string): void {
    const { log, table } = this.#options;
    for (const path of paths) {
      this.#kept.add(subscript(path));
      log.warn("A column takes no fractions; they go to overflow", {
        table: quoteTable(table),
        column: subscript(path),
        reason,
      });
    }
  }

  async #countRows(): Promise<number> {
    const { rows: [row] } = await this.#transports.patient.query(
      `SELECT count(*) FROM ${quoteTable(this.#options.table)}`,
    );
    return Number(row?.[0]);
  }

  #isNarrow(path: ColumnPath): boolean {
    const column = this.#options.tableSchema.columnAt(path);
    return column !== undefined && isWidened(innermost(column).kind);
  }

  /** How many arrays a value at a path is in. */
  #arraysAbove(path: ColumnPath): number {
    const { tableSchema } = this.#options;
    return path.reduce(
      (count, _, index) => count + arraysOf(tableSchema.columnAt(path.slice(0, index + 1))),
      0,
    );
  }
}

const sameColumns = (one: string, other: string): boolean =>
  JSON.stringify(definedColumns(one)) === JSON.stringify(definedColumns(other));

const arraysOf = (column: Column | undefined): number => column?.element ? 1 + arraysOf(column.element) : 0;

const distinct = (paths: readonly ColumnPath[]): ColumnPath[] => [
  ...new Map(paths.map((path) => [subscript(path), path])).values(),
];

/**
 * @example
 * IN: {path: ["data", "t"], type: "ARRAY(BIGINT)"}, {data['t']} → OUT: ARRAY(DOUBLE PRECISION)
 */
function widenedType({ path, type }: DefinedColumn, narrow: ReadonlySet<string>): string {
  const [top, ...below] = path;
  return top === "data" && narrow.has(subscript(below)) ? widerType(type) : type;
}

/** @example IN: ARRAY(BIGINT) → OUT: ARRAY(DOUBLE PRECISION) */
export const widerType = (type: string): string =>
  type.replace(/^((?:ARRAY\()*)BIGINT\b/, "$1DOUBLE PRECISION");

/**
 * SQL conditions for rows that may change when a column in so many arrays is widened: those with something in
 * `overflow`, and those with an integer that the wider column would round.
 *
 * @example IN: data['t'], 0 → OUT: ["overflow IS NOT NULL", "data['t'] > 9007199254740992", "data['t'] < -9007199254740992"]
 */
export function rowsToRemap(column: string, arrays: number): string[] {
  switch (arrays) {
    case 0:
      return ["overflow IS NOT NULL", `${column} > ${MAX_EXACT}`, `${column} < -${MAX_EXACT}`];
    case 1:
      return ["overflow IS NOT NULL", `${MAX_EXACT} < ANY(${column})`, `-${MAX_EXACT} > ANY(${column})`];
    default:
      return ["overflow IS NOT NULL", `${column} IS NOT NULL`];
  }
}
