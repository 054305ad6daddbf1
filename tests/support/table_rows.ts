/** What is in a table, as plain objects. */
import assert from "node:assert/strict";
import { eventually } from "../../dev/servers/eventually.ts";
import type { CratedbContext } from "./cratedb_harness.ts";

/** What is in the table: `data` with `overflow`, less nulls, by `oid`. */
export async function rows({ sql, schema, table }: CratedbContext): Promise<Record<string, unknown>> {
  await sql(`REFRESH TABLE "${schema}"."${table}"`);
  const found = await sql(`SELECT oid, data, overflow FROM "${schema}"."${table}" ORDER BY oid`);
  return Object.fromEntries(
    found.map(({ oid, data, overflow }) => [oid, withoutNulls({ ...data as object, ...overflow as object })]),
  );
}

const withoutNulls = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).filter(([, each]) => each !== null).map((
      [name, each],
    ) => [name, withoutNulls(each)]),
  );
};

/** Resolves when the table has these rows. */
export const seen = (context: CratedbContext, expected: unknown) =>
  eventually(async () => assert.deepEqual(await rows(context), expected), { interval: 50 });
