/** The last verification result of each collection, in `cdc_verify`. */
import { refreshTable, type Transport } from "../connection/transport.ts";
import { quoteTable } from "../sql/names.ts";
import { createMetadataTable } from "./metadata_tables.ts";

const TABLE = "cdc_verify";

const TEXTS = ["stream", "collection", "mode", "outcome", "differences"] as const;
const TIMES = ["started_at", "finished_at", "cluster_time"] as const;
const COUNTS = [
  ...["documents", "rows", "missing", "extra", "different"] as const,
  ...["overflowed", "dead_letters", "changing", "repaired"] as const,
];

/** `differences` is JSON of the first keys that differ; `cluster_time` is MongoDB's time of the comparison, in ISO 8601. */
export type VerifyRow =
  & Readonly<Record<typeof TEXTS[number], string>>
  & Readonly<Record<typeof TIMES[number], string | null>>
  & Readonly<Record<typeof COUNTS[number], number>>;

export async function prepareVerifyResults(transport: Transport, schema: string): Promise<void> {
  const columns = [
    ...TEXTS.map((name) => `${name} ${name === "differences" ? transport.dialect.longText : "TEXT"}`),
    ...TIMES.map((name) => `${name} TIMESTAMP WITH TIME ZONE`),
    ...COUNTS.map((name) => `"${name}" BIGINT`),
    "PRIMARY KEY (stream, collection)",
  ].join(", ");
  await createMetadataTable(transport, { schema, name: TABLE, columns });
}

export async function saveVerifyResult(transport: Transport, schema: string, row: VerifyRow): Promise<void> {
  const columns = [
    ...TEXTS.map((name) => [name, "text"] as const),
    ...TIMES.map((name) => [name, "timestamp with time zone"] as const),
    ...COUNTS.map((name) => [name, "bigint"] as const),
  ];
  const names = columns.map(([name]) => `"${name}"`);
  const values = columns.map(([, type], at) => `$${at + 1}::${type}`);
  const updates = names.slice(2).map((name) => `${name} = excluded.${name}`);
  const table = { schema, name: TABLE };
  await transport.query(
    `INSERT INTO ${quoteTable(table)} (${names.join(", ")}) VALUES (${values.join(", ")}) ` +
      `ON CONFLICT (stream, collection) DO UPDATE SET ${updates.join(", ")}`,
    columns.map(([name]) => row[name] === null ? null : String(row[name])),
  );
  await refreshTable(transport, table);
}
