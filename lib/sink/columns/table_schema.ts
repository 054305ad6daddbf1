/** The columns below a table's `data`: read from the server, and created before values arrive, so that none is guessed. */
import {
  type ColumnBudget,
  type FullObject,
  furtherColumns,
  recogniseMaps,
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
import type { PartType } from "../../mapping/partition.ts";
import type { LogFields, Logger } from "../../util/log.ts";
import { isRetryable, SinkError } from "../connection/sink_error.ts";
import type { Transport } from "../connection/transport.ts";
import { quoteTable, subscript, type TableName } from "../sql/names.ts";
import { type DefinedColumn, definedColumns } from "../table/show_create_table.ts";
import { keyFaults } from "../table/target_table.ts";
import { columnFaults, unusableTable } from "../table/unusable_table.ts";
import { columnTree, typeText, unfitColumns } from "../table/column_definition.ts";

/** CrateDB's default for the number of columns. */
const DEFAULT_LIMIT = 1000;
const LIMIT_HINT = 'ALTER TABLE … SET ("mapping.total_fields.limit" = 2000)';

/** The most columns that a warning names. */
const NAMED = 10;

const UNFIT: Column = { kind: "unfit" };

interface TableSchemaOptions {
  readonly table: TableName;
  /** Whether CrateDB creates the columns. */
  readonly inferred: boolean;
  readonly log: Logger;
  /** Columns that statements write to, e.g. `["oid", "data", "overflow"]`. @default {[]} */
  readonly needed?: readonly string[];
  /** The partitions that statements expect. @default {any} */
  readonly partitions?: PartType | "none";
  readonly onAdded?: (columns: number) => void;
}

export class TableSchema {
  /** Columns that the server refused to create. Checked again at each load. */
  readonly #refused = new Map<string, ColumnPath>();
  /** Objects that have used up their share of the columns. Checked again at each load. */
  readonly #full = new Map<string, ColumnPath>();
  /** Objects with columns in which ids occur, too. */
  readonly #withIds = new Map<string, ColumnPath>();
  /** Columns that store no values, which was logged. */
  readonly #unfit = new Set<string>();
  /** The table as `SHOW CREATE TABLE` prints it. */
  definition = "";
  /** The columns and the limit in the definition, parsed once: each document of a batch may need them. */
  #defined: readonly DefinedColumn[] = [];
  #limit = limitOf("");
  /** Increases each time the columns turn out to have changed. */
  version = 0;
  columns: Column = objectColumn();
  /** The limit that the columns have reached, as in the definition; undefined below the limit. */
  #reached: string | undefined;

  constructor(private readonly transport: Transport, private readonly options: TableSchemaOptions) {}

  columnAt(path: ColumnPath): Column | undefined {
    return columnAt(this.columns, path);
  }

  /** Reads the columns again, unless `known` was just read. @throws UnusableTableError if rows would not equal documents */
  async load(known?: string): Promise<void> {
    const { table, needed, partitions } = this.options;
    const show = `SHOW CREATE TABLE ${quoteTable(table)}`;
    const definition = known ?? String((await this.transport.query(show)).rows[0]?.[0]);
    if (definition === this.definition) return;
    const defined = definedColumns(definition);
    const faults = [
      ...columnFaults(defined, needed),
      ...partitions ? keyFaults(definition, defined, partitions) : [],
    ];
    if (faults.length > 0) throw unusableTable(table, faults);
    this.#warnOfDropped(droppedColumns(this.#defined, defined));
    this.definition = definition;
    this.#defined = defined;
    this.#limit = limitOf(definition);
    this.version++;
    this.#warnOfUnfit();
    if (this.#reached !== this.#limit) this.#reached = undefined;
    this.columns = columnTree(defined, this.options);
    for (const [key, path] of this.#refused) {
      if (this.columnAt(path)) this.#refused.delete(key);
      else setColumn(this.columns, path, UNFIT);
    }
    for (const [key, path] of this.#full) {
      const object = this.columnAt(path);
      const { budget } = this;
      if (object && furtherColumns(weightOf(object, budget), budget) > 0) this.#full.delete(key);
    }
    this.#restrict();
  }

  /** The columns as if these had been created, too. */
  assuming(added: readonly Addition[]): Column {
    const columns = columnTree(this.#defined, this.options);
    for (const { path, column } of added) setColumn(columns, path, column);
    return columns;
  }

  /** The columns that {@linkcode add} would create. */
  missing(wanted: Column): readonly Addition[] {
    return this.#isFull ? [] : this.#plan(wanted).missing;
  }

  /** Creates the wanted columns that the table lacks and has room for, except those that the server refuses. */
  async add(wanted: Column): Promise<void> {
    if (this.#isFull) return;
    const { recognised, missing, full } = this.#plan(wanted);
    if (missing.length > 0) {
      const before = this.#defined.length;
      await this.#create(missing);
      await this.load();
      const { table, log, onAdded } = this.options;
      const columns = this.#defined.length - before;
      log.debug("Columns added", { table: quoteTable(table), columns });
      onAdded?.(columns);
    }
    for (const path of missing.flatMap(mapsIn).filter((path) => this.#isKind(path, "ignored"))) {
      const fields = { column: subscript(path), type: "OBJECT(IGNORED)" };
      this.#warn("An object with ids as keys is a map; its keys get no columns", fields);
    }
    for (const path of pathsWhere(recognised, (object) => object.hasIds === true)) this.#keepIdsOut(path);
    for (const object of full) this.#close(object);
    this.#restrict();
  }

  #plan(wanted: Column) {
    const recognised = recogniseMaps(wanted, this.columns);
    const { columns, full } = shareColumns(this.columns, recognised, this.budget);
    return { recognised, full, missing: additions(this.columns, columns) };
  }

  get budget(): ColumnBudget {
    const limit = Number(/\d+$/.exec(this.#limit)?.[0] ?? DEFAULT_LIMIT);
    return { limit, room: Math.max(limit - this.#defined.length, 0) };
  }

  get #isFull(): boolean {
    return this.#reached !== undefined;
  }

  /** Marks the objects that take no further columns, or none for ids. */
  #restrict(): void {
    const change = (paths: Iterable<ColumnPath>, to: (column: Column) => Column) => {
      for (const path of paths) this.columns = replaceColumn(this.columns, path, to);
    };
    change(this.#withIds.values(), withIds);
    change(this.#isFull ? [[]] : this.#full.values(), closed);
  }

  /** After an error, reads the columns, of which the server may have created some, and tries smaller parts. */
  async #create(wanted: readonly Addition[]): Promise<void> {
    const [first] = wanted;
    if (!first || this.#isFull) return;
    try {
      await this.transport.query(addColumns(this.options.table, wanted));
    } catch (error) {
      if (!(error instanceof SinkError) || isRetryable(error)) throw error;
      await this.load();
      const lacking = wanted.flatMap((each): readonly Addition[] => {
        const existing = this.columnAt(each.path);
        return existing ? additions(existing, each.column, each.path) : [each];
      });
      const hasSome = wanted.some(({ path }) => this.columnAt(path) !== undefined);
      const parts = hasSome ? [lacking] : split(wanted);
      if (parts) { for (const part of parts) await this.#create(part); }
      else if (error.kind !== "exists") this.#refuse(first.path, error);
    }
  }

  #warnOfUnfit(): void {
    for (const { path, type } of unfitColumns(this.#defined)) {
      const column = subscript(path.slice(1));
      if (this.#unfit.has(column)) continue;
      this.#unfit.add(column);
      const fields = { column, type };
      this.#warn("A column of this type cannot store values unchanged; they go to overflow", fields);
    }
  }

  #warnOfDropped(dropped: readonly ColumnPath[]): void {
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

  #keepIdsOut(path: ColumnPath): void {
    const column = subscript(path);
    if (!this.#isKind(path, "object") || this.#withIds.has(column)) return;
    this.#withIds.set(column, path);
    this.#warn("Keys that look like ids get no columns; they go to overflow", { column });
  }

  /** Records that an object takes no further columns. The root is full when the table is. */
  #close({ path, newcomer }: FullObject): void {
    const column = subscript(path);
    if (path.length === 0) {
      if (this.#isFull) return;
      this.#reached = this.#limit;
      const fields = { column: subscript(newcomer), hint: LIMIT_HINT };
      this.#warn("The table has no room for further columns; new keys go to overflow", fields);
    } else if (!this.#full.has(column)) {
      this.#full.set(column, path);
      const fields = { column, key: newcomer.at(-1), hint: LIMIT_HINT };
      this.#warn("An object has its share of the table's columns; new keys in it go to overflow", fields);
    }
  }

  #refuse(path: ColumnPath, { kind, message }: SinkError): void {
    if (kind === "too many columns") {
      this.#close({ path: [], newcomer: path });
      return this.#restrict();
    }
    const column = subscript(path);
    this.#refused.set(column, path);
    setColumn(this.columns, path, UNFIT);
    this.#warn("CrateDB refused a column; its values go to overflow", { column, error: message });
  }

  #isKind(path: ColumnPath, kind: Column["kind"]): boolean {
    const column = this.columnAt(path);
    return column !== undefined && innermost(column).kind === kind;
  }

  #warn(message: string, fields: LogFields): void {
    const { table, log } = this.options;
    log.warn(message, { table: quoteTable(table), ...fields });
  }
}

/** The statement that creates columns below `data`. */
export function addColumns(table: TableName, added: readonly Addition[]): string {
  const clauses = added.map(({ path, column }) => `ADD COLUMN ${subscript(path)} ${typeText(column)}`);
  return `ALTER TABLE ${quoteTable(table)} ${clauses.join(", ")}`;
}

/** Dropped paths below `data`. @example IN: [data.a, data.o, data.o.x], [data, data.a] → OUT: [["o"]] */
function droppedColumns(before: readonly DefinedColumn[], now: readonly DefinedColumn[]): ColumnPath[] {
  const left = new Set(now.map(({ path }) => JSON.stringify(path)));
  const has = (path: ColumnPath) => left.has(JSON.stringify(path));
  return before.map(({ path }) => path)
    .filter((path) => path[0] === "data" && !has(path) && has(path.slice(0, -1)))
    .map((path) => path.slice(1));
}

/** The limit of columns in a table's definition. CrateDB 6 omits the default. */
const limitOf = (definition: string): string =>
  /"mapping\.total_fields\.limit" = \d+/.exec(definition)?.[0] ?? "the default";

/** Splits a list in halves, or one object column into the object and the columns below it. */
function split(wanted: readonly Addition[]): readonly (readonly Addition[])[] | undefined {
  if (wanted.length > 1) return [wanted.slice(0, wanted.length >> 1), wanted.slice(wanted.length >> 1)];
  const [first] = wanted;
  if (!first || !innermost(first.column).children?.size) return undefined;
  const bare = emptied(first.column);
  return [[{ path: first.path, column: bare }], additions(bare, first.column, first.path)];
}

const closed = (columns: Column): Column => mapObjects(columns, (object) => ({ ...object, closed: true }));

const withIds = (columns: Column): Column =>
  columns.element ? { ...columns, element: withIds(columns.element) } : { ...columns, hasIds: true };

const mapsIn = ({ path, column }: Addition): readonly ColumnPath[] =>
  pathsWhere(column, ({ kind }) => kind === "ignored", path);
