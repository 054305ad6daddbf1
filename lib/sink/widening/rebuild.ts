/**
 * A table built anew under another definition: copied while nobody writes to it, remapped, and swapped in. Until the
 * swap, which is atomic, the table is as it was.
 */
import { setTimeout as delay } from "node:timers/promises";
import { SinkError } from "../connection/sink_error.ts";
import { quoteName, quoteTable, type TableName } from "../table/sql_names.ts";
import { scanTable } from "../table/scan_table.ts";
import type { Transport } from "../connection/transport.ts";
import type { Row, Writer } from "../table/writer.ts";

export interface Rebuild {
  readonly table: TableName;
  /** The name that the new table has until the swap, and the old one after it. */
  readonly copy: TableName;
  /** The `CREATE TABLE` statement of the new table. */
  readonly create: string;
  readonly writer: Writer;
  /** SQL condition for the rows that may have to change. */
  readonly suspects: string;
  /** Undefined for a row that stays as it is. */
  readonly remap: (row: Row) => Omit<Row, "oid"> | undefined;
  /** Called last before the swap, when the table takes neither rows nor columns; throws to give up. */
  readonly confirm: () => Promise<void>;
}

/** Somebody wrote to the table after it was closed to writing; the copy may lack that. */
export class LateWriteError extends Error {
  override readonly name = "LateWriteError";
}

const CLOSED = '("blocks.write" = true)';
const SWAPPABLE = '("blocks.write" = false, "blocks.read_only_allow_delete" = true)';
const OPEN = '("blocks.write" = false, "blocks.read_only_allow_delete" = false)';

const PAGE = 2_000;
const TRIES = 100;

/** @throws SinkError, LateWriteError; then {@linkcode discard} makes everything as it was */
export async function rebuild(transport: Transport, parts: Rebuild): Promise<void> {
  const { table, copy, create, confirm } = parts;
  const [source, target] = [quoteTable(table), quoteTable(copy)];
  await transport.query(`ALTER TABLE ${source} SET ${CLOSED}`);
  const written = await lastWrites(transport, table);
  await transport.query(`REFRESH TABLE ${source}`);
  await transport.query(create);
  await grant(transport, { table, copy });
  const columns = (await ownColumns(transport, table)).map(quoteName).join(", ");
  await transport.query(`INSERT INTO ${target} (${columns}) (SELECT ${columns} FROM ${source})`);
  await remapRows(transport, parts);
  await transport.query(`REFRESH TABLE ${target}`);
  const [before, after] = [await countOf(transport, table), await countOf(transport, copy)];
  if (before !== after) throw new SinkError(`the copy has ${after} rows, the table ${before}`);
  // CrateDB 6 swaps no table with `blocks.write`; of the other blocks, the disk monitor may take this one away.
  await transport.query(`ALTER TABLE ${source} SET ${SWAPPABLE}`);
  if (await lastWrites(transport, table) !== written) throw new LateWriteError("The table was written to");
  await confirm();
  await transport.query(`ALTER CLUSTER SWAP TABLE ${target} TO ${source}`);
}

/** Opens the table to writing again and removes the copy, or what the swap made of it. Bears repetition. */
export async function discard(
  transport: Transport,
  { table, copy }: Pick<Rebuild, "table" | "copy">,
): Promise<void> {
  const open = (name: TableName) => transport.query(`ALTER TABLE ${quoteTable(name)} SET ${OPEN}`);
  const { rows } = await transport.query(
    "SELECT 1 FROM information_schema.tables WHERE table_schema = $1 AND table_name = $2",
    [copy.schema, copy.name],
  );
  if (rows.length > 0) {
    await open(copy);
    await transport.query(`DROP TABLE IF EXISTS ${quoteTable(copy)}`);
  }
  await open(table);
}

const LAST_WRITES = `SELECT id, seq_no_stats['max_seq_no'], seq_no_stats['local_checkpoint'] FROM sys.shards
  WHERE schema_name = $1 AND table_name = $2 AND "primary" ORDER BY id`;

/** The last operation of each shard, once every operation before it is done. */
async function lastWrites(transport: Transport, { schema, name }: TableName): Promise<string> {
  for (let tries = 0; tries < TRIES; tries++) {
    const { rows } = await transport.query(LAST_WRITES, [schema, name]);
    if (rows.every(([, last, done]) => last !== null && last === done)) return JSON.stringify(rows);
    await delay(50);
  }
  throw new LateWriteError("A shard of the table has operations that do not end");
}

/** Columns that can be written: not generated, and not below another. */
async function ownColumns(transport: Transport, { schema, name }: TableName): Promise<string[]> {
  const { rows } = await transport.query(
    "SELECT column_name FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2 " +
      "AND is_generated = 'NEVER' AND column_details['path'] = [] ORDER BY ordinal_position",
    [schema, name],
  );
  return rows.map(([column]) => String(column));
}

/** Grants are the name's, and are swapped with it. */
async function grant(transport: Transport, { table, copy }: Pick<Rebuild, "table" | "copy">): Promise<void> {
  const { rows } = await transport.query(
    "SELECT grantee, type, state FROM sys.privileges WHERE class = 'TABLE' AND ident = $1",
    [`${table.schema}.${table.name}`],
  );
  for (const [grantee, type, state] of rows) {
    await transport.query(`${state} ${type} ON TABLE ${quoteTable(copy)} TO ${quoteName(String(grantee))}`);
  }
}

async function countOf(transport: Transport, table: TableName): Promise<number> {
  const { rows: [row] } = await transport.query(`SELECT count(*) FROM ${quoteTable(table)}`);
  return Number(row?.[0]);
}

async function remapRows(transport: Transport, { table, writer, suspects, remap }: Rebuild): Promise<void> {
  const columns = ["oid", "data::text", "overflow::text"];
  for await (const rows of scanTable(transport, table, { columns, where: suspects, size: PAGE })) {
    const changed = rows.flatMap(([oid, data, overflow]): Row[] => {
      const row = { oid: String(oid), data: String(data), overflow: overflow as string | null };
      const remapped = remap(row);
      return remapped ? [{ oid: row.oid, ...remapped }] : [];
    });
    const [refused] = await writer.upsert(changed);
    if (refused) throw new SinkError(`row ${refused.oid} cannot be moved: ${refused.error}`);
  }
}
