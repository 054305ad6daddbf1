/** What a rebuild asks the server before a table is swapped: running backups, operations in progress, grants. */
import type { Clock } from "../../util/clock.ts";
import { SinkError } from "../connection/sink_error.ts";
import type { Transport } from "../connection/transport.ts";
import { quoteName, quoteTable, type TableName } from "../sql/names.ts";

/** An expected failure of a rebuild. */
export class RebuildError extends Error {
  constructor(message: string, readonly isPassing: boolean) {
    super(message);
  }
}

/** How often, and how far apart, to look whether operations in progress have ended. */
const MAX_LOOKS = 100;
const LOOK_INTERVAL_MS = 50;

/** Whether CrateDB takes a snapshot, which would miss a swapped table. False if the user may not see backups. */
export async function isBackupRunning(transport: Transport): Promise<boolean> {
  const running = await transport.query("SELECT 1 FROM sys.snapshots WHERE state = 'IN_PROGRESS' LIMIT 1")
    .catch((error) => error instanceof SinkError ? undefined : Promise.reject(error));
  return running !== undefined && running.rows.length > 0;
}

export async function checkBackup(transport: Transport): Promise<void> {
  if (!await isBackupRunning(transport)) return;
  throw new SinkError("CrateDB takes a snapshot", { kind: "backup running" });
}

const LAST_WRITES =
  `SELECT id, seq_no_stats['max_seq_no'], seq_no_stats['local_checkpoint'], partition_ident FROM sys.shards
  WHERE schema_name = $1 AND table_name = $2 AND "primary" ORDER BY partition_ident, id`;

/** The last operation of each shard, once every earlier operation has ended. */
export async function lastWrites(
  transport: Transport,
  { schema, name }: TableName,
  clock: Clock,
): Promise<string> {
  for (let looks = 0; looks < MAX_LOOKS; looks++) {
    const { rows } = await transport.query(LAST_WRITES, [schema, name]);
    if (rows.every(([, last, done]) => last !== null && last === done)) return JSON.stringify(rows);
    await clock.wait(LOOK_INTERVAL_MS);
  }
  throw new RebuildError("a shard of the table has operations that do not end", true);
}

/** Grants belong to the name of a table, and are swapped with it. */
export async function copyGrants(
  transport: Transport,
  table: TableName,
  workTable: TableName,
): Promise<void> {
  const { rows } = await transport.query(
    "SELECT grantee, type, state FROM sys.privileges WHERE class = 'TABLE' AND ident = $1",
    [`${table.schema}.${table.name}`],
  );
  for (const [grantee, type, state] of rows) {
    const user = quoteName(String(grantee));
    await transport.query(`${state} ${type} ON TABLE ${quoteTable(workTable)} TO ${user}`);
  }
}
