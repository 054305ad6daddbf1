/** The table `cdc_collection`: the state of each collection, and the table that has rows of it. */
import { isStreamOf, partsOfStream } from "../../key/stream_name.ts";
import type { Namespace } from "../../util/namespace.ts";
import { refreshTable, type Transport } from "../connection/transport.ts";
import { quoteTable, type TableName } from "../sql/names.ts";
import { checkColumns, createMetadataTable, selectFromEverySchema } from "./metadata_tables.ts";

const TABLE = "cdc_collection";
const MAX_COLLECTIONS = 1_000_000;
/** Collections of one statement. */
const PAGE = 1_000;

export interface SavedCollectionsOptions {
  /** The schema of `cdc_collection`. */
  readonly schema: string;
  readonly stream: string;
}

/** A collection as it was found. */
export interface SavedCollection extends Namespace {
  /** Whether a table has or had rows of it. */
  readonly hasTable: boolean;
  readonly state: string;
  readonly reason: string | undefined;
}

/** A collection as it is saved when its state changes. */
export interface CollectionRecord {
  readonly namespace: Namespace;
  readonly state: { readonly name: string; readonly reason?: string; readonly hint?: string };
  /** When it got into this state, in milliseconds since 1970. */
  readonly since: number;
  /** Rows that were written or deleted since the start of the relay. */
  readonly rows: number;
  /** Documents that the last snapshot has read. */
  readonly documents: number;
}

const KEY = 'stream, "database", collection';

export class SavedCollections {
  readonly #transport: Transport;
  readonly #stream: string;
  readonly #table: TableName;

  constructor(transport: Transport, { schema, stream }: SavedCollectionsOptions) {
    this.#transport = transport;
    this.#stream = stream;
    this.#table = { schema, name: TABLE };
  }

  /**
   * Creates the table if it is missing. All streams of a schema share it.
   *
   * @throws UserError for a table of another version
   */
  static async prepare(transport: Transport, { schema }: { schema: string }): Promise<void> {
    const columns = 'stream TEXT, "database" TEXT, collection TEXT, table_schema TEXT, table_name TEXT, ' +
      '"state" TEXT, reason TEXT, hint TEXT, "rows" BIGINT, documents BIGINT, "since" TIMESTAMP WITH TIME ZONE, ' +
      `PRIMARY KEY (${KEY})`;
    await createMetadataTable(transport, { schema, name: TABLE, columns });
    await checkColumns(transport, { schema, name: TABLE }, ["state", "since"]);
  }

  /** Records that a table has rows of a collection. Call it before the first row is written. */
  async setTable({ database, collection }: Namespace, { schema, name }: TableName): Promise<void> {
    await this.#transport.query(
      `INSERT INTO ${quoteTable(this.#table)} (${KEY}, table_schema, table_name, state) ` +
        `VALUES ($1, $2, $3, $4, $5, 'waiting') ON CONFLICT (${KEY}) DO UPDATE ` +
        "SET table_schema = excluded.table_schema, table_name = excluded.table_name",
      [this.#stream, database, collection, schema, name],
    );
  }

  /** Saves states. The tables of the collections stay as they are. */
  async save(records: readonly CollectionRecord[]): Promise<void> {
    const { lists: [texts], timestamp } = this.#transport.dialect;
    const columns = ["database", "collection", "state", "reason", "hint", "rows", "documents", "since"];
    const lists = columns.map((_, at) => `$${at + 2}::${texts}`).join(", ");
    const names = columns.map((name) => `"${name}"`).join(", ");
    const updates = columns.slice(2).map((name) => `"${name}" = excluded."${name}"`).join(", ");
    for (let at = 0; at < records.length; at += PAGE) {
      const page = records.slice(at, at + PAGE);
      await this.#transport.query(
        `INSERT INTO ${quoteTable(this.#table)} (stream, ${names}) (SELECT $1::text, ` +
          "l.\"database\", l.collection, l.state, nullif(l.reason, ''), nullif(l.hint, ''), " +
          `l."rows"::bigint, l.documents::bigint, ${timestamp("l.since::bigint")} ` +
          `FROM UNNEST(${lists}) AS l (${names})) ON CONFLICT (${KEY}) DO UPDATE SET ${updates}`,
        [
          this.#stream,
          page.map(({ namespace }) => namespace.database),
          page.map(({ namespace }) => namespace.collection),
          page.map(({ state }) => state.name),
          page.map(({ state }) => state.reason ?? ""),
          page.map(({ state }) => state.hint ?? ""),
          page.map(({ rows }) => String(rows)),
          page.map(({ documents }) => String(documents)),
          page.map(({ since }) => String(since)),
        ],
      );
    }
  }

  /** Whether a table has or had rows of the collection. */
  async has({ database, collection }: Namespace): Promise<boolean> {
    const { rows } = await this.#transport.query(
      `SELECT 1 FROM ${quoteTable(this.#table)} WHERE stream = $1 AND "database" = $2 AND collection = $3 ` +
        "AND table_name IS NOT NULL",
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

  /** The collections of the stream, sorted by name. */
  async list(): Promise<SavedCollection[]> {
    await refreshTable(this.#transport, this.#table);
    const { rows } = await this.#transport.query(
      `SELECT "database", collection, table_name, state, reason FROM ${quoteTable(this.#table)} ` +
        `WHERE stream = $1 ORDER BY "database", collection LIMIT ${MAX_COLLECTIONS}`,
      [this.#stream],
    );
    return rows.map(([database, collection, table, state, reason]) => ({
      database: String(database),
      collection: String(collection),
      hasTable: table !== null,
      state: String(state),
      reason: reason === null ? undefined : String(reason),
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

  /** The other collections of this stream, or of another worker of it, that have or had rows in the table. */
  async othersIn(
    { database, collection }: Namespace,
    { schema, name }: TableName,
  ): Promise<Namespace[]> {
    await refreshTable(this.#transport, this.#table);
    const { rows } = await this.#transport.query(
      `SELECT ${KEY} FROM ${quoteTable(this.#table)} ` +
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

  /** Whether this stream, or another worker of it, has or had rows of the collection in the table. */
  async isShared(namespace: Namespace, table: TableName): Promise<boolean> {
    return (await this.streamsOf(namespace, table)).some((each) => this.#isSame(each));
  }

  /** Another stream that has rows of another collection in the table, in any schema; undefined for none. */
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

  /** Workers of one stream are not other streams: each removes its own rows. */
  #isSame(stream: string): boolean {
    return isStreamOf(stream, partsOfStream(this.#stream).whole);
  }
}
