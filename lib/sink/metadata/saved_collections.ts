/** The table `cdc_collection`: the state of each collection, and the table that has rows of it. */
import { isStreamOf, partsOfStream } from "../../key/stream_name.ts";
import { grouped } from "../../util/grouped.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import type { Rows, Transport, Values } from "../connection/transport.ts";
import { isSameTable, quoteTable, type TableName } from "../sql/names.ts";
import { selectFromEverySchema } from "./metadata_tables.ts";
import { type StreamName, StreamRows } from "./stream_rows.ts";

const TABLE = "cdc_collection";
const KEY = 'stream, "database", collection';
const MAX_COLLECTIONS = 1_000_000;
/** Collections of one statement. */
const PAGE = 1_000;

export interface SavedCollection extends Namespace {
  /** The table that has or had rows of it; undefined for none. */
  readonly table: TableName | undefined;
  readonly state: string;
  readonly reason: string | undefined;
  /** Documents that its last snapshot had read when the state was saved. */
  readonly documents: number;
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

/** The columns that change with the state, after the key, and their values as text. */
const VALUES: Readonly<Record<string, (record: CollectionRecord) => string>> = {
  database: ({ namespace }) => namespace.database,
  collection: ({ namespace }) => namespace.collection,
  state: ({ state }) => state.name,
  reason: ({ state }) => state.reason ?? "",
  hint: ({ state }) => state.hint ?? "",
  rows: ({ rows }) => String(rows),
  documents: ({ documents }) => String(documents),
  since: ({ since }) => String(since),
};

export class SavedCollections extends StreamRows {
  /** The rows of the stream, by namespace. Read once, because no other relay writes them; later states are not kept. */
  #own: Promise<Map<string, SavedCollection>> | undefined;

  constructor(transport: Transport, stream: StreamName) {
    super(transport, stream, TABLE);
  }

  /** Records that a table has rows of a collection. Call it before the first row is written. */
  async setTable({ database, collection }: Namespace, { schema, name }: TableName): Promise<void> {
    await this.run(
      `INSERT INTO ${this.table} (${KEY}, table_schema, table_name, state) ` +
        `VALUES ($1, $2, $3, $4, $5, 'waiting') ON CONFLICT (${KEY}) DO UPDATE ` +
        "SET table_schema = excluded.table_schema, table_name = excluded.table_name",
      [database, collection, schema, name],
    );
    const saved = {
      database,
      collection,
      table: { schema, name },
      state: "waiting",
      reason: undefined,
      documents: 0,
    };
    (await this.#own)?.set(namespaceText(saved), saved);
  }

  /** Saves states. The tables of the collections stay as they are. */
  async save(records: readonly CollectionRecord[]): Promise<void> {
    const { lists: [texts], timestamp } = this.transport.dialect;
    const columns = Object.keys(VALUES).map((name) => `"${name}"`);
    const lists = columns.map((_, at) => `$${at + 2}::${texts}`).join(", ");
    const updates = columns.slice(2).map((name) => `${name} = excluded.${name}`).join(", ");
    const sql = `INSERT INTO ${this.table} (stream, ${columns.join(", ")}) (SELECT $1::text, ` +
      "l.\"database\", l.collection, l.state, nullif(l.reason, ''), nullif(l.hint, ''), " +
      `l."rows"::bigint, l.documents::bigint, ${timestamp("l.since::bigint")} ` +
      `FROM UNNEST(${lists}) AS l (${columns.join(", ")})) ON CONFLICT (${KEY}) DO UPDATE SET ${updates}`;
    for (const page of grouped(records, { count: PAGE })) {
      await this.run(sql, Object.values(VALUES).map((valueOf) => page.map(valueOf)));
    }
  }

  /** Whether a table has or had rows of the collection. */
  async has(namespace: Namespace): Promise<boolean> {
    return await this.tableOf(namespace) !== undefined;
  }

  /** The table that has or had rows of the collection; undefined for none. */
  async tableOf(namespace: Namespace): Promise<TableName | undefined> {
    return (await this.#rows()).get(namespaceText(namespace))?.table;
  }

  async remove({ database, collection }: Namespace): Promise<void> {
    await this.delete('AND "database" = $2 AND collection = $3', [database, collection]);
    (await this.#own)?.delete(namespaceText({ database, collection }));
  }

  async list(): Promise<SavedCollection[]> {
    return [...(await this.#rows()).values()];
  }

  #rows = (): Promise<Map<string, SavedCollection>> => this.#own ??= this.#read();

  async #read(): Promise<Map<string, SavedCollection>> {
    await this.refresh();
    const order = `ORDER BY "database", collection LIMIT ${MAX_COLLECTIONS}`;
    const rows = await this.select(
      '"database", collection, table_schema, table_name, state, reason, documents',
      order,
    );
    return new Map(rows.map(([database, collection, schema, name, state, reason, documents]) => {
      const namespace = { database: String(database), collection: String(collection) };
      return [namespaceText(namespace), {
        ...namespace,
        table: name === null ? undefined : { schema: String(schema), name: String(name) },
        state: String(state),
        reason: reason === null ? undefined : String(reason),
        documents: Number(documents ?? 0),
      }];
    }));
  }

  /** The streams of this schema that write the collection to the table. */
  async streamsOf(namespace: Namespace, table: TableName): Promise<string[]> {
    const rows = await this.#selectAll(
      `SELECT stream FROM ${this.table} WHERE "database" = $1 AND collection = $2 ` +
        "AND table_schema = $3 AND table_name = $4 ORDER BY stream",
      valuesOf(namespace, table),
    );
    return rows.map(([stream]) => String(stream));
  }

  /** The other collections of this stream, or of another worker of it, that have or had rows in the table. */
  async othersIn(namespace: Namespace, table: TableName): Promise<Namespace[]> {
    if (partsOfStream(this.stream).part === undefined) {
      const name = namespaceText(namespace);
      return (await this.list()).filter((each) =>
        each.table && isSameTable(each.table, table) && namespaceText(each) !== name
      );
    }
    const sql = `SELECT ${KEY} FROM ${this.table} WHERE ${OTHERS_IN_TABLE}`;
    const rows = await this.#selectAll(sql, valuesOf(namespace, table));
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
    const positions = quoteTable({ schema: this.name.schema, name: "cdc_position" });
    const rows = await this.#selectAll(
      `SELECT o.stream, count(*) FROM ${this.table} m JOIN ${this.table} o ` +
        'ON o."database" = m."database" AND o.collection = m.collection ' +
        "AND o.table_schema = m.table_schema AND o.table_name = m.table_name " +
        `JOIN ${positions} p ON p.stream = o.stream ` +
        "WHERE m.stream = $1 AND o.stream <> $1 AND p.lease_until > CURRENT_TIMESTAMP GROUP BY o.stream",
      [this.stream],
    );
    return rows.map(([stream, count]) => ({ stream: String(stream), collections: Number(count) }))
      .filter(({ stream }) => !this.#isSame(stream));
  }

  /** Whether this stream, or another worker of it, has or had rows of the collection in the table. */
  async isShared(namespace: Namespace, table: TableName): Promise<boolean> {
    return (await this.streamsOf(namespace, table)).some((each) => this.#isSame(each));
  }

  /** Another stream that has rows of another collection in the table, in any schema; undefined for none. */
  async sharer(namespace: Namespace, table: TableName): Promise<string | undefined> {
    const statement = (name: string) => `SELECT DISTINCT stream FROM ${name} WHERE ${OTHERS_IN_TABLE}`;
    const rows = await selectFromEverySchema(this.transport, TABLE, statement, valuesOf(namespace, table));
    return rows.map(([stream]) => String(stream)).find((each) => !this.#isSame(each));
  }

  /** Queries the rows of all streams of this schema. */
  async #selectAll(sql: string, parameters: Values): Promise<Rows> {
    await this.refresh();
    return (await this.transport.query(sql, parameters)).rows;
  }

  /** Workers of one stream are not other streams: each removes its own rows. */
  #isSame(stream: string): boolean {
    return isStreamOf(stream, partsOfStream(this.stream).whole);
  }
}

const OTHERS_IN_TABLE = 'NOT ("database" = $1 AND collection = $2) AND table_schema = $3 AND table_name = $4';

const valuesOf = (of: Namespace, { schema, name }: TableName) => [of.database, of.collection, schema, name];
