/** What the last verification of each collection has found, kept beside the data. */
import { refreshTable, type Transport } from "../connection/transport.ts";
import { quoteTable } from "../sql/names.ts";
import { createMetadataTable } from "./metadata_tables.ts";

const TABLE = "cdc_verify";

const TEXTS = ["stream", "collection", "mode", "outcome", "differences"] as const;
const TIMES = ["started_at", "finished_at", "cluster_time"] as const;
const COUNTS = [
  "documents",
  "rows",
  "missing",
  "extra",
  "different",
  "overflowed",
  "dead_letters",
  "changing",
  "repaired",
] as const;

/**
 * The columns: `differences` is JSON of the first keys that differ, `cluster_time` MongoDB's time up to which it holds. Times
 * are in ISO 8601.
 */
export type VerifyRow =
  & Readonly<Record<typeof TEXTS[number], string>>
  & Readonly<Record<typeof TIMES[number], string | null>>
  & Readonly<Record<typeof COUNTS[number], number>>;

/** Makes the table if it is missing. All streams of a schema share it. */
export async function prepareVerifyResults(transport: Transport, schema: string): Promise<void> {
  const columns = [
    ...TEXTS.map((name) => `${name} ${name === "differences" ? transport.dialect.longText : "TEXT"}`),
    ...TIMES.map((name) => `${name} TIMESTAMP WITH TIME ZONE`),
    ...COUNTS.map((name) => `"${name}" BIGINT`),
    "PRIMARY KEY (stream, collection)",
  ].join(", ");
  await createMetadataTable(transport, { schema, name: TABLE, columns });
}

/** Replaces what was found before. */
export async function saveVerifyResult(transport: Transport, schema: string, row: VerifyRow): Promise<void> {
  const names = [...TEXTS, ...TIMES, ...COUNTS].map((name) => `"${name}"`);
  const types = [
    ...TEXTS.map(() => "text"),
    ...TIMES.map(() => "timestamp with time zone"),
    ...COUNTS.map(() => "bigint"),
  ];
  const values = types.map((type, at) => `$${at + 1}::${type}`);
  const updates = names.slice(2).map((name) => `${name} = excluded.${name}`);
  await transport.query(
    `INSERT INTO ${quoteTable({ schema, name: TABLE })} (${names.join(", ")}) VALUES (${
      values.join(", ")
    }) ` +
      `ON CONFLICT (stream, collection) DO UPDATE SET ${updates.join(", ")}`,
    [
      ...TEXTS.map((name) => row[name]),
      ...TIMES.map((name) => row[name]),
      ...COUNTS.map((name) => String(row[name])),
    ],
  );
  await refreshTable(transport, { schema, name: TABLE });
}
