/** Measures how fast rows are written, in a table that is dropped afterwards. */
import type { SplitDocument } from "../mapping/split_document.ts";
import { queryNumber, type Transport } from "../sink/connection/transport.ts";
import { quoteTable } from "../sink/sql/names.ts";
import { createTable } from "../sink/table/create_table.ts";
import { Writer, type WriterOptions } from "../sink/table/writer.ts";
import { SYSTEM_CLOCK as clock } from "../util/clock.ts";
import { grouped } from "../util/grouped.ts";

export type Measured = Awaited<ReturnType<typeof measure>>;

/** Writes the sample repeatedly, up to the given number of rows. The bytes are null if the user may not read `sys.segments`. */
export async function measure(
  sample: readonly SplitDocument[],
  transport: Transport,
  { schema, definition, rows: count, signal, limits }: WriterOptions & {
    readonly schema: string;
    readonly definition: string;
    readonly rows: number;
    readonly signal: AbortSignal;
  },
) {
  const name = `cdc_plan_${crypto.randomUUID().slice(0, 8)}`;
  const table = { schema, name, hasOverflow: true };
  const rows = Array.from({ length: Math.ceil(count / sample.length) }, () => sample).flat().slice(0, count)
    .map(({ data, overflow }, at) => ({ oid: `${at}`, data, overflow }));
  try {
    await createTable(transport, table, definition);
    const writer = new Writer(transport, table, { limits });
    const started = clock.monotonic();
    let refused = 0;
    for (const part of grouped(rows, { count: limits.statementRows * limits.inFlight })) {
      signal.throwIfAborted();
      refused += (await writer.upsert(part)).length;
    }
    const rowsPerSecond = Math.round(1_000 * count / (clock.monotonic() - started));
    const size = async () => {
      await transport.query(`OPTIMIZE TABLE ${quoteTable(table)}`);
      // CrateDB remembers the sizes in `sys.shards` for 10 s.
      const sql =
        'SELECT sum(size) FROM sys.segments WHERE table_schema = $1 AND table_name = $2 AND "primary"';
      return Math.round(await queryNumber(transport, sql, [schema, name]) / count);
    };
    return { rows: count, rowsPerSecond, bytesPerRow: await size().catch(() => null), refused };
  } finally {
    await transport.query(`DROP TABLE IF EXISTS ${quoteTable(table)}`);
  }
}
