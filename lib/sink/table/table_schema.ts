/** The columns below a table's `data`: read from the server, and made before values arrive, so that none is guessed. */
import { SinkError } from "../connection/sink_error.ts";
import type { Logger } from "../../util/log.ts";
import {
  type Addition,
  additions,
  type Column,
  type ColumnPath,
  innermost,
  objectColumn,
} from "../../mapping/column_tree.ts";
import type { Kind } from "../../mapping/column_kind.ts";
import { type DefinedColumn, definedColumns } from "./show_create_table.ts";
import { quoteName, quoteTable, subscript, type TableName } from "./sql_names.ts";
import { isRetryable } from "../connection/sink_error.ts";
import type { Transport } from "../connection/transport.ts";

/** The kind of each CrateDB type. Columns of other types take no value. */
const KINDS: readonly (readonly [RegExp, Kind])[] = [
  [/^TEXT INDEX OFF STORAGE/, "longtext"],
  [/^TEXT\b/, "text"],
  [/^BIGINT\b/, "bigint"],
  [/^INTEGER\b/, "integer"],
  [/^SMALLINT\b/, "smallint"],
  [/^DOUBLE PRECISION\b/, "double"],
  [/^REAL\b/, "real"],
  [/^BOOLEAN\b/, "boolean"],
  [/^TIMESTAMP WITH(?:OUT)? TIME ZONE\b/, "timestamp"],
  // An OBJECT(IGNORED) with columns casts their values, and drops others from arrays.
  [/^OBJECT\(IGNORED\)(?! AS \()/, "ignored"],
  [/^OBJECT\b/, "object"],
];

/** The CrateDB type of each kind of column that is made here. */
const TYPES: Readonly<Partial<Record<Kind, string>>> = {
  text: "TEXT",
  bigint: "BIGINT",
  double: "DOUBLE PRECISION",
  boolean: "BOOLEAN",
  timestamp: "TIMESTAMP WITH TIME ZONE",
};

const UNFIT: Column = { kind: "unfit" };

export interface TableSchemaOptions {
  readonly table: TableName;
  /** Whether CrateDB makes the columns. */
  readonly inferred: boolean;
  readonly log: Logger;
}

export class TableSchema {
  readonly #transport: Transport;
  readonly #options: TableSchemaOptions;
  readonly #refused = new Set<string>();
  #definition = "";
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

  /** The column at a path below `data`. A path skips arrays, as CrateDB's subscripts do. */
  columnAt(path: ColumnPath): Column | undefined {
    return path.reduce<Column | undefined>(
      (at, name) => at && innermost(at).children?.get(name),
      this.#columns,
    );
  }

  /** The table as `SHOW CREATE TABLE` prints it. */
  get definition(): string {
    return this.#definition;
  }

  /**
   * Reads the columns anew.
   *
   * @returns whether they have changed
   */
  async load(): Promise<boolean> {
    const { rows: [row] } = await this.#transport.query(
      `SHOW CREATE TABLE ${quoteTable(this.#options.table)}`,
    );
    const definition = String(row?.[0]);
    if (definition === this.#definition) return false;
    this.#definition = definition;
    this.#columns = columnTree(definedColumns(definition), this.#options);
    for (const path of this.#refused) set(this.#columns, JSON.parse(path), UNFIT);
    if (this.#reached !== limitOf(definition)) this.#reached = undefined;
    if (this.#isFull) this.#columns = closed(this.#columns);
    return true;
  }

  /** The columns as if there were one at each of `paths` that takes everything. */
  assuming(paths: readonly ColumnPath[]): Column {
    const columns = columnTree(definedColumns(this.#definition), this.#options);
    for (const path of paths) set(columns, path, { kind: "any" });
    return columns;
  }

  /** Makes the wanted columns that the table lacks. Where the server refuses one, values stay without a column. */
  async add(columns: Column): Promise<void> {
    if (this.#isFull) return;
    const wanted = additions(this.#columns, columns);
    if (wanted.length === 0) return;
    await this.#add(wanted);
    await this.load();
    const { table, log } = this.#options;
    log.debug("Columns added", { table: quoteTable(table), columns: wanted.length });
  }

  get #isFull(): boolean {
    return this.#reached !== undefined;
  }

  async #add(wanted: readonly Addition[]): Promise<void> {
    const clauses = wanted.map(({ path, column }) => `ADD COLUMN ${subscript(path)} ${typeText(column)}`);
    try {
      await this.#transport.query(`ALTER TABLE ${quoteTable(this.#options.table)} ${clauses.join(", ")}`);
    } catch (error) {
      if (!(error instanceof SinkError) || isRetryable(error)) throw error;
      const parts = split(wanted);
      if (parts) {
        for (const part of parts) if (!this.#isFull) await this.#add(part);
      } else if (wanted[0] && error.kind !== "exists") {
        this.#refuse(wanted[0].path, error);
      }
    }
  }

  /** Records that there will be no column at `path`. */
  #refuse(path: ColumnPath, { kind, message }: SinkError): void {
    const column = subscript(path);
    const { table, log } = this.#options;
    if (kind === "too many columns") {
      this.#reached = limitOf(this.#definition);
      this.#columns = closed(this.#columns);
      log.warn("The table has no room for further columns; new keys go to overflow", {
        table: quoteTable(table),
        column,
        hint: 'ALTER TABLE … SET ("mapping.total_fields.limit" = 2000)',
      });
      return;
    }
    this.#refused.add(JSON.stringify(path));
    set(this.#columns, path, UNFIT);
    log.warn("CrateDB refused a column; its values go to overflow", { column, error: message });
  }
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

const emptied = (column: Column): Column =>
  column.element ? { kind: "array", element: emptied(column.element) } : objectColumn();

/**
 * @example
 * IN: {kind: "array", element: {kind: "object", children: {x: bigint}}}
 * OUT: ARRAY(OBJECT(DYNAMIC) AS ("x" BIGINT))
 */
function typeText(column: Column): string {
  if (column.element) return `ARRAY(${typeText(column.element)})`;
  if (!column.children) return TYPES[column.kind] ?? "TEXT";
  const inner = [...column.children].map(([name, child]) => `${quoteName(name)} ${typeText(child)}`);
  return inner.length === 0 ? "OBJECT(DYNAMIC)" : `OBJECT(DYNAMIC) AS (${inner.join(", ")})`;
}

/**
 * The columns below `data`, from the columns of a table.
 *
 * @example
 * IN: [{path: ["data"], type: "OBJECT(DYNAMIC) AS ("}, {path: ["data", "t"], type: "BIGINT"}]
 * OUT: {kind: "object", children: {t: {kind: "bigint"}}}
 */
export function columnTree(columns: readonly DefinedColumn[], { inferred = false } = {}): Column {
  let root: Column = objectColumn();
  for (const { path: [top, ...path], type } of columns) {
    const column = columnOf(type, inferred);
    if (top !== "data") continue;
    if (path.length === 0) root = column;
    else set(root, path, column);
  }
  return root;
}

function set(root: Column, path: ColumnPath, column: Column): void {
  const parent = path.slice(0, -1).reduce<Column | undefined>(
    (at, step) => at && innermost(at).children?.get(step),
    root,
  );
  const name = path.at(-1);
  if (parent && name !== undefined) innermost(parent).children?.set(name, column);
}

const ARRAY = "ARRAY(";

function columnOf(type: string, inferred: boolean): Column {
  if (type.startsWith(ARRAY)) return { kind: "array", element: columnOf(type.slice(ARRAY.length), inferred) };
  const kind = KINDS.find(([pattern]) => pattern.test(type))?.[1] ?? "unfit";
  if (kind === "object") {
    return /^OBJECT\((?:STRICT|IGNORED)\)/.test(type) ? { ...objectColumn(), closed: true } : objectColumn();
  }
  return { kind: kind === "bigint" && inferred ? "inferred" : kind };
}

/** The columns, closed: none takes further ones. */
function closed(column: Column): Column {
  const { element, children } = column;
  if (element) return { ...column, element: closed(element) };
  if (!children) return column;
  return {
    ...column,
    closed: true,
    children: new Map([...children].map(([name, child]) => [name, closed(child)])),
  };
}
