/** Records which collection of which stream has rows in which table, because the rows do not tell. */
import { quoteTable, type TableName } from "../sql/names.ts";
import { isStreamOf, partsOfStream } from "../../key/worker.ts";
import { createMetadataTable, selectFromEverySchema } from "./metadata_tables.ts";
import type { Namespace } from "../../util/namespace.ts";
import { refreshTable, type Transport } from "../connection/transport.ts";

const TABLE = "cdc_collection";
const MAX_COLLECTIONS = 1_000_000;

export interface FollowedCollectionsOptions {
  /** The schema of `cdc_collection`. */
  readonly schema: string;
  readonly stream: string;
}

export class FollowedCollections {
  readonly #transport: Transport;
  readonly #stream: string;
  readonly #table: TableName;

  constructor(transport: Transport, { schema, stream }: FollowedCollectionsOptions) {
    this.#transport = transport;
    this.#stream = stream;
    this.#table = { schema, name: TABLE };
  }

  /** Makes the table if it is missing. All streams of a schema share it. */
  static async prepare(transport: Transport, { schema }: { schema: string }): Promise<void> {
    const columns = 'stream TEXT, "database" TEXT, collection TEXT, table_schema TEXT, table_name TEXT, ' +
      'PRIMARY KEY (stream, "database", collection)';
    await createMetadataTable(transport, { schema, name: TABLE, columns });
  }

  async add({ database, collection }: Namespace, { schema, name }: TableName): Promise<void> {
    await this.#transport.query(
      `INSERT INTO ${quoteTable(this.#table)} (stream, "database", collection, table_schema, table_name) ` +
        'VALUES ($1, $2, $3, $4, $5) ON CONFLICT (stream, "database", collection) DO NOTHING',
      [this.#stream, database, collection, schema, name],
    );
  }

  async has({ database, collection }: Namespace): Promise<boolean> {
    const { rows } = await this.#transport.query(
      `SELECT 1 FROM ${quoteTable(this.#table)} WHERE stream = $1 AND "database" = $2 AND collection = $3`,
      [this.#stream, database, collection],
    );
    return rows.length > 0;
  }

  async remove({ database, collection }: Namespace): Promise<void> {
    await this.#transport.query(
      `DELETE FROM ${quoteTable(this.#table)} WHERE stream = $1 AND "database" = $2 AND collection = $3`,
      [this.#stream, database, collection],
    );
  }

  /** The stream's collections that have or had rows, in the order of their names. */
  async list(): Promise<Namespace[]> {
    await refreshTable(this.#transport, this.#table);
    const { rows } = await this.#transport.query(
      `SELECT "database", collection FROM ${quoteTable(this.#table)} WHERE stream = $1 ` +
        'ORDER BY "database", collection LIMIT ' + MAX_COLLECTIONS,
      [this.#stream],
    );
    return rows.map(([database, collection]) => ({
      database: String(database),
      collection: String(collection),
    }));
  }

  /** The streams of this schema that write the collection to the table. */
  async streamsOf({ database, collection }: Namespace, { schema, name }: TableName): Promise<string[]> {
    await refreshTable(this.#transport, this.#table);
    const { rows } = await this.#transport.query(
      `SELECT stream FROM ${quoteTable(this.#table)} WHERE "database" = $1 AND collection = $2 ` +
        "AND table_schema = $3 AND table_name = $4 ORDER BY stream",
      [database, collection, schema, name],
    );
    return rows.map(([stream]) => String(stream));
  }

  /** The other collections that this stream, or another part of the same one, has or had rows of in the table. */
  async othersIn(
    { database, collection }: Namespace,
    { schema, name }: TableName,
  ): Promise<Namespace[]> {
    await refreshTable(this.#transport, this.#table);
    const { rows } = await this.#transport.query(
      `SELECT stream, "database", collection FROM ${quoteTable(this.#table)} ` +
        'WHERE table_schema = $1 AND table_name = $2 AND NOT ("database" = $3 AND collection = $4)',
      [schema, name, database, collection],
    );
    return rows.filter(([stream]) => this.#isSame(String(stream))).map(([, database, collection]) => ({
      database: String(database),
      collection: String(collection),
    }));
  }

  /**
   * The streams of this schema that relays follow now and that write collections of this stream to the same tables, with
   * the number of these collections.
   */
  async overlaps(): Promise<{ readonly stream: string; readonly collections: number }[]> {
    await refreshTable(this.#transport, this.#table);
    const positions = quoteTable({ schema: this.#table.schema, name: "cdc_position" });
    const { rows } = await this.#transport.query(
      `SELECT o.stream, count(*) FROM ${quoteTable(this.#table)} m JOIN ${quoteTable(this.#table)} o ` +
        'ON o."database" = m."database" AND o.collection = m.collection ' +
        "AND o.table_schema = m.table_schema AND o.table_name = m.table_name " +
        `JOIN ${positions} p ON p.stream = o.stream ` +
        "WHERE m.stream = $1 AND o.stream <> $1 AND p.lease_until > CURRENT_TIMESTAMP GROUP BY o.stream",
      [this.#stream],
    );
    return rows.map(([stream, count]) => ({ stream: String(stream), collections: Number(count) }))
      .filter(({ stream }) => !this.#isSame(stream));
  }

  /** Whether this stream, or another part of the same one, has or had rows of the collection in the table. */
  async isShared(namespace: Namespace, table: TableName): Promise<boolean> {
    return (await this.streamsOf(namespace, table)).some((each) => this.#isSame(each));
  }

  /**
   * Another stream that has rows of another collection in the table; undefined if there is none. Parts of the same stream
   * are no others: each removes its own rows.
   */
  async sharer(
    { database, collection }: Namespace,
    { schema, name }: TableName,
  ): Promise<string | undefined> {
    const rows = await selectFromEverySchema(
      this.#transport,
      TABLE,
      (table) =>
        `SELECT DISTINCT stream FROM ${table} WHERE table_schema = $1 AND table_name = $2 ` +
        'AND NOT ("database" = $3 AND collection = $4)',
      [schema, name, database, collection],
    );
    return rows.map(([stream]) => String(stream)).find((each) => !this.#isSame(each));
  }

  #isSame(stream: string): boolean {
    return isStreamOf(stream, partsOfStream(this.#stream).whole);
  }
}
