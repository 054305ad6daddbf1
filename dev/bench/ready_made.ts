/** What CrateDB takes when nothing is left to do but to write. */
import { BSON } from "mongodb";
import { inferDocumentColumns } from "../../lib/mapping/column_tree.ts";
import { splitDocument } from "../../lib/mapping/split_document.ts";
import { memoryShares } from "../../lib/config/relay_settings.ts";
import { quoteTable } from "../../lib/sink/sql/names.ts";
import { TableSchema } from "../../lib/sink/columns/table_schema.ts";
import { openTable } from "../../lib/sink/table/target_table.ts";
import { type Row, Writer } from "../../lib/sink/table/writer.ts";
import { QUIET } from "../../lib/util/log.ts";
import { Semaphore } from "../../lib/util/concurrency.ts";
import type { Bed } from "./bed.ts";
import { makeDocument, type Shape } from "./documents.ts";
import type { ReadyMade } from "./lines.ts";
import type { TransportName } from "./options.ts";
import { type Sample, sample } from "./sample.ts";

/** As the relay's defaults. */
const MAX_MEMORY_BYTES = 256 * 2 ** 20;
const { statementBytes, inFlightBytes } = memoryShares(MAX_MEMORY_BYTES);
const WRITER = {
  statementRows: 2_500,
  statementBytes,
  inFlight: 4,
  inFlightBudget: new Semaphore(inFlightBytes),
} as const;

/** Writes rows that are split already: as new keys, the same keys again, and deletes them. */
export async function readyMade(
  bed: Bed,
  { shape, count, transport: name }: {
    readonly shape: Shape;
    readonly count: number;
    readonly transport: TransportName;
  },
): Promise<Readonly<Record<ReadyMade, Sample>>> {
  const transport = bed.transports[name];
  const table = await openTable(transport, { table: bed.place().table, columns: "typed" });
  const schema = new TableSchema(transport, { table, log: QUIET, inferred: false });
  await schema.load();
  const rows = (first: number): Row[] =>
    Array.from({ length: count }, (_, at) => {
      const { _id, ...fields } = makeDocument(shape, at + 1);
      const bytes = BSON.serialize({ _id, ...fields, seq: first + at });
      return { oid: _id.toHexString(), ...splitDocument(bytes, schema.columns) };
    });
  const columns = inferDocumentColumns(BSON.serialize(makeDocument(shape, 1)));
  if (columns) await schema.add(columns);
  const writer = new Writer(transport, table, WRITER);
  const take = (write: () => Promise<unknown>) =>
    sample(async () => {
      await write();
      await writer.refresh();
      return count;
    }, { pid: Deno.pid, cpu: bed.cpu });
  const [first, second] = [rows(1), rows(count + 1)];
  const oids = first.map(({ oid }) => oid);
  const samples = {
    "new keys": await take(() => writer.upsert(first)),
    again: await take(() => writer.upsert(second)),
    deletes: await take(() => writer.delete(oids)),
  };
  await transport.query(`DROP TABLE ${quoteTable(table)}`);
  return samples;
}
