/** Measures how fast rows are written, in a table that is dropped afterwards. */
import type { SplitDocument } from "../mapping/split_document.ts";
import { queryNumber, type Transport } from "../sink/connection/transport.ts";
import { quoteTable } from "../sink/sql/names.ts";
import { createTable } from "../sink/table/create_table.ts";
import { Writer, type WriterOptions } from "../sink/table/writer.ts";
import { grouped } from "../util/grouped.ts";
import { SYSTEM_CLOCK as clock } from "../util/clock.ts";

export interface Measured {
  readonly rows: number;
  readonly rowsPerSecond: number;
  /** Null if the user may not read `sys.shards`. */
  readonly bytesPerRow: number | null;
  readonly refused: number;
}

interface MeasureOptions extends WriterOptions {
  readonly schema: string;
  readonly definition: string;
  /** The sample is repeated up to so many rows. */
  readonly rows: number;
  readonly signal: AbortSignal;
}

export async function measure(
  sample: readonly SplitDocument[],
  transport: Transport,
  options: MeasureOptions,
): Promise<Measured> {
  const { schema, definition, rows: count, limits, signal } = options;
  const table = { schema, name: `cdc_plan_${crypto.randomUUID().slice(0, 8)}`, hasOverflow: true };
  const rows = Array.from({ length: Math.ceil(count / sample.length) }, () => sample).flat().slice(0, count)
    .map(({ data, overflow }, at) => ({ oid: `${at}`, data, overflow }));
  try {
    await createTable(transport, table, definition);
    const writer = new Writer(transport, table, options);
    const started = clock.monotonic();
    let refused = 0;
    for (const part of grouped(rows, { count: limits.statementRows * limits.inFlight })) {
      signal.throwIfAborted();
      refused += (await writer.upsert(part)).length;
    }
    const seconds = (clock.monotonic() - started) / 1_000;
    const bytes = await bytesOf(transport, table).catch(() => null);
    return {
      rows: count,
      rowsPerSecond: Math.round(count / seconds),
      bytesPerRow: bytes && Math.round(bytes / count),
      refused,
    };
  } finally {
    await transport.query(`DROP TABLE IF EXISTS ${quoteTable(table)}`);
  }
}

async function bytesOf(
  transport: Transport,
  { schema, name }: { schema: string; name: string },
): Promise<number> {
  await transport.query(`OPTIMIZE TABLE ${quoteTable({ schema, name })}`);
  const sql = "SELECT sum(size) FROM sys.shards WHERE schema_name = $1 AND table_name = $2 AND primary";
  return await queryNumber(transport, sql, [schema, name]);
}
