import postgres from "postgres";
import { type Dialect, POSTGRESQL } from "../../lib/sink/sql/dialect.ts";
import { quoteName } from "../../lib/sink/sql/names.ts";
import type { Row } from "../../dev/servers/query_cratedb.ts";
import type { RelaysOptions } from "./cratedb_harness.ts";
import { defaultFlags } from "./default_flags.ts";
import { freshName, type MongodbContext, mongodbContext, sharedMongodb } from "./mongodb_harness.ts";
import { type Outcome, run, type Running, start } from "./program.ts";
import { sharedServer } from "./shared_server.ts";

const sharedPostgresql = await sharedServer("postgresql");

/** What a test of the whole way to PostgreSQL gets. The names are of this test alone; what they name is dropped afterwards. */
export interface PostgresqlContext extends MongodbContext {
  readonly schema: string;
  readonly table: string;
  readonly url: string;
  readonly dialect: Dialect;
  /** A statement with `$1`, `$2`, …; integers of 64 bits are text. */
  sql(statement: string, args?: readonly (string | number)[]): Promise<Row[]>;
  /**
   * Starts `cdc-relay` from `database.data` to `schema.table`. A flag for one of these in `args` takes its place, and
   * `--database` that of the collection too. Killed at the end of the test.
   */
  relay(args?: readonly string[]): Running;
  /** Starts `cdc-relay` with these flags and no others. Killed at the end of the test. */
  follow(args: readonly string[]): Running;
  /** Runs `cdc-relay` as `relay()` starts it, to its end. */
  runRelay(args?: readonly string[], env?: Record<string, string>): Promise<Outcome>;
}

/** Registers a test that needs MongoDB, and PostgreSQL, which is embedded if no URL names one. */
export function postgresqlTest(
  name: string,
  test: (context: PostgresqlContext) => unknown,
  options: RelaysOptions = {},
): void {
  Deno.test({
    name,
    ignore: !sharedMongodb.server || !sharedPostgresql.server,
    async fn() {
      await using stack = new AsyncDisposableStack();
      await test(postgresqlContext(stack, options));
    },
  });
}

function postgresqlContext(
  stack: AsyncDisposableStack,
  { ownProcess = false }: RelaysOptions,
): PostgresqlContext {
  const { server, description } = sharedPostgresql;
  if (!server) throw new Error(description);
  const { url } = server;
  const source = mongodbContext(stack);
  const { database, mongodbUrl } = source;
  const schema = freshName();
  const table = "data";
  const client = stack.adopt(
    postgres(url, { max: 2, fetch_types: false, onnotice: () => {} }),
    (open) => open.end(),
  );
  const sql: PostgresqlContext["sql"] = async (statement, args = []) => [
    ...await client.unsafe<Row[]>(statement, [...args], { prepare: false }),
  ];
  stack.defer(async () => {
    // Whole databases land in schemas of their names.
    for (const name of [schema, database]) await sql(`DROP SCHEMA IF EXISTS ${quoteName(name)} CASCADE`);
  });
  const env = { MONGODB_URL: mongodbUrl, CRATEDB_URL: url };
  const command = (args: readonly string[]) => [
    "cdc-relay",
    ...defaultFlags({ database, collection: "data", table: `${schema}.${table}` }, args),
    ...args,
  ];
  return {
    ...source,
    schema,
    table,
    url,
    dialect: POSTGRESQL,
    sql,
    relay: (args = []) => stack.use(start(command(args), { env, ownProcess })),
    follow: (args) => stack.use(start(["cdc-relay", ...args], { env, ownProcess })),
    runRelay: (args = [], changed = {}) => run(command(args), { env: { ...env, ...changed } }),
  };
}
