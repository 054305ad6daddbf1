/** Documents that no row could hold, kept whole. To replay them, fix the cause and start the relay again. */
import { type Namespace, namespaceText } from "../../namespace.ts";
import { isSinkError } from "../connection/sink_error.ts";
import { quoteTable, type TableName } from "../table/sql_names.ts";
import { createMetadataTable } from "./metadata_tables.ts";
import { refreshTable, type Transport } from "../connection/transport.ts";

const TABLE = "cdc_dead_letter";

/** An error may quote a document. */
const MAX_ERROR_CHARACTERS = 2_000;
/** Keys that are read at a start. */
const MAX_DEAD_LETTERS = 1_000_000;
const WITHOUT =
  " The letter is without its document, which is too large as well: raise http.max_content_length in " +
  "crate.yml or use the PostgreSQL wire (CRATEDB_URL), and start the relay with --snapshot always.";

export interface DeadLetter {
  readonly oid: string;
  /** Canonical Extended JSON; null where it is not to be had. */
  readonly document: string | null;
  readonly error: string;
}

/** A dead letter that can be tried again. */
export type WholeLetter = Pick<DeadLetter, "oid"> & { readonly document: string };

/**
 * What the dead letters of a table are kept under. The view `cdc_status` makes the same of `cdc_collection`.
 *
 * @example
 * IN: shop.orders, {schema: "doc", name: "t"} → OUT: shop.orders -> doc.t
 */
export const deadLetterStream = (namespace: Namespace, { schema, name }: TableName): string =>
  `${namespaceText(namespace)} -> ${schema}.${name}`;

/**
 * One row per document that is not in the table. While it is there, the table has no row with that key, so no query sees a
 * state that is no longer true. It is removed when a later version of the document is written.
 */
export class DeadLetters {
  readonly #transport: Transport;
  readonly #name: TableName;
  readonly #table: string;
  readonly #stream: string;
  readonly #oids: Set<string>;

  private constructor(
    transport: Transport,
    options: { table: TableName; stream: string; oids: Set<string> },
  ) {
    this.#transport = transport;
    this.#name = options.table;
    this.#table = quoteTable(options.table);
    this.#stream = options.stream;
    this.#oids = options.oids;
  }

  /** Makes the table if it is missing. All streams of a schema share it. */
  static async prepare(transport: Transport, { schema }: { schema: string }): Promise<void> {
    const { longText } = transport.dialect;
    const columns = `stream TEXT, oid TEXT, document ${longText}, error ${longText}, ` +
      "time TIMESTAMP WITH TIME ZONE, PRIMARY KEY (stream, oid)";
    await createMetadataTable(transport, { schema, name: TABLE, columns });
    await refreshTable(transport, { schema, name: TABLE });
  }

  static async open(transport: Transport, options: { schema: string; stream: string }): Promise<DeadLetters> {
    const { schema, stream } = options;
    const table = { schema, name: TABLE };
    const { rows } = await transport.query(
      `SELECT oid FROM ${quoteTable(table)} WHERE stream = $1 LIMIT ${MAX_DEAD_LETTERS}`,
      [
        stream,
      ],
    );
    return new DeadLetters(transport, { table, stream, oids: new Set(rows.map(([oid]) => String(oid))) });
  }

  /** Which of these keys have dead letters. */
  static async among(
    transport: Transport,
    { schema, stream }: { schema: string; stream: string },
    oids: readonly string[],
  ): Promise<ReadonlySet<string>> {
    if (oids.length === 0) return new Set();
    const { rows } = await transport.query(
      `SELECT oid FROM ${quoteTable({ schema, name: TABLE })} ` +
        `WHERE stream = $1 AND oid = ANY($2::${transport.dialect.lists[0]})`,
      [stream, oids],
    );
    return new Set(rows.map(([oid]) => String(oid)));
  }

  get oids(): string[] {
    return [...this.#oids];
  }

  get count(): number {
    return this.#oids.size;
  }

  /** Dead letters that have their documents, in lists of at most `size`. */
  async *read(size: number): AsyncGenerator<WholeLetter[]> {
    const oids = [...this.#oids];
    for (let at = 0; at < oids.length; at += size) {
      const { rows } = await this.#transport.query(
        `SELECT oid, document FROM ${this.#table} WHERE stream = $1 AND oid = ANY($2::${
          this.#transport.dialect.lists[0]
        })`,
        [this.#stream, oids.slice(at, at + size)],
      );
      yield rows.flatMap(([oid, document]) =>
        document === null ? [] : [{ oid: String(oid), document: String(document) }]
      );
    }
  }

  async add(letters: readonly DeadLetter[]): Promise<void> {
    for (const { oid, document, error } of letters) {
      const reason = error.slice(0, MAX_ERROR_CHARACTERS);
      try {
        await this.#write(oid, document, reason);
      } catch (cause) {
        if (!isSinkError(cause, "too large")) throw cause;
        await this.#write(oid, null, `${reason}${WITHOUT}`);
      }
      this.#oids.add(oid);
    }
    if (letters.length > 0) await refreshTable(this.#transport, this.#name);
  }

  async #write(oid: string, document: string | null, error: string): Promise<void> {
    await this.#transport.query(
      `INSERT INTO ${this.#table} (stream, oid, document, error, time) ` +
        "VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP) ON CONFLICT (stream, oid) DO UPDATE SET " +
        "document = excluded.document, error = excluded.error, time = excluded.time",
      [this.#stream, oid, document, error],
      { writes: true },
    );
  }

  /** Removes all dead letters, also those that another relay has left. */
  async clear(): Promise<void> {
    await this.#transport.query(`DELETE FROM ${this.#table} WHERE stream = $1`, [this.#stream], {
      writes: true,
    });
    this.#oids.clear();
    await refreshTable(this.#transport, this.#name);
  }

  /** Removes the dead letters of documents that were written or are gone. */
  async resolve(oids: readonly string[]): Promise<void> {
    const resolved = oids.filter((oid) => this.#oids.has(oid));
    for (const oid of resolved) {
      await this.#transport.query(`DELETE FROM ${this.#table} WHERE stream = $1 AND oid = $2`, [
        this.#stream,
        oid,
      ], { writes: true });
      this.#oids.delete(oid);
    }
    if (resolved.length > 0) await refreshTable(this.#transport, this.#name);
  }
}
