import assert from "node:assert/strict";
import type { CratedbContext } from "./cratedb_harness.ts";

/** Adds rows beside those of the collection, which a widening has to copy. */
export async function fill({ sql, table }: CratedbContext, rows: number): Promise<void> {
  await sql(
    `INSERT INTO "${table}" (oid, data, overflow) (SELECT 'filled ' || n, {"t" = n}, NULL FROM generate_series(1, ${rows}) AS g (n))`,
  );
  await sql(`REFRESH TABLE "${table}"`);
}

/** Throws unless these rows are unchanged, and removes them. */
export async function assertFilled({ sql, table }: CratedbContext, rows: number): Promise<void> {
  await sql(`REFRESH TABLE "${table}"`);
  const [seen] = await sql(
    `SELECT count(*) AS n, avg(data['t']) AS t, count(overflow) AS o FROM "${table}" WHERE oid LIKE 'filled %'`,
  );
  assert.deepEqual(seen, { n: rows, t: (rows + 1) / 2, o: 0 });
  await sql(`DELETE FROM "${table}" WHERE oid LIKE 'filled %'`);
}
