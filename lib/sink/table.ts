/** The table that documents land in. */
import { UserError } from "../errors.ts";
import { quoteTable, type TableName } from "./names.ts";
import type { Transport } from "./transport.ts";

export interface TargetTable extends TableName {
  /** Whether values that `data` doesn't take have a place to go. */
  readonly hasOverflow: boolean;
}

const COLUMNS = `SELECT column_name, data_type FROM information_schema.columns
  WHERE table_schema = $1 AND table_name = $2 AND column_name IN ('oid', 'data', 'overflow')`;
const PRIMARY_KEY = `SELECT column_name FROM information_schema.key_column_usage
  WHERE table_schema = $1 AND table_name = $2`;

/**
 * Makes the table where there is none, and uses the one that is there when it fits.
 *
 * @throws UserError for a table that doesn't fit; it is left as it is
 */
export async function openTable(
  transport: Transport,
  table: TableName,
): Promise<TargetTable> {
  await transport.query(
    `CREATE TABLE IF NOT EXISTS ${quoteTable(table)} ` +
      `(oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC), overflow OBJECT(IGNORED))`,
  );
  const { rows } = await transport.query(COLUMNS, [table.schema, table.name]);
  const types = new Map(rows.map(([name, type]) => [name, type]));
  const key = (await transport.query(PRIMARY_KEY, [table.schema, table.name])).rows.flat();
  const faults = [
    key.length === 1 && key[0] === "oid" ? "" : "`oid` is not its primary key",
    types.get("data") === "object" ? "" : "it has no `data` column of type OBJECT",
    types.get("oid") === "text" ? "" : "it has no `oid` column of type TEXT",
  ].filter((fault) => fault !== "");
  if (faults.length > 0) {
    throw new UserError(`Table ${quoteTable(table)} cannot be used: ${faults.join(", ")}.`, {
      hint:
        "Without a key the same change written twice would be two rows. Name another table with --table, or " +
        `move this one out of the way:\n  ALTER TABLE ${quoteTable(table)} RENAME TO "${table.name}-old"`,
    });
  }
  return Object.freeze({ ...table, hasOverflow: types.get("overflow") === "object" });
}
