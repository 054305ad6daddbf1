/** Both sides of the demo: documents in MongoDB, and rows that a query of the sink sees. */
import type { Collection, Db } from "mongodb";
import { fieldsByName } from "../../lib/bson/bson.ts";
import { keyText } from "../../lib/key/key_text.ts";
import { quoteTable, type TableName } from "../../lib/sink/sql/names.ts";
import { isRetryable, isUnknownRelation } from "../../lib/sink/connection/sink_error.ts";
import type { Parameter, Transport } from "../../lib/sink/connection/transport.ts";
import type { DemoDocument } from "./steps.ts";

export interface SidesOptions {
  readonly db: Db;
  readonly transport: Transport;
}

/** A row, as JSON text. */
export interface SeenRow {
  readonly oid: string;
  readonly data: string;
  readonly overflow: string | null;
}

export interface SeenDocument {
  readonly oid: string;
  readonly bytes: Uint8Array;
}

const COLUMN_TYPES = `SELECT column_details['path'][1], data_type FROM information_schema.columns
  WHERE table_schema = $1 AND table_name = $2 AND column_details['name'] = 'data'
    AND array_length(column_details['path'], 1) = 1`;

export class Sides {
  readonly #db: Db;
  readonly #transport: Transport;

  constructor({ db, transport }: SidesOptions) {
    this.#db = db;
    this.#transport = transport;
  }

  get sink(): Transport["dialect"]["name"] {
    return this.#transport.dialect.name;
  }

  /** The table of a collection, as the relay is told to name it. */
  tableOf(collection: string): TableName {
    return { schema: this.#db.databaseName, name: collection };
  }

  collection(name: string): Collection<DemoDocument> {
    return this.#db.collection(name);
  }

  async documents(name: string, filter: Partial<Pick<DemoDocument, "_id">> = {}): Promise<SeenDocument[]> {
    const found = await this.collection(name).find(filter, { raw: true }).toArray();
    return found.flatMap((raw) => {
      const bytes = raw as unknown as Uint8Array;
      const id = fieldsByName(bytes).get("_id");
      return id ? [{ oid: keyText(id), bytes }] : [];
    });
  }

  rows(name: string): Promise<SeenRow[]> {
    return this.#rows(name, "");
  }

  /** Asks for a range: by its key alone, CrateDB shows a row before other queries see it. */
  async row(name: string, oid: string): Promise<SeenRow | undefined> {
    return (await this.#rows(name, "WHERE oid >= $1 AND oid <= $1", [oid]))[0];
  }

  /** CrateDB's types of the columns below `data`. */
  async columnTypes(name: string): Promise<ReadonlyMap<string, string>> {
    if (this.sink !== "CrateDB") return new Map();
    const { rows } = await this.#transport.query(COLUMN_TYPES, [this.tableOf(name).schema, name]);
    return new Map(rows.map(([path, type]) => [String(path), typeName(String(type))]));
  }

  async #rows(name: string, condition: string, parameters: readonly Parameter[] = []): Promise<SeenRow[]> {
    try {
      const { rows } = await this.#transport.query(
        `SELECT oid, data::text, overflow::text FROM ${quoteTable(this.tableOf(name))} ${condition}`,
        parameters,
      );
      return rows.map(([oid, data, overflow]) => ({
        oid: String(oid),
        data: String(data),
        overflow: overflow === null ? null : String(overflow),
      }));
    } catch (error) {
      // The table is being made, or rebuilt.
      if (isUnknownRelation(error) || isRetryable(error)) return [];
      throw error;
    }
  }
}

/** @example IN: timestamp with time zone → OUT: TIMESTAMPTZ; IN: bigint_array → OUT: ARRAY(BIGINT) */
const typeName = (type: string): string =>
  type.toUpperCase().replace(" WITH TIME ZONE", "TZ").replace(/^(.+)_ARRAY$/, "ARRAY($1)");
