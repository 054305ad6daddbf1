/** Requests of `verify` to repair rows, for the relay, which reads them between two batches. */
import { bytesFromHex, bytesToHex, fieldsByName } from "../../bson/bson.ts";
import { idDocument } from "../../key/query_literal.ts";
import type { RowKey } from "../../key/document_key.ts";
import type { Namespace } from "../../util/namespace.ts";
import { queryNumber, refreshTable, type Transport } from "../connection/transport.ts";
import { quoteTable, type TableName } from "../sql/names.ts";
import { createMetadataTable } from "./metadata_tables.ts";

const TABLE = "cdc_repair";

export interface RepairRequest extends RowKey {
  readonly namespace: Namespace;
}

export class RepairRequests {
  readonly #transport: Transport;
  readonly #name: TableName;
  readonly #table: string;
  readonly #stream: string;

  constructor(transport: Transport, { schema, stream }: { schema: string; stream: string }) {
    this.#transport = transport;
    this.#name = { schema, name: TABLE };
    this.#table = quoteTable(this.#name);
    this.#stream = stream;
  }

  static async prepare(transport: Transport, { schema }: { schema: string }): Promise<void> {
    const columns =
      `stream TEXT, "database" TEXT, collection TEXT, oid TEXT, id ${transport.dialect.longText}, ` +
      'requested_at TIMESTAMP WITH TIME ZONE, PRIMARY KEY (stream, "database", collection, oid)';
    await createMetadataTable(transport, { schema, name: TABLE, columns });
  }

  async add({ database, collection }: Namespace, keys: readonly RowKey[]): Promise<void> {
    const [texts] = this.#transport.dialect.lists;
    await this.#transport.query(
      `INSERT INTO ${this.#table} (stream, "database", collection, oid, id, requested_at) ` +
        "(SELECT $1::text, $2::text, $3::text, k.oid, k.id, CURRENT_TIMESTAMP " +
        `FROM UNNEST($4::${texts}, $5::${texts}) AS k (oid, id)) ` +
        'ON CONFLICT (stream, "database", collection, oid) DO UPDATE SET requested_at = excluded.requested_at',
      [
        this.#stream,
        database,
        collection,
        keys.map(({ oid }) => oid),
        keys.map(({ id }) => id ? bytesToHex(idDocument(id)) : ""),
      ],
      { writes: true },
    );
    await refreshTable(this.#transport, this.#name);
  }

  async list(limit: number): Promise<RepairRequest[]> {
    const sql = `SELECT "database", collection, oid, id FROM ${this.#table} WHERE stream = $1 LIMIT ${limit}`;
    const { rows } = await this.#transport.query(sql, [this.#stream]);
    return rows.map(([database, collection, oid, id]) => ({
      namespace: { database: String(database), collection: String(collection) },
      oid: String(oid),
      id: id === "" ? undefined : fieldsByName(bytesFromHex(String(id))).get("_id"),
    }));
  }

  async left({ database, collection }: Namespace, keys: readonly RowKey[]): Promise<number> {
    const values = [this.#stream, database, collection, keys.map(({ oid }) => oid)];
    const sql = `SELECT count(*) FROM ${this.#table} ${this.#whereKeys}`;
    return await queryNumber(this.#transport, sql, values);
  }

  async remove({ database, collection }: Namespace, keys: readonly RowKey[]): Promise<void> {
    await refreshTable(this.#transport, this.#name);
    const values = [this.#stream, database, collection, keys.map(({ oid }) => oid)];
    await this.#transport.query(`DELETE FROM ${this.#table} ${this.#whereKeys}`, values, { writes: true });
    await refreshTable(this.#transport, this.#name);
  }

  get #whereKeys(): string {
    return 'WHERE stream = $1 AND "database" = $2 AND collection = $3 ' +
      `AND oid = ANY($4::${this.#transport.dialect.lists[0]})`;
  }
}
