/** Tables where there are none. */
import { isSinkError } from "../connection/sink_error.ts";
import { quoteName, quoteTable, type TableName } from "./sql_names.ts";
import type { Transport } from "../connection/transport.ts";

/**
 * Makes a table, and its schema, unless they are there.
 *
 * @param definition what follows the table's name, e.g. `(oid TEXT PRIMARY KEY)`
 */
export async function createTable(
  transport: Transport,
  table: TableName,
  definition: string,
): Promise<void> {
  const { schemas } = transport.dialect;
  // IF NOT EXISTS asks for the right to make schemas also where there is one.
  if (schemas !== undefined && (await transport.query(schemas, [table.schema])).rows.length === 0) {
    await create(transport, `CREATE SCHEMA IF NOT EXISTS ${quoteName(table.schema)}`);
  }
  await create(transport, `CREATE TABLE IF NOT EXISTS ${quoteTable(table)} ${definition}`);
}

async function create(transport: Transport, statement: string): Promise<void> {
  try {
    await transport.query(statement);
  } catch (error) {
    // In PostgreSQL, of two that make the same at the same moment, one fails; by then it is there.
    if (!isSinkError(error, "exists")) throw error;
  }
}
