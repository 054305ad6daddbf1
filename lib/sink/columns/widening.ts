/** Rebuilds tables to widen columns: a BIGINT column that meets `20.5` becomes DOUBLE PRECISION. */
import { arraysOf, type ColumnPath, innermost } from "../../mapping/column_tree.ts";
import { isWidened, MAX_EXACT } from "../../mapping/column_types.ts";
import { splitDocument } from "../../mapping/split_document.ts";
import { storedDocument } from "../../mapping/stored_document.ts";
import { jsonOfBytes } from "../../util/json_writer.ts";
import { queryNumber } from "../connection/transport.ts";
import { quoteTable, subscript } from "../sql/names.ts";
import { redefined } from "../table/show_create_table.ts";
import { Rebuilder, type RebuildOptions, type Transports } from "./rebuild.ts";
import { isBackupRunning, type Redefinition } from "./rebuild_steps.ts";

export interface WideningOptions extends RebuildOptions {
  readonly widen: "on" | "off";
  /** The columns of a table with more rows stay as they are. */
  readonly widenRows: number;
  readonly onWidened?: (columns: number) => void;
}

/** How often a rebuild that fails for a passing reason is tried. */
const MAX_TRIES = 3;

export class Widening {
  readonly rebuilder: Rebuilder;
  /** Columns that stay as they are, which was logged. */
  readonly #kept = new Set<string>();
  /** Columns that wait for the end of a backup of CrateDB; undefined if none is running. */
  #putOff: readonly ColumnPath[] | undefined;

  constructor(private readonly transports: Transports, private readonly options: WideningOptions) {
    this.rebuilder = new Rebuilder(transports, options);
  }

  /** Tries again what had to wait for a backup. */
  async retryPutOff(): Promise<void> {
    const paths = this.#putOff;
    if (!paths || await isBackupRunning(this.transports.raw) || await this.rebuilder.recover()) return;
    this.#putOff = undefined;
    await this.widen(paths);
  }

  /** Widens columns if possible; otherwise their values stay in `overflow`. */
  async widen(paths: readonly ColumnPath[]): Promise<void> {
    const { table, widen, log } = this.options;
    const wanted = distinct(paths).filter((path) => !this.#kept.has(subscript(path)));
    if (wanted.length === 0) return;
    if (this.#putOff) return void (this.#putOff = distinct([...this.#putOff, ...wanted]));
    if (!table.hasOverflow) return this.#keep(wanted, "the table has no column `overflow`");
    if (widen === "off") return this.#keep(wanted, "--widen is off");
    for (let tries = 1;; tries++) {
      const failure = await this.rebuilder.rebuild(() => this.#plan(wanted));
      if (!failure) return;
      const narrow = this.#narrow(wanted);
      const columns = narrow.map(subscript).join(", ");
      const waits = failure.kind === "backup running";
      if (waits) this.#putOff = narrow;
      if (narrow.length === 0) return;
      if (waits) {
        const fields = { table: quoteTable(table), columns };
        return log.warn("CrateDB takes a snapshot: columns are widened once that is done", fields);
      }
      if (failure.kind === "final" || tries === MAX_TRIES) return this.#keep(narrow, failure.reason);
      log.warn("Not widened yet, trying again", { columns, error: failure.reason });
    }
  }

  async #plan(wanted: readonly ColumnPath[]): Promise<Redefinition | undefined> {
    const { table, tableSchema, widenRows, log, onWidened } = this.options;
    const narrow = this.#narrow(wanted);
    if (narrow.length === 0) return undefined;
    const rows = await queryNumber(this.transports.patient, `SELECT count(*) FROM ${quoteTable(table)}`);
    if (rows > widenRows) return this.#keep(narrow, `it has ${rows} rows, more than --widen-rows`);
    const columns = narrow.map(subscript);
    const before = tableSchema.columns;
    return {
      create: (copy) =>
        redefined(
          tableSchema.definition,
          copy,
          ({ path: [top, ...path], type }) =>
            top === "data" && columns.includes(subscript(path)) ? widerType(type) : type,
        ),
      rows: narrow.flatMap((path) => rowsToChange(subscript(path), this.#arraysAbove(path)))
        .join(" OR "),
      changed: ({ oid, part, ...row }, tree) => {
        const { data, overflow } = splitDocument(storedDocument(row, before), tree);
        const isSame = jsonOfBytes(data) === row.data &&
          (overflow && jsonOfBytes(overflow)) === row.overflow;
        return isSame ? undefined : { oid, part, data, overflow };
      },
      onDone: (duration_ms) => {
        log.info("Widened to DOUBLE PRECISION", { columns: columns.join(", "), duration_ms });
        onWidened?.(narrow.length);
      },
    };
  }

  #keep(paths: readonly ColumnPath[], reason: string): undefined {
    const { log, table } = this.options;
    for (const column of paths.map(subscript)) {
      this.#kept.add(column);
      const fields = { table: quoteTable(table), column, reason };
      log.warn("A column cannot store fractions; they go to overflow", fields);
    }
  }

  #narrow(paths: readonly ColumnPath[]): readonly ColumnPath[] {
    return paths.filter((path) => {
      const column = this.options.tableSchema.columnAt(path);
      return column !== undefined && isWidened(innermost(column).kind);
    });
  }

  /** How many arrays a value at a path is in. */
  #arraysAbove(path: ColumnPath): number {
    const columns = path.map((_, index) => this.options.tableSchema.columnAt(path.slice(0, index + 1)));
    return columns.reduce((count, column) => count + arraysOf(column), 0);
  }
}

const distinct = (paths: readonly ColumnPath[]): ColumnPath[] => [
  ...new Map(paths.map((path) => [subscript(path), path])).values(),
];

/** @example IN: ARRAY(BIGINT) → OUT: ARRAY(DOUBLE PRECISION) */
const widerType = (type: string): string => type.replace(/^((?:ARRAY\()*)BIGINT\b/, "$1DOUBLE PRECISION");

/** SQL conditions for rows that may change: with an overflow, or with an integer that the wider column would round. */
function rowsToChange(column: string, arrays: number): string[] {
  if (arrays > 1) return ["overflow IS NOT NULL", `${column} IS NOT NULL`];
  const value = arrays === 1 ? `ANY(${column})` : column;
  return ["overflow IS NOT NULL", `${MAX_EXACT} < ${value}`, `-${MAX_EXACT} > ${value}`];
}
