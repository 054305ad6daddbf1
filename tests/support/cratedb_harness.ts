import { type ContainerControl, containerControl } from "./container_control.ts";
import { queryCratedb, type Row } from "../../dev/servers/query_cratedb.ts";
import { cratedbReady } from "../../dev/servers/start_cratedb.ts";
import { mongodbReady } from "../../dev/servers/start_mongodb.ts";
import { CRATEDB, type Dialect } from "../../lib/sink/sql/dialect.ts";
import { defaultFlags, ONE_SHARD } from "./default_flags.ts";
import { freshName, type MongodbContext, mongodbContext, sharedMongodb } from "./mongodb_harness.ts";
import { type Outcome, run, type Running, start } from "./program.ts";
import { sharedServer } from "./shared_server.ts";

const sharedCratedb = await sharedServer("cratedb");

const URL_VARIABLES = { http: "CRATEDB_SQLALCHEMY_URL", wire: "CRATEDB_URL" } as const;

export type TransportName = keyof typeof URL_VARIABLES;

/** The ways to CrateDB, for what holds on each: `for (const transport of transports) cratedbTest(…)`. */
export const transports: readonly TransportName[] = ["http", "wire"];

export interface RelayOptions {
  /** @default "http" */
  readonly transport?: TransportName;
  readonly env?: Record<string, string>;
}

/** What a test of the whole way gets. The names are of this test alone; what they name is dropped afterwards. */
export interface CratedbContext extends MongodbContext {
  /** The schema in which both URLs look for tables. */
  readonly schema: string;
  readonly table: string;
  readonly httpUrl: string;
  readonly wireUrl: string;
  readonly dialect: Dialect;
  /** Whether relays run as processes of their own, see {@linkcode RelaysOptions}. */
  readonly ownProcess: boolean;
  /** A statement over HTTP, see {@linkcode queryCratedb}. */
  sql(statement: string, args?: readonly unknown[]): Promise<Row[]>;
  /**
   * Starts `cdc-relay` from `database.data` to `schema.table`, a table of one shard. A flag for one of these in `args`
   * takes its place, and `--database` that of the collection too. Killed at the end of the test.
   */
  relay(args?: readonly string[], options?: RelayOptions): Running;
  /** Runs `verify` of what `relay()` follows, with the same flags. */
  verify(args?: readonly string[], options?: RelayOptions): Promise<Outcome>;
}

export interface FaultContext extends CratedbContext {
  readonly mongodbServer: ContainerControl;
  readonly cratedbServer: ContainerControl;
}

/** Registers a test that needs MongoDB and CrateDB: ignored when one is missing, failed with REQUIRE_CRATEDB=1. */
export function cratedbTest(
  name: string,
  test: (context: CratedbContext) => unknown,
  options: RegisterOptions = {},
): void {
  register(name, (stack) => test(cratedbContext(stack, options)), options);
}

/**
 * Registers a test that pauses or kills servers: as {@linkcode cratedbTest}, and ignored when the servers do not run in containers
 * that were started for the tests.
 */
export function faultTest(name: string, test: (context: FaultContext) => unknown): void {
  const mongodbId = sharedMongodb.server?.containerId;
  const cratedbId = sharedCratedb.server?.containerId;
  register(name, async (stack) => {
    const context = cratedbContext(stack, { ownProcess: true });
    const mongodbServer = containerControl(mongodbId ?? "", () => mongodbReady(context.mongodbUrl));
    const cratedbServer = containerControl(cratedbId ?? "", () => cratedbReady(context.httpUrl));
    stack.defer(() => mongodbServer.restore());
    stack.defer(() => cratedbServer.restore());
    await test({ ...context, mongodbServer, cratedbServer });
  }, { unfit: !mongodbId || !cratedbId });
}

export interface RelaysOptions {
  /**
   * Whether relays run as processes of their own, which any signal reaches, and not in that of the test.
   *
   * @default {false; in tests of faults true}
   */
  readonly ownProcess?: boolean;
}

interface RegisterOptions extends RelaysOptions {
  /** The servers exist, but the test cannot use them or lacks something. @default {false} */
  readonly unfit?: boolean;
}

function register(
  name: string,
  test: (stack: AsyncDisposableStack) => unknown,
  options: RegisterOptions = {},
): void {
  const missing = [sharedMongodb, sharedCratedb].filter(({ server }) => !server).map(({ description }) =>
    description
  );
  const required = Deno.env.get("REQUIRE_CRATEDB") === "1";
  Deno.test({
    name,
    ignore: missing.length > 0 ? !required : options.unfit === true,
    async fn() {
      if (missing.length > 0) throw new Error(`REQUIRE_CRATEDB=1, but ${missing.join("; ")}`);
      await using stack = new AsyncDisposableStack();
      await test(stack);
    },
  });
}

function cratedbContext(
  stack: AsyncDisposableStack,
  { ownProcess = false }: RelaysOptions,
): CratedbContext {
  const { server, description } = sharedCratedb;
  if (!server) throw new Error(description);
  const source = mongodbContext(stack);
  const schema = freshName();
  const table = "data";
  const urls = { http: withSchema(server.httpUrl, schema), wire: withDatabase(server.wireUrl, schema) };
  const sql: CratedbContext["sql"] = (statement, args) => queryCratedb(urls.http, statement, args);
  stack.defer(() => dropTables(schema, sql));
  const target = { database: source.database, collection: "data", table: `${schema}.${table}` };
  const flags = (
    args: readonly string[],
    more = {},
  ) => [...defaultFlags({ ...target, ...more }, args), ...args];
  const settings = ({ transport = "http", env = {} }: RelayOptions) => ({
    MONGODB_URL: source.mongodbUrl,
    [URL_VARIABLES[transport]]: urls[transport],
    ...env,
  });
  return {
    ...source,
    schema,
    table,
    httpUrl: urls.http,
    wireUrl: urls.wire,
    dialect: CRATEDB,
    ownProcess,
    sql,
    relay: (args = [], options = {}) =>
      stack.use(start(["cdc-relay", ...flags(args, ONE_SHARD)], { env: settings(options), ownProcess })),
    verify: (args = [], options = {}) => run(["verify", ...flags(args)], { env: settings(options) }),
  };
}

async function dropTables(schema: string, sql: CratedbContext["sql"]): Promise<void> {
  const tables = await sql(
    "SELECT table_name AS name, table_type AS type, settings['blocks']['write'] OR settings['blocks']['read_only_allow_delete'] AS closed " +
      "FROM information_schema.tables WHERE table_schema = ?",
    [schema],
  );
  const open = 'SET ("blocks.write" = false, "blocks.read_only_allow_delete" = false)';
  const drop = async ({ name, type, closed }: Row) => {
    if (closed) await sql(`ALTER TABLE "${schema}"."${name}" ${open}`);
    await sql(`DROP ${type === "VIEW" ? "VIEW" : "TABLE"} "${schema}"."${name}"`);
  };
  // `status` of other tests expects the tables of the relay wherever it finds positions.
  const isPosition = ({ name }: Row) => name === "cdc_position";
  await Promise.all(tables.filter(isPosition).map(drop));
  await Promise.all(tables.filter((each) => !isPosition(each)).map(drop));
}

/** @example IN: crate://localhost:4200, test_1 → OUT: crate://localhost:4200/?schema=test_1 */
function withSchema(httpUrl: string, schema: string): string {
  const url = new URL(httpUrl);
  url.pathname = "/";
  url.searchParams.set("schema", schema);
  return url.href;
}

/** @example IN: postgresql://crate@localhost:5432/doc, test_1 → OUT: postgresql://crate@localhost:5432/test_1 */
function withDatabase(wireUrl: string, database: string): string {
  const url = new URL(wireUrl);
  url.pathname = `/${database}`;
  return url.href;
}
