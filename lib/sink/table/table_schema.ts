/** The columns below a table's `data`: read from the server, and made before values arrive, so that none is guessed. */
import type { Logger } from "../../util/log.ts";
import {
  type Addition,
  additions,
  type Column,
  type ColumnPath,
  innermost,
  objectColumn,
} from "../../mapping/column_tree.ts";
import { isRetryable, SinkError } from "../connection/sink_error.ts";
import type { Transport } from "../connection/transport.ts";
import { columnTree, setColumn, typeText } from "./column_definition.ts";
import { definedColumns } from "./show_create_table.ts";
import { quoteTable, subscript, type TableName } from "./sql_names.ts";

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
  /** Columns that the server would not make. One that is there later is used. */
  readonly #refused = new Map<string, ColumnPath>();
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
    for (const [key, path] of this.#refused) {
      if (this.columnAt(path)) this.#refused.delete(key);
      else setColumn(this.#columns, path, UNFIT);
    }
    if (this.#reached !== limitOf(definition)) this.#reached = undefined;
    if (this.#isFull) this.#columns = closed(this.#columns);
    return true;
  }

  /** The columns as if there were one at each of `paths` that takes everything. */
  assuming(paths: readonly ColumnPath[]): Column {
    const columns = columnTree(definedColumns(this.#definition), this.#options);
    for (const path of paths) setColumn(columns, path, { kind: "any" });
    return columns;
  }

  /** Makes the wanted columns that the table lacks. Where the server refuses one, values stay without a column. */
  async add(columns: Column): Promise<void> {
    const wanted = this.#isFull ? [] : additions(this.#columns, columns);
    if (wanted.length === 0) return;
    await this.#add(wanted);
    await this.load();
    const { table, log } = this.#options;
    log.debug("Columns added", { table: quoteTable(table), columns: wanted.length });
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
    this.#refused.set(column, path);
    setColumn(this.#columns, path, UNFIT);
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
