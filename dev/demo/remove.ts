/** Removes what the demo leaves on servers that were there before it. */
import { connectMongodb } from "../../lib/source/connection/mongodb.ts";
import { quoteName, quoteTable } from "../../lib/sink/sql/names.ts";
import { openTransport } from "../../lib/sink/connection/open_transport.ts";
import { parseSinkUrl } from "../../lib/sink/connection/url.ts";

export async function removeDatabase(url: string, database: string): Promise<void> {
  const client = await connectMongodb(url);
  try {
    await client.db(database).dropDatabase();
  } finally {
    await client.close();
  }
}

/** Removes a schema with its tables and views. */
export async function removeSchema(url: string, schema: string): Promise<void> {
  await using transport = await openTransport(parseSinkUrl(url));
  if (transport.dialect.name === "PostgreSQL") {
    await transport.query(`DROP SCHEMA IF EXISTS ${quoteName(schema)} CASCADE`);
    return;
  }
  const { rows } = await transport.query(TABLES, [schema]);
  for (const [name, type] of rows) {
    const table = quoteTable({ schema, name: String(name) });
    if (type === "VIEW") {
      await transport.query(`DROP VIEW ${table}`);
      continue;
    }
    await transport.query(`ALTER TABLE ${table} ${OPEN}`);
    await transport.query(`DROP TABLE ${table}`);
  }
}

const TABLES = "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = $1";
/** A relay that was killed may have left a table closed. */
const OPEN = 'SET ("blocks.write" = false, "blocks.read_only_allow_delete" = false)';
