/** Reads rows of a table that documents were written to. Makes and changes nothing. */
import type { Result } from "../sql/query.ts";
import { refreshTable, type Transport } from "../connection/transport.ts";
import { scanTable } from "./scan_table.ts";
import { quoteTable, type TableName } from "../sql/sql_names.ts";

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
