/** The last verification result of each collection, in `cdc_verify`. */
import { refreshTable, type Transport } from "../connection/transport.ts";
import { quoteName, quoteTable } from "../sql/names.ts";

const TEXTS = ["stream", "collection", "mode", "outcome", "differences"] as const;
const TIMES = ["started_at", "finished_at", "cluster_time"] as const;
const COUNTS = [
  ...["documents", "rows", "missing", "extra", "different"] as const,
  ...["overflowed", "dead_letters", "changing", "repaired"] as const,
];

/** The columns, the key first, and their types. */
export const VERIFY_COLUMNS: Readonly<Record<keyof VerifyRow, string>> = Object.fromEntries([
  ...TEXTS.map((name) => [name, "TEXT"]),
  ...TIMES.map((name) => [name, "TIMESTAMP WITH TIME ZONE"]),
  ...COUNTS.map((name) => [name, "BIGINT"]),
]);

/** `differences` is JSON of the first keys that differ; `cluster_time` is MongoDB's time of the comparison, in ISO 8601. */
export type VerifyRow =
  & Readonly<Record<typeof TEXTS[number], string>>
  & Readonly<Record<typeof TIMES[number], string | null>>
  & Readonly<Record<typeof COUNTS[number], number>>;

export async function saveVerifyResult(transport: Transport, schema: string, row: VerifyRow): Promise<void> {
  const names = Object.keys(VERIFY_COLUMNS).map(quoteName);
  const parameters = Object.values(VERIFY_COLUMNS).map((type, at) => `$${at + 1}::${type}`);
  const updates = names.slice(2).map((name) => `${name} = excluded.${name}`);
  const table = { schema, name: "cdc_verify" };
  const values: Readonly<Record<string, string | number | null>> = row;
  await transport.query(
    `INSERT INTO ${quoteTable(table)} (${names.join(", ")}) VALUES (${parameters.join(", ")}) ` +
      `ON CONFLICT (stream, collection) DO UPDATE SET ${updates.join(", ")}`,
    Object.keys(VERIFY_COLUMNS).map((name) => values[name] === null ? null : `${values[name]}`),
  );
  await refreshTable(transport, table);
}
