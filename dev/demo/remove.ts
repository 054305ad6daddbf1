/** Removes a database, or a schema with its tables, from a server that keeps running. */
import { openTransport } from "../../lib/sink/connection/open_transport.ts";
import { parseSinkUrl } from "../../lib/sink/connection/url.ts";
import { quoteName, quoteTable } from "../../lib/sink/sql/names.ts";
import { connectMongodb } from "../../lib/source/connection/mongodb.ts";

export async function removeDatabase(url: string, database: string): Promise<void> {
  await using client = await connectMongodb(url);
  await client.db(database).dropDatabase();
}

export async function removeSchema(url: string, schema: string): Promise<void> {
  await using transport = await openTransport(parseSinkUrl(url));
  if (transport.dialect.name === "PostgreSQL") {
    await transport.query(`DROP SCHEMA IF EXISTS ${quoteName(schema)} CASCADE`);
    return;
  }
  const { rows } = await transport.query(
    "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = $1",
    [schema],
  );
  for (const [name, type] of rows) {
    const table = quoteTable({ schema, name: String(name) });
    if (type !== "VIEW") {
      // A relay that was killed may have left a table closed.
      await transport.query(
        `ALTER TABLE ${table} SET ("blocks.write" = false, "blocks.read_only_allow_delete" = false)`,
      );
    }
    await transport.query(`DROP ${type === "VIEW" ? "VIEW" : "TABLE"} ${table}`);
  }
}
