/** The relay's own tables; each schema that relays write to may have them. */
import { quoteTable } from "./names.ts";
import { isUnknownRelation } from "./transient.ts";
import { type Parameter, refreshTable, type Result, type Transport } from "./transport.ts";

const OWN_TABLES = ["cdc_position", "cdc_collection", "cdc_dead_letter"] as const;
type OwnTable = typeof OWN_TABLES[number];

export const isOwnTable = (name: string): boolean => OWN_TABLES.some((own) => own === name);

/** Makes one of them in a schema where there is none. */
export async function createOwnTable(
  transport: Transport,
  { schema, name, columns }: { schema: string; name: OwnTable; columns: string },
): Promise<void> {
  const { prepareSchema, smallTable } = transport.dialect;
  for (const statement of prepareSchema(schema)) await transport.query(statement);
  await transport.query(
    `CREATE TABLE IF NOT EXISTS ${quoteTable({ schema, name })} (${columns}) ${smallTable}`,
  );
}

/** What a query finds in all tables of that name. One that has just been dropped is of no account. */
export async function selectFromAll(
  transport: Transport,
  name: OwnTable,
  statement: (table: string) => string,
  parameters: readonly Parameter[] = [],
): Promise<Result["rows"]> {
  const { rows: schemas } = await transport.query(
    "SELECT table_schema FROM information_schema.tables WHERE table_name = $1",
    [name],
  );
  const read = async (schema: string) => {
    await refreshTable(transport, { schema, name });
    return (await transport.query(statement(quoteTable({ schema, name })), parameters)).rows;
  };
  const found = schemas.map(([schema]) =>
    read(String(schema)).catch((error) => isUnknownRelation(error) ? [] : Promise.reject(error))
  );
  return (await Promise.all(found)).flat();
}
