/** Both sides of the demo: documents in MongoDB, and the rows that a query of the sink returns. */
import type { Collection, Db } from "mongodb";
import { fieldsByName } from "../../lib/bson/bson.ts";
import { keyText } from "../../lib/key/key_text.ts";
import { UserError } from "../../lib/mod.ts";
import { isRetryable, isUnknownRelation } from "../../lib/sink/connection/sink_error.ts";
import type { Transport } from "../../lib/sink/connection/transport.ts";
import { quoteTable, type TableName } from "../../lib/sink/sql/names.ts";
import { eventually } from "../servers/eventually.ts";
import type { DemoDocument } from "./steps.ts";

/** A row, as JSON text. */
export interface SeenRow {
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

const WAIT_MS = 30_000;

export class Sides {
  readonly #db: Db;
  readonly #transport: Transport;
  readonly #signal: AbortSignal;

  constructor(db: Db, transport: Transport, signal: AbortSignal) {
    [this.#db, this.#transport, this.#signal] = [db, transport, signal];
  }

  get sink(): Transport["dialect"]["name"] {
    return this.#transport.dialect.name;
  }

  tableOf(collection: string): TableName {
    return { schema: this.#db.databaseName, name: collection };
  }

  collection(name: string): Collection<DemoDocument> {
    return this.#db.collection(name);
  }

  async document(name: string, _id: DemoDocument["_id"]): Promise<SeenDocument | undefined> {
    const bytes = await this.collection(name).findOne({ _id }, { raw: true }) as Uint8Array | null;
    const id = bytes && fieldsByName(bytes).get("_id");
    return id ? { oid: keyText(id), bytes } : undefined;
  }

  /** A range query: a query by primary key returns a row before other queries see it. */
  async row(name: string, oid: string): Promise<SeenRow | undefined> {
    try {
      const table = quoteTable(this.tableOf(name));
      const sql = `SELECT data::text, overflow::text FROM ${table} WHERE oid >= $1 AND oid <= $1`;
      const { rows: [row] } = await this.#transport.query(sql, [oid]);
      return row && { data: String(row[0]), overflow: row[1] === null ? null : String(row[1]) };
    } catch (error) {
      // The relay is creating or rebuilding the table.
      if (isUnknownRelation(error) || isRetryable(error)) return undefined;
      throw error;
    }
  }

  /**
   * Polls until the condition holds.
   *
   * @throws UserError after 30 s; the signal's reason when it is aborted
   */
  async until(condition: () => Promise<boolean>, what: string): Promise<void> {
    await eventually(async () => {
      if (await condition()) return;
      throw new UserError(`${what} did not appear within ${WAIT_MS / 1_000} s.`, {
        hint: "Run the demo with --log-level info to see the log of the relay.",
      });
    }, { timeout: WAIT_MS, interval: 2, signal: this.#signal });
  }

  /** CrateDB's types of the columns of `data`. */
  async columnTypes(name: string): Promise<ReadonlyMap<string, string>> {
    if (this.sink !== "CrateDB") return new Map();
    const { rows } = await this.#transport.query(COLUMN_TYPES, [this.tableOf(name).schema, name]);
    return new Map(rows.map(([path, type]) => [String(path), typeName(String(type))]));
  }
}

/** @example IN: timestamp with time zone → OUT: TIMESTAMPTZ; IN: bigint_array → OUT: ARRAY(BIGINT) */
const typeName = (type: string): string =>
  type.toUpperCase().replace(" WITH TIME ZONE", "TZ").replace(/^(.+)_ARRAY$/, "ARRAY($1)");
