/** Reads rows of a table that documents were written to. Makes and changes nothing. */
import { type Parameter, refreshTable, type Result, type Transport } from "../connection/transport.ts";
import { quoteTable, type TableName } from "../sql/names.ts";

/** The columns `data` and `overflow` of a row, as JSON text. */
export interface StoredRow {
  readonly data: string;
  readonly overflow: string | null;
}

const COLUMNS = `SELECT column_name FROM information_schema.columns
  WHERE table_schema = $1 AND table_name = $2 AND column_name IN ('oid', 'data', 'overflow')`;

export class RowReader {
  readonly #transport: Transport;
  readonly #name: TableName;
  readonly #table: string;
  /** The columns of the table; none where there is no such table. */
  readonly #columns: ReadonlySet<string>;

  private constructor(transport: Transport, name: TableName, columns: ReadonlySet<string>) {
    this.#transport = transport;
    this.#name = name;
    this.#table = quoteTable(name);
    this.#columns = columns;
  }

  static async open(transport: Transport, name: TableName): Promise<RowReader> {
    const { rows } = await transport.query(COLUMNS, [name.schema, name.name]);
    return new RowReader(transport, name, new Set(rows.map(([column]) => String(column))));
  }

  /** Whether there is a table. Where there is none, it has no rows. */
  get exists(): boolean {
    return this.#columns.has("oid") && this.#columns.has("data");
  }

  /** Makes what was written visible to queries. */
  async refresh(): Promise<void> {
    if (this.exists) await refreshTable(this.#transport, this.#name);
  }

  /** The rows with these keys. */
  async rows(oids: readonly string[]): Promise<ReadonlyMap<string, StoredRow>> {
    if (!this.exists || oids.length === 0) return new Map();
    const overflow = this.#columns.has("overflow") ? "overflow::text" : "NULL";
    const { rows } = await this.#transport.query(
      `SELECT oid, data::text, ${overflow} FROM ${this.#table} ` +
        `WHERE oid = ANY($1::${this.#transport.dialect.lists[0]})`,
      [oids],
    );
    return new Map(
      rows.map(([oid, data, overflow]) => [
        String(oid),
        { data: String(data ?? "{}"), overflow: overflow === null ? null : String(overflow) },
      ]),
    );
  }

  /** Keys of all rows, in lists of at most `size`. */
  async *keys(size: number): AsyncGenerator<string[]> {
    if (!this.exists) return;
    for await (const rows of scanTable(this.#transport, this.#name, { columns: ["oid"], size })) {
      yield keysOf(rows);
    }
  }

  /** Keys of rows taken at random. */
  async sample(count: number): Promise<string[]> {
    if (!this.exists) return [];
    const { rows } = await this.#transport.query(
      `SELECT oid FROM ${this.#table} ORDER BY random() LIMIT ${count}`,
    );
    return keysOf(rows);
  }

  async count(): Promise<number> {
    if (!this.exists) return 0;
    const { rows: [row] } = await this.#transport.query(`SELECT count(*) FROM ${this.#table}`);
    return Number(row?.[0]);
  }
}

const keysOf = (rows: Result["rows"]): string[] => rows.map(([oid]) => String(oid));

export interface PagesOptions {
  /** SQL expressions, one for each value of a row. */
  readonly columns: readonly string[];
  /** SQL condition for the rows. @default all of them */
  readonly where?: string;
  /** Of the condition. */
  readonly parameters?: readonly Parameter[];
  /** The most rows of a page. */
  readonly size: number;
}

/**
 * Keyset pagination over all rows that queries see: by `oid`, or by `md5(oid)` where CrateDB's two sort orders would make
 * pages skip rows.
 * @example IN: {columns: ["oid"], size: 2} → OUT: [["a"], ["b"]], [["c"]]
 */
export async function* scanTable(
  transport: Transport,
  table: TableName,
  { columns, where = "TRUE", parameters = [], size }: PagesOptions,
): AsyncGenerator<Result["rows"]> {
  const key = await hasTwoOrders(transport, table) ? "md5(oid)" : "oid";
  let last: string | undefined;
  let more = true;
  while (more) {
    const { rows } = await transport.query(
      `SELECT ${[key, ...columns].join(", ")} FROM ${quoteTable(table)} ` +
        `WHERE (${where})${last === undefined ? "" : ` AND ${key} > $${parameters.length + 1}`} ` +
        `ORDER BY ${key} LIMIT ${size}`,
      last === undefined ? parameters : [...parameters, last],
    );
    if (rows.length > 0) yield rows.map((row) => row.slice(1));
    last = String(rows.at(-1)?.[0]);
    more = rows.length === size;
  }
}

async function hasTwoOrders(transport: Transport, table: TableName): Promise<boolean> {
  const { twoOrders } = transport.dialect;
  if (twoOrders === undefined) return false;
  const { rows } = await transport.query(`SELECT 1 FROM ${quoteTable(table)} WHERE oid ~ $1 LIMIT 1`, [
    twoOrders,
  ]);
  return rows.length > 0;
}
