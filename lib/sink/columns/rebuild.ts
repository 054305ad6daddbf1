/**
 * Rebuilds a table under another definition: fills a work table while nobody writes, remaps rows, and swaps the two.
 * Until the swap, which is atomic, the table is as it was.
 */
import type { Clock } from "../../util/clock.ts";
import type { Logger } from "../../util/log.ts";
import { tableExists } from "../table/create_table.ts";
import { quoteName, quoteTable, type TableName } from "../sql/names.ts";
import { scanTable } from "../table/row_reader.ts";
import type { Transport } from "../connection/transport.ts";
import type { Row, Writer } from "../table/writer.ts";
import { copyRows, countRows } from "./copy_rows.ts";

export interface Rebuild {
  readonly table: TableName;
  /** The name that the new table has until the swap, and the old one after it. */
  readonly workTable: TableName;
  /** The `CREATE TABLE` statement of the new table. */
  readonly create: string;
  readonly writer: Writer;
  /** SQL condition for the rows that may have to change. */
  readonly rowsToRemap: string;
  /** Undefined for a row that stays as it is. */
  readonly remap: (row: Row) => Omit<Row, "oid"> | undefined;
  /** Called just before the swap, when the table takes neither rows nor columns. Throws to give up. */
  readonly confirm: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Somebody wrote to the table after it was closed to writing. The new table may lack those rows. */
export class LateWriteError extends Error {
  override readonly name = "LateWriteError";
}

/** The new table does not have all rows of the old one. */
export class IncompleteRebuildError extends Error {
  override readonly name = "IncompleteRebuildError";
}

const CLOSED = '("blocks.write" = true)';
const SWAPPABLE = '("blocks.write" = false, "blocks.read_only_allow_delete" = true)';
const OPEN = '("blocks.write" = false, "blocks.read_only_allow_delete" = false)';

/** Rows that are read at once. */
const PAGE_ROWS = 2_000;
/** How often, and how far apart, to look whether operations under way have ended. */
const MAX_LOOKS = 100;
const LOOK_INTERVAL_MS = 50;

/** @throws SinkError, LateWriteError, IncompleteRebuildError; then {@linkcode discard} restores everything */
export async function rebuild(transport: Transport, parts: Rebuild): Promise<void> {
  const { table, workTable, create, confirm, clock, log } = parts;
  const source = quoteTable(table);
  const target = quoteTable(workTable);
  await transport.query(`ALTER TABLE ${source} SET ${CLOSED}`);
  const written = await lastWrites(transport, { table, clock });
  await transport.query(create);
  await grant(transport, { table, workTable });
  const columns = await ownColumns(transport, table);
  await copyRows(transport, { from: table, to: workTable, columns, log, clock });
  await remapRows(transport, parts);
  const before = await countRows(transport, table);
  const after = await countRows(transport, workTable);
  if (before !== after) {
    throw new IncompleteRebuildError(`the new table has ${after} rows, the old one ${before}`);
  }
  // CrateDB 6 refuses to swap a table with `blocks.write`. The disk monitor may remove this other block.
  await transport.query(`ALTER TABLE ${source} SET ${SWAPPABLE}`);
  if (await lastWrites(transport, { table, clock }) !== written) {
    throw new LateWriteError("The table was written to");
  }
  await confirm();
  await transport.query(`ALTER CLUSTER SWAP TABLE ${target} TO ${source}`);
}

/** Opens the table to writing again and drops the work table, or what the swap made of it. May be repeated. */
export async function discard(
  transport: Transport,
  { table, workTable }: Pick<Rebuild, "table" | "workTable">,
): Promise<void> {
  const open = (name: TableName) => transport.query(`ALTER TABLE ${quoteTable(name)} SET ${OPEN}`);
  // First, because a backup of CrateDB may keep the other table from being dropped.
  await open(table);
  if (!await tableExists(transport, workTable)) return;
  await open(workTable);
  await transport.query(`DROP TABLE IF EXISTS ${quoteTable(workTable)}`);
}

const LAST_WRITES = `SELECT id, seq_no_stats['max_seq_no'], seq_no_stats['local_checkpoint'] FROM sys.shards
  WHERE schema_name = $1 AND table_name = $2 AND "primary" ORDER BY id`;

/** The last operation of each shard, once every operation before it is done. */
async function lastWrites(
  transport: Transport,
  { table, clock }: Pick<Rebuild, "table" | "clock">,
): Promise<string> {
  for (let tries = 0; tries < MAX_LOOKS; tries++) {
    const { rows } = await transport.query(LAST_WRITES, [table.schema, table.name]);
    if (rows.every(([, last, done]) => last !== null && last === done)) return JSON.stringify(rows);
    await clock.wait(LOOK_INTERVAL_MS);
  }
  throw new LateWriteError("A shard of the table has operations that do not end");
}

/** Top-level columns that are not generated. */
async function ownColumns(transport: Transport, { schema, name }: TableName): Promise<string[]> {
  const { rows } = await transport.query(
    "SELECT column_name FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2 " +
      "AND is_generated = 'NEVER' AND column_details['path'] = [] ORDER BY ordinal_position",
    [schema, name],
  );
  return rows.map(([column]) => String(column));
}

/** Copies the grants: they belong to the name, and are swapped with it. */
async function grant(
  transport: Transport,
  { table, workTable }: Pick<Rebuild, "table" | "workTable">,
): Promise<void> {
  const { rows } = await transport.query(
    "SELECT grantee, type, state FROM sys.privileges WHERE class = 'TABLE' AND ident = $1",
    [`${table.schema}.${table.name}`],
  );
  for (const [grantee, type, state] of rows) {
    await transport.query(
      `${state} ${type} ON TABLE ${quoteTable(workTable)} TO ${quoteName(String(grantee))}`,
    );
  }
}

async function remapRows(
  transport: Transport,
  { table, writer, rowsToRemap, remap }: Rebuild,
): Promise<void> {
  const columns = ["oid", "data::text", "overflow::text"];
  for await (const rows of scanTable(transport, table, { columns, where: rowsToRemap, size: PAGE_ROWS })) {
    const changed = rows.flatMap(([oid, data, overflow]): Row[] => {
      const row = { oid: String(oid), data: String(data), overflow: overflow as string | null };
      const remapped = remap(row);
      return remapped ? [{ oid: row.oid, ...remapped }] : [];
    });
    const [refused] = await writer.upsert(changed);
    if (refused) throw new IncompleteRebuildError(`row ${refused.oid} cannot be moved: ${refused.error}`);
  }
}
