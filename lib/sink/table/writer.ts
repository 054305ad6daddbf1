/** Bulk upserts and deletes. Accounts for each row, because a bulk statement can drop rows without an error. */
import { Buffer } from "node:buffer";
import { concurrently, Semaphore } from "../../util/concurrency.ts";
import { grouped } from "../../util/grouped.ts";
import { quoteTable } from "../sql/names.ts";
import { dropLiveView, IS_LIVE } from "./cdc_column.ts";
import { scanKeys } from "./row_reader.ts";
import { rowStatements } from "./row_statements.ts";
import type { DeletedRow, Row, RowKey } from "./row.ts";
import type { TargetTable } from "./target_table.ts";
import { type RefusedRow, Upserts } from "./upserts.ts";
import { isSinkError, unlessKind } from "../connection/sink_error.ts";
import { refreshTable, type Transport, type Values, WHOLE_TABLE_LIMIT_MS } from "../connection/transport.ts";
import type { WriteLimits } from "../connection/write_pace.ts";

export interface WriterOptions {
  /** Of all callers together. They may change at any time. */
  readonly limits: WriteLimits;
  /** Bytes of statements in progress, shared by tables. @default {unlimited} */
  readonly inFlightBudget?: Semaphore;
}

/** Of a statement that marks rows. */
const MAX_TRIES = 2;

/** The bytes of a row, or of a key, in a statement. */
const bytesOf = (item: Row | RowKey | string): number =>
  typeof item === "string"
    ? Buffer.byteLength(item)
    : Buffer.byteLength(item.oid) + ("data" in item ? valuesOf(item) : 0);

const valuesOf = ({ data, overflow, cdc, shadows = {} }: Row): number =>
  [data, overflow, cdc, ...Object.values(shadows)].reduce((sum, each) => sum + (each?.length ?? 0), 0);

const UNLIMITED = new Semaphore(Infinity);

export class Writer {
  readonly #sql: ReturnType<typeof rowStatements>;
  readonly #statements: Semaphore;
  readonly #upserts: Upserts;

  constructor(
    private readonly transport: Transport,
    private readonly table: TargetTable,
    private readonly options: WriterOptions,
  ) {
    this.#statements = new Semaphore(() => options.limits.inFlight);
    this.#sql = rowStatements(transport.dialect, table);
    this.#upserts = new Upserts(transport, table);
  }

  /** Writes rows of different keys. @returns the refused ones @throws UserError if the sink accepts no row at all */
  async upsert(rows: readonly Row[]): Promise<RefusedRow[]> {
    const { limits, inFlightBudget: budget = UNLIMITED } = this.options;
    const refused = await concurrently(this.#parts(rows), limits.inFlight, (chunk) => {
      const bytes = chunk.reduce((sum, row) => sum + bytesOf(row), 0);
      const write = () => this.#inParts(chunk, (part) => this.#upserts.write(part));
      return this.#statements.run(() => budget.run(write, bytes));
    });
    return refused.flat();
  }

  /**
   * Deletes rows, or marks those that are not marked. Refreshes first: CrateDB searches for several keys, and does not find
   * rows written since.
   */
  async delete(rows: readonly DeletedRow[]): Promise<void> {
    if (rows.length === 0) return;
    await this.refresh();
    const groups = Map.groupBy(rows, ({ cdc }) => cdc);
    await concurrently(groups, this.options.limits.inFlight, async ([cdc, some]) => {
      if (cdc) await this.#mark(some, cdc);
      else await this.#changeVisible(some, this.#sql.delete);
    });
  }

  /** Deletes a row that the server does not mark, although it gives no error. */
  async #mark(rows: readonly RowKey[], cdc: Uint8Array): Promise<void> {
    let left = rows;
    if (this.table.partType && rows.some(({ part }) => part === undefined)) await this.#leaveOne(rows);
    for (let tries = 0;; tries++) {
      const live = new Set((await this.#select(this.#sql.liveOf, left)).map(([oid]) => oid));
      left = left.filter(({ oid }) => live.has(oid));
      if (left.length === 0) return;
      if (tries === MAX_TRIES) return void await this.#changeVisible(left, this.#sql.delete);
      if (await this.#changeVisible(left, this.#sql.mark, { json: [cdc] }) === left.length) return;
      await this.refresh();
    }
  }

  /** A relay that was killed may have left a row in two partitions. */
  async #leaveOne(rows: readonly RowKey[]): Promise<void> {
    const places = await this.#select(this.#sql.partsOf, rows);
    await this.deleteMoved(places.map(([oid = "", part]) => ({ oid, part })));
    // Otherwise the statement that marks rows would find and write the deleted one again.
    await this.refresh();
  }

  async #select(sql: string, rows: readonly RowKey[]): Promise<readonly string[][]> {
    const found: string[][] = [];
    for (const chunk of this.#parts(rows.map(({ oid }) => oid))) {
      found.push(...(await this.transport.query(sql, [chunk])).rows.map((row) => row.map(String)));
    }
    return found;
  }

  /** Marks all rows that are not marked, like {@linkcode delete}. */
  async markAll(cdc: Uint8Array): Promise<void> {
    for (let tries = 0; tries < MAX_TRIES; tries++) await this.#changeAll(this.#sql.markAll, { json: [cdc] });
    await this.#changeAll(this.#sql.deleteLive);
  }

  /** Deletes the rows that these have in other partitions. Refreshes first, like {@linkcode delete}. */
  async deleteMoved(rows: readonly RowKey[]): Promise<void> {
    if (rows.length === 0) return;
    await this.refresh();
    const partOf = new Map(rows.map(({ oid, part }) => [oid, part]));
    const moved: RowKey[] = [];
    for (const [oid = "", part] of await this.#select(this.#sql.partsOf, rows)) {
      if (part !== partOf.get(oid)) moved.push({ oid, part });
    }
    // One partition by one: a row may have moved to what another one has left.
    for (const left of Map.groupBy(moved, ({ part }) => part).values()) {
      await this.#changeVisible(left, this.#sql.delete);
    }
  }

  /** Runs a statement for these keys, which are its first parameter. @returns the number of changed rows */
  async #changeVisible(
    rows: readonly RowKey[],
    sql: (parts?: number) => string,
    ...others: Values
  ): Promise<number> {
    const { partType } = this.table;
    let changed = 0;
    const run = async (chunk: readonly RowKey[]) => {
      const oids = chunk.map(({ oid }) => oid);
      const parts = [...new Set(chunk.map(({ part }) => part))].filter((part) => part !== undefined);
      const areKnown = partType && chunk.every(({ part }) => part !== undefined);
      const all = [oids, ...others, ...areKnown ? [parts] : []];
      const options = { writes: true, isDivisible: chunk.length > 1 };
      changed += (await this.transport.query(sql(areKnown ? all.length : 0), all, options)).count;
      return [];
    };
    const write = (chunk: readonly RowKey[]) => this.#statements.run(() => this.#inParts(chunk, run));
    await concurrently(this.#parts(rows), this.options.limits.inFlight, write);
    return changed;
  }

  /** Writes these, in ever smaller parts if the server is overloaded and refuses a statement. */
  async #inParts<T extends Row | RowKey | string>(
    all: readonly T[],
    write: (part: readonly T[]) => Promise<RefusedRow[]>,
    most = Infinity,
  ): Promise<RefusedRow[]> {
    const refused: RefusedRow[] = [];
    // The limits may have fallen since these were put together.
    for (const part of this.#parts(all, most)) {
      try {
        refused.push(...await write(part));
      } catch (error) {
        if (part.length === 1 || !isSinkError(error, "overloaded")) throw error;
        refused.push(...await this.#inParts(part, write, Math.ceil(part.length / 2)));
      }
    }
    return refused;
  }

  /** What each statement may have, by the present limits. */
  #parts<T extends Row | RowKey | string>(all: readonly T[], most = Infinity): Iterable<T[]> {
    const { statementRows, statementBytes } = this.options.limits;
    return grouped(all, { count: Math.min(most, statementRows), weight: statementBytes, weightOf: bytesOf });
  }

  /**
   * Drops the partitions before a time, but not that of rows without one.
   *
   * @returns whether any was dropped; undefined if CrateDB takes a snapshot of them
   */
  async deletePartsBefore(time: number): Promise<boolean | undefined> {
    const sql = `DELETE FROM ${quoteTable(this.table)} WHERE part < $1 AND part <> 0`;
    const done = this.transport.query(sql, [time], { writes: true }).then(({ count }) => count !== 0);
    return await done.catch(unlessKind("backup running"));
  }

  async truncate(): Promise<void> {
    await this.#changeAll(this.#sql.deleteAll).catch(async (error) => {
      unlessKind("backup running")(error);
      // The other statement drops partitions.
      await this.#changeAll(`${this.#sql.deleteAll} WHERE length(oid) >= 0`);
    });
  }

  async #changeAll(sql: string, ...parameters: Values): Promise<void> {
    await this.refresh();
    await this.transport.query(sql, parameters, { writes: true, limitMs: WHOLE_TABLE_LIMIT_MS });
    await this.refresh();
  }

  /** @returns why the table was not dropped: a view of PostgreSQL needs it, or CrateDB takes a snapshot of it */
  async drop(): Promise<"needed" | "backup running" | undefined> {
    if (this.table.cdc) await dropLiveView(this.transport, this.table);
    try {
      await this.transport.query(`DROP TABLE IF EXISTS ${quoteTable(this.table)}`);
      return undefined;
    } catch (error) {
      for (const kind of ["needed", "backup running"] as const) if (isSinkError(error, kind)) return kind;
      throw error;
    }
  }

  /** Keys of rows, or of those that are not marked as deleted. */
  keys(size: number, { areLive = false } = {}): AsyncGenerator<string[]> {
    return scanKeys(this.transport, this.table, { size, ...areLive && { where: IS_LIVE } });
  }

  refresh(): Promise<void> {
    return refreshTable(this.transport, this.table);
  }
}

/** CrateDB refuses what no check foresees, e.g. a polygon that crosses itself: such a row is written without its shadows. */
export async function writeRows(writer: Pick<Writer, "upsert">, rows: readonly Row[]) {
  const refused = rows.length > 0 ? await writer.upsert(rows) : [];
  const oids = new Set(refused.map(({ oid }) => oid));
  const again = rows.filter(({ oid, shadows = {} }) => oids.has(oid) && Object.values(shadows).some(Boolean));
  if (again.length === 0) return { refused, unshadowed: 0 };
  const left = await writer.upsert(again.map(({ shadows: _, ...row }) => row));
  const bare = new Set(again.map(({ oid }) => oid));
  const kept = refused.filter(({ oid }) => !bare.has(oid));
  return { refused: [...kept, ...left], unshadowed: again.length - left.length };
}
