/** The columns below a table's `data`: read from the server, and made before values arrive, so that none is guessed. */
import {
  type ColumnBudget,
  type FullObject,
  furtherColumns,
  shareColumns,
  weightOf,
} from "../../mapping/column_shares.ts";
import {
  type Addition,
  additions,
  type Column,
  columnAt,
  type ColumnPath,
  emptied,
  innermost,
  mapObjects,
  objectColumn,
  pathsWhere,
  replaceColumn,
  setColumn,
} from "../../mapping/column_tree.ts";
import { recogniseMaps } from "../../mapping/maps.ts";
import type { Kind } from "../../mapping/column_types.ts";
import type { LogFields, Logger } from "../../util/log.ts";
import { isRetryable, SinkError } from "../connection/sink_error.ts";
import type { Transport } from "../connection/transport.ts";
import { columnTree, typeText, unfitColumns } from "./column_definition.ts";
import { type DefinedColumn, definedColumns } from "../table/show_create_table.ts";
import { quoteTable, subscript, type TableName } from "../sql/names.ts";
import { columnFaults, unusableTable } from "../table/unusable_table.ts";

/** CrateDB's own. */
const DEFAULT_LIMIT = 1000;
const LIMIT_HINT = 'ALTER TABLE … SET ("mapping.total_fields.limit" = 2000)';

/** Columns that a warning names. */
const NAMED = 10;

const UNFIT: Column = { kind: "unfit" };

export interface TableSchemaOptions {
  readonly table: TableName;
  /** Whether CrateDB makes the columns. */
  readonly inferred: boolean;
  readonly log: Logger;
  /** Columns that statements write to, e.g. `["oid", "data", "overflow"]`. @default {[]} */
  readonly needed?: readonly string[];
  /** Is told how many columns were made. */
  readonly onAdded?: (columns: number) => void;
}

export class TableSchema {
  readonly #transport: Transport;
  readonly #options: TableSchemaOptions;
  /** Columns that the server would not make. One that is there later is used. */
  readonly #refused = new Map<string, ColumnPath>();
  /** Objects that have their share of the columns, as long as that is so. */
  readonly #full = new Map<string, ColumnPath>();
  /** Objects with columns, in which there are ids too. */
  readonly #withIds = new Map<string, ColumnPath>();
  /** Columns that were warned of. */
  readonly #unfit = new Set<string>();
  #definition = "";
  /** The columns and the limit in the definition, read once: each document of a batch may need them. */
  #defined: readonly DefinedColumn[] = [];
  #limit = limitOf("");
  #version = 0;
  #columns: Column = objectColumn();
  /** The limit that the columns have reached, as written in the definition; undefined below the limit. */
  #reached: string | undefined;

  constructor(transport: Transport, options: TableSchemaOptions) {
    this.#transport = transport;
    this.#options = options;
  }

  /** The columns below `data`. */
  get columns(): Column {
    return this.#columns;
  }

  /** Grows whenever the columns turn out to have changed. */
  get version(): number {
    return this.#version;
  }

  /** The column at a path below `data`. A path skips arrays, as CrateDB's subscripts do. */
  columnAt(path: ColumnPath): Column | undefined {
    return columnAt(this.#columns, path);
  }

  /** The table as `SHOW CREATE TABLE` prints it. */
  get definition(): string {
    return this.#definition;
  }

  /**
   * Reads the columns again. Warns of those that somebody has dropped or renamed.
   *
   * @throws UnusableTableError if somebody has changed the table so that rows would not equal their documents
   */
  async load(): Promise<void> {
    const { rows: [row] } = await this.#transport.query(
      `SHOW CREATE TABLE ${quoteTable(this.#options.table)}`,
    );
    const definition = String(row?.[0]);
    if (definition === this.#definition) return;
    const { table, needed } = this.#options;
    const faults = columnFaults(definedColumns(definition), needed);
    if (faults.length > 0) throw unusableTable(table, faults);
    this.#nameDropped(definition);
    this.#definition = definition;
    this.#defined = definedColumns(definition);
    this.#limit = limitOf(definition);
    this.#version++;
    this.#nameUnfit();
    if (this.#reached !== this.#limit) this.#reached = undefined;
    this.#columns = columnTree(this.#defined, this.#options);
    for (const [key, path] of this.#refused) {
      if (this.columnAt(path)) this.#refused.delete(key);
      else setColumn(this.#columns, path, UNFIT);
    }
    for (const [key, path] of this.#full) {
      if (this.#furtherColumns(path) > 0) this.#full.delete(key);
    }
    this.#restrict();
  }

  /** The columns as if these were there, made by CrateDB. */
  assuming(added: readonly Addition[]): Column {
    const columns = columnTree(this.#defined, this.#options);
    for (const { path, column } of added) setColumn(columns, path, inferred(column));
    return columns;
  }

  /** The columns that {@linkcode add} would make. */
  missing(wanted: Column): readonly Addition[] {
    if (this.#isFull) return [];
    const recognised = recogniseMaps(wanted, this.#columns);
    return additions(this.#columns, shareColumns(this.#columns, recognised, this.#budget).columns);
  }

  /**
   * Makes those of the wanted columns that the table lacks and has room for. Where the server refuses one, values stay
   * without a column.
   */
  async add(wanted: Column): Promise<void> {
    if (this.#isFull) return;
    const recognised = recogniseMaps(wanted, this.#columns);
    const { columns, full } = shareColumns(this.#columns, recognised, this.#budget);
    const missing = additions(this.#columns, columns);
    if (missing.length > 0) {
      const before = this.#count;
      await this.#add(missing);
      await this.load();
      const { table, log, onAdded } = this.#options;
      const added = this.#count - before;
      log.debug("Columns added", { table: quoteTable(table), columns: added });
      onAdded?.(added);
    }
    for (const path of missing.flatMap(mapsIn)) this.#nameMap(path);
    for (const path of pathsWhere(recognised, (object) => object.hasIds === true)) this.#keepIdsOut(path);
    for (const object of full) this.#close(object);
    this.#restrict();
  }

  /** All columns of the table. */
  get #count(): number {
    return this.#defined.length;
  }

  get #budget(): ColumnBudget {
    const limit = Number(/\d+$/.exec(this.#limit)?.[0] ?? DEFAULT_LIMIT);
    return { limit, room: Math.max(limit - this.#count, 0) };
  }

  #furtherColumns(path: ColumnPath): number {
    const object = this.columnAt(path);
    const budget = this.#budget;
    return object ? furtherColumns(weightOf(object, budget), budget) : 0;
  }

  /** Applies to the columns what is known of objects. */
  #restrict(): void {
    for (const path of this.#withIds.values()) {
      this.#columns = replaceColumn(this.#columns, path, withIds);
    }
    for (const path of this.#isFull ? [[]] : this.#full.values()) {
      this.#columns = replaceColumn(this.#columns, path, closed);
    }
  }

  get #isFull(): boolean {
    return this.#reached !== undefined;
  }

  /** After an error, reads the columns: the server may have made some, though its answer was lost or came too late. */
  async #add(wanted: readonly Addition[]): Promise<void> {
    const [first] = wanted;
    if (!first || this.#isFull) return;
    const clauses = wanted.map(({ path, column }) => `ADD COLUMN ${subscript(path)} ${typeText(column)}`);
    try {
      await this.#transport.query(`ALTER TABLE ${quoteTable(this.#options.table)} ${clauses.join(", ")}`);
    } catch (error) {
      if (!(error instanceof SinkError) || isRetryable(error)) throw error;
      await this.load();
      const isThere = ({ path }: Addition) => this.columnAt(path) !== undefined;
      const parts = wanted.some(isThere) ? [wanted.flatMap((each) => this.#missing(each))] : split(wanted);
      if (parts) { for (const part of parts) await this.#add(part); }
      else if (error.kind !== "exists") this.#refuse(first.path, error);
    }
  }

  /** What the table lacks of an addition. */
  #missing(addition: Addition): readonly Addition[] {
    const existing = this.columnAt(addition.path);
    return existing ? additions(existing, addition.column, addition.path) : [addition];
  }

  /** Warns once of each column that takes no values. */
  #nameUnfit(): void {
    for (const { path, type } of unfitColumns(this.#defined)) {
      const column = subscript(path.slice(1));
      if (this.#unfit.has(column)) continue;
      this.#unfit.add(column);
      this.#warn("A column of this type takes no values as they are; they go to overflow", { column, type });
    }
  }

  #nameDropped(definition: string): void {
    const dropped = droppedColumns(definedColumns(this.#definition), definedColumns(definition));
    if (dropped.length === 0) return;
    this.#warn(
      "Columns were dropped or renamed; rows written before lack their values until a snapshot writes them again",
      {
        columns: dropped.slice(0, NAMED).map(subscript).join(", "),
        ...dropped.length > NAMED && { more: dropped.length - NAMED },
        hint: "--snapshot always, or verify --repair",
      },
    );
  }

  #nameMap(path: ColumnPath): void {
    if (this.#kindAt(path) !== "ignored") return;
    this.#warn("An object with ids as keys is a map; its keys get no columns of their own", {
      column: subscript(path),
      type: "OBJECT(IGNORED)",
    });
  }

  #keepIdsOut(path: ColumnPath): void {
    const column = subscript(path);
    if (this.#kindAt(path) !== "object" || this.#withIds.has(column)) return;
    this.#withIds.set(column, path);
    this.#warn("Keys that look like ids get no columns; they go to overflow", { column });
  }

  /** Records that an object takes no further columns. The root is full when the table is. */
  #close({ path, newcomer }: FullObject): void {
    const column = subscript(path);
    if (path.length === 0) {
      if (this.#isFull) return;
      this.#reached = this.#limit;
      this.#warn("The table has no room for further columns; new keys go to overflow", {
        column: subscript(newcomer),
        hint: LIMIT_HINT,
      });
    } else if (!this.#full.has(column)) {
      this.#full.set(column, path);
      this.#warn("An object has its share of the table's columns; new keys in it go to overflow", {
        column,
        key: newcomer.at(-1),
        hint: LIMIT_HINT,
      });
    }
  }

  /** Records that there will be no column at `path`. */
  #refuse(path: ColumnPath, { kind, message }: SinkError): void {
    if (kind === "too many columns") {
      this.#close({ path: [], newcomer: path });
      return this.#restrict();
    }
    const column = subscript(path);
    this.#refused.set(column, path);
    setColumn(this.#columns, path, UNFIT);
    this.#warn("CrateDB refused a column; its values go to overflow", { column, error: message });
  }

  #kindAt(path: ColumnPath): Kind | undefined {
    const column = this.columnAt(path);
    return column && innermost(column).kind;
  }

  #warn(message: string, fields: LogFields): void {
    const { table, log } = this.#options;
    log.warn(message, { table: quoteTable(table), ...fields });
  }
}

/**
 * Paths below `data` that a table had and does not have any more, without those below one of them.
 *
 * @example
 * IN: [data.a, data.o, data.o.x], [data.a] → OUT: [["o"]]
 */
function droppedColumns(before: readonly DefinedColumn[], now: readonly DefinedColumn[]): ColumnPath[] {
  const nameOf = (path: readonly string[]) => JSON.stringify(path);
  const left = new Set(now.map(({ path }) => nameOf(path)));
  return before.map(({ path }) => path)
    .filter((path) => path[0] === "data" && !left.has(nameOf(path)) && left.has(nameOf(path.slice(0, -1))))
    .map((path) => path.slice(1));
}

/** The limit of columns in a table's definition. CrateDB 6 leaves the default out. */
const limitOf = (definition: string): string =>
  /"mapping\.total_fields\.limit" = \d+/.exec(definition)?.[0] ?? "the default";

/** Splits a list in halves, or one object column into itself and the columns below it. */
function split(wanted: readonly Addition[]): readonly (readonly Addition[])[] | undefined {
  if (wanted.length > 1) return [wanted.slice(0, wanted.length >> 1), wanted.slice(wanted.length >> 1)];
  const [first] = wanted;
  if (!first || !innermost(first.column).children?.size) return undefined;
  const bare = emptied(first.column);
  return [[{ path: first.path, column: bare }], additions(bare, first.column, first.path)];
}

/** The columns, closed: none takes further ones. */
const closed = (columns: Column): Column => mapObjects(columns, (object) => ({ ...object, closed: true }));

const withIds = (columns: Column): Column =>
  columns.element ? { ...columns, element: withIds(columns.element) } : { ...columns, hasIds: true };

/** Where there are maps in a column that was added. */
const mapsIn = ({ path, column }: Addition): readonly ColumnPath[] =>
  pathsWhere(column, ({ kind }) => kind === "ignored", path);

/** The column that CrateDB would make of any value in the place of each scalar. It makes no maps. */
function inferred(column: Column): Column {
  const { element, children, kind } = column;
  if (element) return { kind, element: inferred(element) };
  if (!children) return kind === "ignored" ? UNFIT : { kind: "any" };
  return { kind, children: new Map([...children].map(([name, child]) => [name, inferred(child)])) };
}
