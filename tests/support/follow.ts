/** The relay with a scope of the test's choosing, and what is in the tables that it makes. */
import type { CratedbContext, RelayOptions } from "./cratedb_harness.ts";
import { defaultFlags, ONE_SHARD } from "./default_flags.ts";
import { type Outcome, run, type Running, start } from "./program.ts";

export type Sides =
  & Pick<CratedbContext, "mongodbUrl" | "httpUrl" | "wireUrl">
  & Partial<Pick<CratedbContext, "ownProcess">>;

const settings = (
  { mongodbUrl, httpUrl, wireUrl }: Sides,
  { transport = "http", env = {} }: RelayOptions,
) => ({
  MONGODB_URL: mongodbUrl,
  ...transport === "http" ? { CRATEDB_SQLALCHEMY_URL: httpUrl } : { CRATEDB_URL: wireUrl },
  ...env,
});

const command = (args: readonly string[]) => ["cdc-relay", ...defaultFlags(ONE_SHARD, args), ...args];

/** Starts `cdc-relay` with these flags and tables of one shard. */
export const startRelay = (sides: Sides, args: readonly string[], options: RelayOptions = {}): Running =>
  start(command(args), { env: settings(sides, options), ownProcess: sides.ownProcess });

/** Runs `cdc-relay` with these flags and tables of one shard to its end. */
export const runRelay = (
  sides: Sides,
  args: readonly string[],
  options: RelayOptions = {},
): Promise<Outcome> => run(command(args), { env: settings(sides, options) });

/** Names of the tables of a schema, less those that the relay keeps for itself. */
export async function tablesOf({ sql }: Pick<CratedbContext, "sql">, schema: string): Promise<string[]> {
  const rows = await sql(
    "SELECT table_name FROM information_schema.tables WHERE table_schema = ? ORDER BY table_name",
    [schema],
  );
  return rows.map(({ table_name }) => String(table_name)).filter((name) => !name.startsWith("cdc_"));
}

/** The keys in a table, in order. */
export async function oidsOf(
  { sql, schema }: Pick<CratedbContext, "sql" | "schema">,
  table: string,
): Promise<string[]> {
  await sql(`REFRESH TABLE "${schema}"."${table}"`);
  return (await sql(`SELECT oid FROM "${schema}"."${table}" ORDER BY oid`)).map(({ oid }) => String(oid));
}

/** The current number of rows, cheap enough to poll. */
export async function countRows(
  { sql, schema, table }: Pick<CratedbContext, "sql" | "schema" | "table">,
): Promise<number> {
  const [{ n } = {}] = await sql(`SELECT count(*) AS n FROM "${schema}"."${table}"`).catch(() => []);
  return Number(n ?? 0);
}
