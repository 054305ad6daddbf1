/** Documents that no row could hold, kept whole: inspect them, mend the cause, touch the document to replay it. */
import { quoteTable } from "./names.ts";
import type { Transport } from "./transport.ts";

export interface DeadLetter {
  readonly oid: string;
  /** Canonical Extended JSON. */
  readonly document: string;
  readonly error: string;
}

/**
 * One row a document that is not in the table. While it is there the table has no row of that key, so that no
 * query sees a state that is no longer true; it goes as soon as a later change of the document lands.
 */
export class DeadLetters {
  readonly #transport: Transport;
  readonly #table: string;
  readonly #stream: string;
  readonly #oids: Set<string>;

  private constructor(transport: Transport, options: { table: string; stream: string; oids: Set<string> }) {
    this.#transport = transport;
    this.#table = options.table;
    this.#stream = options.stream;
    this.#oids = options.oids;
  }

  static async open(transport: Transport, options: { schema: string; stream: string }): Promise<DeadLetters> {
    const { schema, stream } = options;
    const table = quoteTable({ schema, name: "cdc_dead_letter" });
    await transport.query(
      `CREATE TABLE IF NOT EXISTS ${table} (stream TEXT, oid TEXT, ` +
        "document TEXT INDEX OFF STORAGE WITH (columnstore = false), " +
        "error TEXT INDEX OFF STORAGE WITH (columnstore = false), time TIMESTAMP WITH TIME ZONE, " +
        "PRIMARY KEY (stream, oid)) CLUSTERED INTO 1 SHARDS",
    );
    await transport.query(`REFRESH TABLE ${table}`);
    const { rows } = await transport.query(`SELECT oid FROM ${table} WHERE stream = $1 LIMIT 1000000`, [
      stream,
    ]);
    return new DeadLetters(transport, { table, stream, oids: new Set(rows.map(([oid]) => String(oid))) });
  }

  get count(): number {
    return this.#oids.size;
  }

  async add(letters: readonly DeadLetter[]): Promise<void> {
    for (const { oid, document, error } of letters) {
      await this.#transport.query(
        `INSERT INTO ${this.#table} (stream, oid, document, error, time) ` +
          "VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP) ON CONFLICT (stream, oid) DO UPDATE SET " +
          "document = excluded.document, error = excluded.error, time = excluded.time",
        [this.#stream, oid, document, error],
      );
      this.#oids.add(oid);
    }
    if (letters.length > 0) await this.#transport.query(`REFRESH TABLE ${this.#table}`);
  }

  /** Removes the letters of documents that have landed or are gone. */
  async settle(oids: Iterable<string>): Promise<void> {
    if (this.#oids.size === 0) return;
    for (const oid of oids) {
      if (!this.#oids.has(oid)) continue;
      await this.#transport.query(`DELETE FROM ${this.#table} WHERE stream = $1 AND oid = $2`, [
        this.#stream,
        oid,
      ]);
      this.#oids.delete(oid);
    }
  }
}
