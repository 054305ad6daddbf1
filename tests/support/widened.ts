/** What a widening leaves, as a user sees it. */
import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { normalizeJson } from "../../lib/mapping/normalize.ts";
import { inStep } from "./compare.ts";
import type { CratedbContext } from "./cratedb_harness.ts";

/** Doubles would change it. */
export const BEYOND = BSON.Long.fromString("9007199254740993");

export const collection = ({ mongodb, database }: CratedbContext) =>
  mongodb.db(database).collection<Document>("data");

/** The rows as JSON texts; resolves when the collection is in the table. */
export async function texts(
  context: CratedbContext,
): Promise<(readonly [oid: unknown, data: string, overflow: string])[]> {
  await inStep(context);
  const rows = await context.sql(
    `SELECT oid, data::text AS data, overflow::text AS overflow FROM "${context.table}" ORDER BY oid`,
  );
  return rows.map(({ oid, data, overflow }) =>
    [oid, normalizeJson(String(data)), normalizeJson(String(overflow))] as const
  );
}

type Tables = Pick<CratedbContext, "sql" | "schema">;

/**
 * The types of the columns below `data`.
 *
 * @example
 * OUT: {"t": "double precision", "o": "object", "o/x": "bigint_array"}
 */
export async function columnTypes(
  { sql, schema, table }: Tables & { readonly table: string },
): Promise<Readonly<Record<string, unknown>>> {
  const columns = await sql(
    "SELECT column_details['path'] AS path, data_type AS type FROM information_schema.columns " +
      "WHERE table_schema = ? AND table_name = ? AND column_details['name'] = 'data' ORDER BY ordinal_position",
    [schema, table],
  );
  return Object.fromEntries(
    columns.flatMap(({ path, type }) =>
      Array.isArray(path) && path.length > 0 ? [[path.join("/"), type]] : []
    ),
  );
}

/** Tables of the schema that are copies, or closed to writing. */
export const leftovers = ({ sql, schema }: Tables) =>
  sql(
    "SELECT table_name FROM information_schema.tables WHERE table_schema = ? " +
      "AND (table_name LIKE '%~%' OR settings['blocks']['write'] OR settings['blocks']['read_only_allow_delete']) " +
      "ORDER BY 1",
    [schema],
  );

/** Throws while a table is rebuilt, and if a rebuild has left anything. */
export async function assertNoLeftovers(tables: Tables): Promise<void> {
  assert.deepEqual(await leftovers(tables), []);
  const [locks] = await tables.sql(
    "SELECT 1 AS one FROM information_schema.tables WHERE table_schema = ? AND table_name = 'cdc_lock'",
    [tables.schema],
  );
  if (!locks) return;
  await tables.sql("REFRESH TABLE cdc_lock");
  assert.deepEqual(await tables.sql("SELECT table_name FROM cdc_lock WHERE work_table IS NOT NULL"), []);
}
