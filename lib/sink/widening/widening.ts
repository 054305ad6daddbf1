/**
 * Columns that become wider when values arrive that they cannot take: `20.5` in a BIGINT column. The table is built
 * anew with a DOUBLE PRECISION column, earlier values come back from `overflow`, and the two tables are swapped. A
 * relay that dies over it leaves a row in `cdc_position`, by which the next one cleans up.
 */
import { setTimeout as delay } from "node:timers/promises";
import { messageOf, UserError } from "../../util/errors.ts";
import { SinkError } from "../connection/sink_error.ts";
import type { Logger } from "../../util/log.ts";
import { type Column, type ColumnPath, innermost } from "../../mapping/column_tree.ts";
import type { Kind } from "../../mapping/column_types.ts";
import { remapRow } from "../../mapping/remap_row.ts";
import { type DefinedColumn, definedColumns, redefined } from "../table/show_create_table.ts";
import { columnTree, type TableSchema } from "../table/table_schema.ts";
import { quoteTable, subscript, type TableName } from "../table/sql_names.ts";
import {
  Position,
  type PositionOptions,
  type SavedState,
  TakenOverError,
} from "../metadata/stream_position.ts";
import { discard, LateWriteError, rebuild } from "./rebuild.ts";
import type { TargetTable } from "../table/target_table.ts";
import { isRetryable, isUnknownRelation } from "../connection/sink_error.ts";
import { abortable, fenced } from "../connection/wrappers.ts";
import { type Transport } from "../connection/transport.ts";
import { Writer, type WriterOptions } from "../table/writer.ts";

export interface WideningOptions extends WriterOptions {
  readonly table: TargetTable;
  readonly tableSchema: TableSchema;
  readonly widen: "on" | "off";
  /** Rows of a table that is still built anew; above, its columns stay as they are. */
  readonly widenRows: number;
  readonly lease: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** Doubles hold integers up to here; what is beyond leaves a column that becomes one. */
const MAX_EXACT = 2 ** 53;
const NARROW: readonly Kind[] = ["bigint", "inferred"];
/** A rebuild that fails for a passing reason is tried so often. */
const MAX_TRIES = 3;
/** Milliseconds between two looks at whether another relay is done with the table. */
const WAIT = 100;

export class Widening {
  /** Waits for a sink that is away. */
  readonly #patient: Transport;
  /** Doesn't: a rebuild that meets a failure is given up, so that no statement of it runs twice. */
  readonly #plain: Transport;
  readonly #options: WideningOptions;
  /** Columns that stay as they are; it has been said. */
  readonly #kept = new Set<string>();

  constructor(transports: { patient: Transport; plain: Transport }, options: WideningOptions) {
    this.#patient = transports.patient;
    this.#plain = transports.plain;
    this.#options = options;
  }

  /**
   * Widens columns where that can be done; where not, their values stay in `overflow`.
   *
   * @returns whether the columns are others than before
   *
   * @example
   * IN: [["temperature"]], column BIGINT → OUT: column DOUBLE PRECISION, the ledger knows it
   */
  async widen(paths: readonly ColumnPath[]): Promise<boolean> {
    const { tableSchema } = this.#options;
    const before = tableSchema.columns;
    await this.#widen(paths);
    return tableSchema.columns !== before;
  }

  async #widen(paths: readonly ColumnPath[]): Promise<void> {
    const { table, widen, signal, log } = this.#options;
    const wanted = distinct(paths).filter((path) => !this.#kept.has(subscript(path)));
    if (wanted.length === 0) return;
    if (!table.hasOverflow) return this.#keep(wanted, "the table has no column `overflow`");
    if (widen === "off") return this.#keep(wanted, "--widen is off");
    for (let tries = 1;; tries++) {
      const failure = await this.#attempt(wanted);
      // Nothing may land in overflow now: the next start widens.
      signal.throwIfAborted();
      const narrow = wanted.filter((path) => this.#isNarrow(path));
      if (!failure || narrow.length === 0) return;
      if (!passes(failure) || tries === MAX_TRIES) return this.#keep(narrow, reasonOf(failure));
      log.warn("Not widened yet; it is tried again", {
        columns: narrow.map(subscript).join(", "),
        error: messageOf(failure),
      });
    }
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
    const copy = { schema: table.schema, name: `${table.name}~${crypto.randomUUID().slice(0, 8)}` };
    const failure = await unlessTakenOver(async () => {
      await lock.save(atWork(copy));
      using _kept = lock.keep(() => {});
      try {
        return await this.#rebuild(narrow, { copy, lock });
      } finally {
        await this.#cleanUp(copy, lock);
      }
    });
    await tableSchema.load();
    return failure;
  }

  /** Waits for a relay that widens a column of the table, as all writing does; one that died is cleaned up after. */
  async #lock(): Promise<Position> {
    for (;;) {
      const lock = await Position.tryAcquire(this.#patient, this.#lockOptions());
      if (lock?.state.token === null) return lock;
      if (lock) await this.#cleanUpAfterDead(lock);
      else await delay(WAIT, undefined, { signal: this.#options.signal });
    }
  }

  /** Cleans up after a relay that died while it widened a column of this table. */
  async recover(): Promise<void> {
    const lock = await Position.tryAcquire(this.#patient, this.#lockOptions());
    if (lock) await this.#cleanUpAfterDead(lock);
  }

  /** Gives the lock back. */
  async #cleanUpAfterDead(position: Position): Promise<void> {
    const { table, log } = this.#options;
    await using lock = position;
    const { token } = lock.state;
    if (token === null) return;
    // Somebody may have written to it by hand; only what a relay has made is dropped.
    if (!token.startsWith(`${table.name}~`)) return await lock.save({ token: null });
    const copy = { schema: table.schema, name: token };
    log.warn("A relay died while it widened a column; its leftovers are removed", {
      table: quoteTable(copy),
    });
    await unlessTakenOver(() => this.#cleanUp(copy, lock));
  }

  /** Only for as long as the lock is ours: another relay may be at the same table by now. */
  async #cleanUp(copy: TableName, lock: Position): Promise<void> {
    await lock.save(atWork(copy));
    await discard(this.#patient, { table: this.#options.table, copy });
    await lock.save({ token: null });
  }

  async #rebuild(
    narrow: readonly ColumnPath[],
    parts: { copy: TableName; lock: Position },
  ): Promise<Error | undefined> {
    const { tableSchema, table, log, signal } = this.#options;
    const { copy, lock } = parts;
    const started = Date.now();
    const columns = narrow.map(subscript).join(", ");
    const { definition } = tableSchema;
    const create = redefined(definition, copy, (column) => widenedType(column, narrow));
    const transport = abortable(fenced(this.#plain, () => lock.check()), signal);
    const tree = columnTree(definedColumns(create));
    try {
      await rebuild(transport, {
        table,
        copy,
        create,
        writer: new Writer(transport, { ...table, ...copy }, this.#options),
        suspects: narrow.flatMap((path) => this.#suspects(path)).join(" OR "),
        remap: (row) => remapRow(row, tree, narrow),
        confirm: async () => {
          await tableSchema.load();
          if (!sameColumns(tableSchema.definition, definition)) {
            throw new LateWriteError("The table has got other columns meanwhile");
          }
          await lock.save(atWork(copy));
        },
      });
      log.info("Widened to DOUBLE PRECISION", { columns, ms: Date.now() - started });
      return undefined;
    } catch (error) {
      if (error instanceof Error && (signal.aborted || isRefusal(error))) return error;
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
    const { rows: [row] } = await this.#patient.query(
      `SELECT count(*) FROM ${quoteTable(this.#options.table)}`,
    );
    return Number(row?.[0]);
  }

  #isNarrow(path: ColumnPath): boolean {
    const column = this.#options.tableSchema.columnAt(path);
    return column !== undefined && NARROW.includes(innermost(column).kind);
  }

  /** Conditions for rows whose value is in `overflow`, or is an integer that a double would change. */
  #suspects(path: ColumnPath): string[] {
    const { tableSchema } = this.#options;
    const arrays = path.reduce(
      (count, _, index) => count + arraysOf(tableSchema.columnAt(path.slice(0, index + 1))),
      0,
    );
    const column = subscript(path);
    const beyond = [
      [`${column} > ${MAX_EXACT}`, `${column} < -${MAX_EXACT}`],
      [`${MAX_EXACT} < ANY(${column})`, `-${MAX_EXACT} > ANY(${column})`],
    ][arrays] ?? [`${column} IS NOT NULL`];
    return ["overflow IS NOT NULL", ...beyond];
  }

  /** The name of the lock, which is the table's, whoever writes to it. */
  get lockName(): string {
    return `widening ${quoteTable(this.#options.table)}`;
  }

  #lockOptions(): PositionOptions {
    const { table, lease, signal, log } = this.#options;
    return { schema: table.schema, stream: this.lockName, lease, signal, log };
  }
}

/** Of a server or of a rebuild; any other error is a defect of the relay. */
const isRefusal = (error: Error): boolean =>
  error instanceof SinkError || error instanceof UserError || error instanceof LateWriteError;

const passes = (failure: Error): boolean =>
  failure instanceof LateWriteError || failure instanceof TakenOverError || isRetryable(failure);

/** CrateDB hides what a user may not read; whatever the name of a table, only these begin so. */
const HIDDEN = /^ ?(?:\w+\[)*(?:Schema 'sys'|Relation 'sys\.\w+') unknown/;

function reasonOf(error: unknown): string {
  const message = messageOf(error);
  return isUnknownRelation(error) && HIDDEN.test(message)
    ? `a privilege is missing: GRANT DQL ON TABLE sys.shards, sys.privileges TO <user> (${message})`
    : message;
}

/** @returns the error when another relay has taken over: it cleans up, and this one goes on */
async function unlessTakenOver<T>(work: () => Promise<T>): Promise<T | TakenOverError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof TakenOverError) return error;
    throw error;
  }
}

const sameColumns = (one: string, other: string): boolean =>
  JSON.stringify(definedColumns(one)) === JSON.stringify(definedColumns(other));

/** The token of the lock is the name of the table at work. */
const atWork = ({ name }: TableName): Pick<SavedState, "token"> => ({ token: name });

const arraysOf = (column: Column | undefined): number => column?.element ? 1 + arraysOf(column.element) : 0;

const distinct = (paths: readonly ColumnPath[]): ColumnPath[] => [
  ...new Map(paths.map((path) => [subscript(path), path])).values(),
];

/**
 * @example
 * IN: {path: ["data", "t"], type: "ARRAY(BIGINT)"}, [["t"]] → OUT: ARRAY(DOUBLE PRECISION)
 */
function widenedType({ path, type }: DefinedColumn, narrow: readonly ColumnPath[]): string {
  const [top, ...below] = path;
  const wanted = top === "data" && narrow.some((each) => subscript(each) === subscript(below));
  return wanted ? type.replace(/^((?:ARRAY\()*)BIGINT\b/, "$1DOUBLE PRECISION") : type;
}
