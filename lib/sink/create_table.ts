/** Tables where there are none. */
import { SinkError } from "../errors.ts";
import { quoteTable, type TableName } from "./names.ts";
import type { Transport } from "./transport.ts";

/** SQLSTATEs of what is there already: a schema, a table, its type, and what PostgreSQL notes of each. */
const THERE = new Set(["42P06", "42P07", "42710", "23505"]);

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
  const statements = [
    ...transport.dialect.prepareSchema(table.schema),
    `CREATE TABLE IF NOT EXISTS ${quoteTable(table)} ${definition}`,
  ];
  for (const statement of statements) {
    try {
      await transport.query(statement);
    } catch (error) {
      // In PostgreSQL, of two that make the same at the same moment, one fails; by then it is there.
      if (!(error instanceof SinkError && THERE.has(error.code ?? ""))) throw error;
    }
  }
}
