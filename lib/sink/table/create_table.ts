/** Creates missing tables and schemas, and decides how many shards a table gets by default. */
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

const LARGE_BYTES = 5e9;

/** Whether documents of this many bytes make a small table: more than one shard for each node only costs work. */
export const isSmall = (bytes: number | undefined): boolean => bytes !== undefined && bytes < LARGE_BYTES;

/** One for each node if the table is small; undefined for CrateDB's own number. */
export async function shardsFor(
  transport: Transport,
  bytesOf: () => number | undefined | Promise<number | undefined>,
): Promise<number | undefined> {
  if (transport.dialect.isJsonb || !isSmall(await bytesOf())) return undefined;
  const nodes = queryNumber(transport, "SELECT count(*) FROM sys.nodes");
  // The user may not read it.
  return await nodes.catch(unlessKind("privilege", "unknown relation", "unknown schema")) || undefined;
}
