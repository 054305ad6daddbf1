/** Requests of `verify` to repair rows, for the relay, which reads them between two batches. */
import { bytesFromHex, bytesToHex, fieldsByName } from "../../bson/bson.ts";
import { idDocument } from "../../key/query_literal.ts";
import type { RowKey } from "../../key/document_key.ts";
import type { Namespace } from "../../util/namespace.ts";
import type { Transport } from "../connection/transport.ts";
import { type StreamName, StreamRows } from "./stream_rows.ts";

const WRITES = { writes: true };

export interface RepairRequest extends RowKey {
  readonly namespace: Namespace;
}

export class RepairRequests extends StreamRows {
  /** The condition for keys of a collection. */
  readonly #areKeys: string;

  constructor(transport: Transport, stream: StreamName) {
    super(transport, stream, "cdc_repair");
    const [texts] = transport.dialect.lists;
    this.#areKeys = `AND "database" = $2 AND collection = $3 AND oid = ANY($4::${texts})`;
  }

  async add({ database, collection }: Namespace, keys: readonly RowKey[]): Promise<void> {
    const [texts] = this.transport.dialect.lists;
    const oids = keys.map(({ oid }) => oid);
    const ids = keys.map(({ id }) => id ? bytesToHex(idDocument(id)) : "");
    await this.run(
      `INSERT INTO ${this.table} (stream, "database", collection, oid, id, requested_at) ` +
        "(SELECT $1::text, $2::text, $3::text, k.oid, k.id, CURRENT_TIMESTAMP " +
        `FROM UNNEST($4::${texts}, $5::${texts}) AS k (oid, id)) ` +
        'ON CONFLICT (stream, "database", collection, oid) DO UPDATE SET requested_at = excluded.requested_at',
      [database, collection, oids, ids],
      WRITES,
    );
    await this.refresh();
  }

  async list(limit: number): Promise<RepairRequest[]> {
    const rows = await this.select('"database", collection, oid, id', `LIMIT ${limit}`);
    return rows.map(([database, collection, oid, id]) => ({
      namespace: { database: String(database), collection: String(collection) },
      oid: String(oid),
      id: id === "" ? undefined : fieldsByName(bytesFromHex(String(id))).get("_id"),
    }));
  }

  async left(namespace: Namespace, keys: readonly RowKey[]): Promise<number> {
    const [row] = await this.select("count(*)", this.#areKeys, valuesOf(namespace, keys));
    return Number(row?.[0]);
  }

  async remove(namespace: Namespace, keys: readonly RowKey[]): Promise<void> {
    await this.refresh();
    await this.delete(this.#areKeys, valuesOf(namespace, keys), WRITES);
    await this.refresh();
  }
}

const valuesOf = ({ database, collection }: Namespace, keys: readonly RowKey[]) => [
  database,
  collection,
  keys.map(({ oid }) => oid),
];
