/** What the last verification of each collection has found, kept beside the data. */
import type { Transport } from "../connection/transport.ts";
import { refreshTable } from "../connection/transport.ts";
import { quoteTable } from "../table/sql_names.ts";
import { createMetadataTable } from "./metadata_tables.ts";

const TABLE = "cdc_verify";

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

export interface VerifyRow extends Readonly<Record<typeof COUNTS[number], number>> {
  readonly stream: string;
  readonly collection: string;
  readonly mode: string;
  readonly outcome: string;
  /** Milliseconds since 1970. */
  readonly started_at: number;
  readonly finished_at: number;
  /** MongoDB's time up to which it holds; null where that is not known. */
  readonly cluster_time: number | null;
  /** JSON of the first keys that differ. */
  readonly differences: string;
}

const TEXTS = ["stream", "collection", "mode", "outcome", "differences"] as const;
const TIMES = ["started_at", "finished_at", "cluster_time"] as const;

/** Makes the table if it is missing. All streams of a schema share it. */
export async function prepareVerifyResults(transport: Transport, schema: string): Promise<void> {
  const columns = [
    "stream TEXT",
    "collection TEXT",
    "mode TEXT",
    "outcome TEXT",
    `differences ${transport.dialect.longText}`,
    ...TIMES.map((name) => `${name} TIMESTAMP WITH TIME ZONE`),
    ...COUNTS.map((name) => `${name} BIGINT`),
    "PRIMARY KEY (stream, collection)",
  ].join(", ");
  await createMetadataTable(transport, { schema, name: TABLE, columns });
}

/** Replaces what was found before. */
export async function saveVerifyResult(transport: Transport, schema: string, row: VerifyRow): Promise<void> {
  const { timestamp } = transport.dialect;
  const names = [...TEXTS, ...TIMES, ...COUNTS];
  const values = names.map((name, at) => {
    const parameter = `$${at + 1}`;
    if (TEXTS.some((each) => each === name)) return parameter;
    const number = `${parameter}::bigint`;
    return TIMES.some((each) => each === name) ? timestamp(number) : number;
  });
  const updates = names.slice(2).map((name) => `${name} = excluded.${name}`);
  await transport.query(
    `INSERT INTO ${quoteTable({ schema, name: TABLE })} (${names.join(", ")}) VALUES (${
      values.join(", ")
    }) ` +
      `ON CONFLICT (stream, collection) DO UPDATE SET ${updates.join(", ")}`,
    names.map((name) => {
      const value = row[name];
      return typeof value === "number" ? String(value) : value;
    }),
  );
  await refreshTable(transport, { schema, name: TABLE });
}
