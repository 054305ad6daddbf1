/** What is known of a table's sub-columns; they are made here before values arrive, so that none is guessed. */
import { SinkError } from "../errors.ts";
import type { Logger } from "../ops/log.ts";
import { type Addition, additions, type Column, innermost, objectColumn } from "../row/columns.ts";
import type { Kind } from "../row/kinds.ts";
import { quoteName, quoteTable, subscript, type TableName } from "./names.ts";
import { isTransient, type Transport } from "./transport.ts";

/** No name of a column has it, so that a path can be read as one text over every transport. */
const SEPARATOR = "\n";

const COLUMNS = `SELECT array_to_string(column_details['path'], $3), data_type FROM information_schema.columns
  WHERE table_schema = $1 AND table_name = $2 AND column_details['name'] = 'data' ORDER BY ordinal_position`;

/** Kinds by CrateDB's name of the type; what isn't here takes no value. */
const KINDS: ReadonlyMap<string, Kind> = new Map(Object.entries(
  {
    "text": "text",
    "bigint": "bigint",
    "integer": "integer",
    "smallint": "smallint",
    "double precision": "double",
    "real": "real",
    "boolean": "boolean",
    "timestamp with time zone": "timestamp",
    "timestamp without time zone": "timestamp",
    "object": "object",
  } as const,
));

/** Types by kind, of the columns that are made here. */
const TYPES: Readonly<Partial<Record<Kind, string>>> = {
  text: "TEXT",
  bigint: "BIGINT",
  double: "DOUBLE PRECISION",
  boolean: "BOOLEAN",
  timestamp: "TIMESTAMP WITH TIME ZONE",
};

const UNFIT: Column = { kind: "unfit" };

export class Ledger {
  readonly #transport: Transport;
  readonly #table: TableName;
  readonly #log: Logger;
  readonly #refused = new Set<string>();
  #columns: Column = objectColumn();
  #full = false;

  constructor(transport: Transport, { table, log }: { table: TableName; log: Logger }) {
    this.#transport = transport;
    this.#table = table;
    this.#log = log;
  }

  get columns(): Column {
    return this.#columns;
  }

  /** Reads the columns anew. */
  async load(): Promise<void> {
    const { rows } = await this.#transport.query(COLUMNS, [this.#table.schema, this.#table.name, SEPARATOR]);
    this.#columns = columnTree(
      rows.map(([path, type]) => [String(path ?? "").split(SEPARATOR), String(type)]),
    );
    for (const path of this.#refused) set(this.#columns, JSON.parse(path), UNFIT);
  }

  /** Makes the columns that `shape` asks for and the table lacks; what the server refuses stays without one. */
  async add(shape: Column): Promise<void> {
    if (this.#full) return;
    const wanted = additions(this.#columns, shape);
    if (wanted.length === 0) return;
    await this.#add(wanted);
    await this.load();
    this.#log.debug("Columns added", { table: quoteTable(this.#table), columns: wanted.length });
  }

  async #add(wanted: readonly Addition[]): Promise<void> {
    const clauses = wanted.map(({ path, column }) => `ADD COLUMN ${subscript(path)} ${typeText(column)}`);
    try {
      await this.#transport.query(`ALTER TABLE ${quoteTable(this.#table)} ${clauses.join(", ")}`);
    } catch (error) {
      if (!(error instanceof SinkError) || isTransient(error)) throw error;
      const parts = split(wanted);
      if (parts) {
        for (const part of parts) if (!this.#full) await this.#add(part);
      } else this.#refuse(wanted, error);
    }
  }

  #refuse([addition]: readonly Addition[], error: SinkError): void {
    if (!addition || /already exists|has a column/i.test(error.message)) return;
    const column = subscript(addition.path);
    if (/total_fields|Limit of total/i.test(error.message)) {
      this.#full = true;
      this.#log.warn("The table has no room for further columns; new keys go to overflow", {
        table: quoteTable(this.#table),
        column,
        hint: 'ALTER TABLE … SET ("mapping.total_fields.limit" = 2000)',
      });
      return;
    }
    this.#refused.add(JSON.stringify(addition.path));
    this.#log.warn("CrateDB refused a column; its values go to overflow", { column, error: error.message });
  }
}

/** Halves of a list; of one object column, the column itself and those below it. */
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
 * @example
 * IN: [[["a"], "object_array"], [["a", "x"], "bigint"]]
 * OUT: {kind: "object", children: {a: {kind: "array", element: {kind: "object", children: {x: bigint}}}}}
 */
export function columnTree(rows: readonly (readonly [path: readonly string[], type: string])[]): Column {
  const root = objectColumn();
  for (const [path, type] of rows) if (path[0] !== "") set(root, path, columnOf(type));
  return root;
}

function set(root: Column, path: readonly string[], column: Column): void {
  const parent = path.slice(0, -1).reduce<Column | undefined>(
    (at, step) => at && innermost(at).children?.get(step),
    root,
  );
  const name = path.at(-1);
  if (parent && name !== undefined) innermost(parent).children?.set(name, column);
}

function columnOf(type: string): Column {
  if (type.endsWith("_array")) return { kind: "array", element: columnOf(type.slice(0, -"_array".length)) };
  return type === "object" ? objectColumn() : { kind: KINDS.get(type) ?? "unfit" };
}
