/** Creates missing tables and schemas. How many shards a new table gets if its settings name no number. */
import { unlessKind } from "../connection/sink_error.ts";
import { queryNumber, type Transport } from "../connection/transport.ts";
import { quoteName, quoteTable, type TableName } from "../sql/names.ts";

/** Creates a table and its schema, unless they exist. The definition is e.g. `(oid TEXT PRIMARY KEY)`. */
export async function createTable(transport: Transport, table: TableName, definition: string): Promise<void> {
  const { schemas } = transport.dialect;
  // IF NOT EXISTS requires the privilege to create schemas even if the schema exists.
  if (schemas !== undefined && (await transport.query(schemas, [table.schema])).rows.length === 0) {
    await create(transport, `CREATE SCHEMA IF NOT EXISTS ${quoteName(table.schema)}`);
  }
  await create(transport, `CREATE TABLE IF NOT EXISTS ${quoteTable(table)} ${definition}`);
}

async function create(transport: Transport, statement: string): Promise<void> {
  // If two processes create the same at the same moment, PostgreSQL refuses one of them. It exists by then.
  await transport.query(statement).catch(unlessKind("exists"));
}

export async function tableExists(transport: Transport, { schema, name }: TableName): Promise<boolean> {
  const sql = "SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = $1 AND tablename = $2";
  return (await transport.query(sql, [schema, name])).rows.length > 0;
}

/** Documents of up to so many bytes are a small table: further shards only cost work. */
const SMALL_BYTES = 5e9;

/** One for each node if the documents have fewer bytes than a large table; undefined for CrateDB's own number. */
export const shardsOfSize = (bytes: number | undefined, nodes: number): number | undefined =>
  bytes !== undefined && bytes < SMALL_BYTES ? nodes : undefined;

/** {@linkcode shardsOfSize}, by the nodes of the server. The number of bytes is undefined if it is unknown. */
export async function shardsFor(
  transport: Transport,
  bytesOf: () => number | undefined | Promise<number | undefined>,
): Promise<number | undefined> {
  if (transport.dialect.isJsonb) return undefined;
  const bytes = await bytesOf();
  if (shardsOfSize(bytes, 1) === undefined) return undefined;
  const nodes = queryNumber(transport, "SELECT count(*) FROM sys.nodes");
  // The user may not read it.
  return await nodes.catch(unlessKind("privilege", "unknown relation", "unknown schema")) || undefined;
}
