/** The PostgreSQL wire, by postgres.js. */
import process from "node:process";
import postgres from "postgres";
import { SinkError } from "./sink_error.ts";
import { type Dialect, dialectOf } from "./dialect.ts";
import type { Parameter, Query, Result } from "./query.ts";
import type { Transport } from "./transport.ts";
import type { SinkAddress } from "./url.ts";

/** Connections are opened when they are needed. */
const MAX_CONNECTIONS = 32;
const CONNECT_TIMEOUT_SECONDS = 10;

export class WireTransport implements Transport {
  readonly dialect: Dialect;
  readonly #sql: postgres.Sql;

  private constructor(sql: postgres.Sql, dialect: Dialect) {
    this.#sql = sql;
    this.dialect = dialect;
  }

  static async open(address: SinkAddress): Promise<WireTransport> {
    const { host, port, user, password, tls, schema, certificates } = address;
    // With this variable postgres.js asks for a setting that CrateDB lacks, and the program ends.
    delete process.env.PGTARGETSESSIONATTRS;
    const sql = postgres({
      host,
      port,
      user,
      password,
      database: schema,
      // Without the host, the certificate would have to be of `localhost` where the host is an IP address.
      ssl: tls && { host, ...certificates },
      max: MAX_CONNECTIONS,
      connect_timeout: CONNECT_TIMEOUT_SECONDS,
      // One try per call: the callers decide when to try again.
      backoff: () => 0,
      fetch_types: false,
      onnotice: () => {},
      connection: { application_name: "mongodb_cdc_cratedb" },
    });
    try {
      return new WireTransport(
        sql,
        await dialectOf((statement, parameters) => run(sql, statement, parameters)),
      );
    } catch (error) {
      await sql.end({ timeout: 0 });
      // With TLS, postgres.js does not know the address.
      if (!(error instanceof SinkError) || !error.message.includes("undefined:undefined")) throw error;
      const message = error.message.replace("undefined:undefined", `${host}:${port}`);
      throw new SinkError(message, { code: error.code, kind: error.kind, cause: error });
    }
  }

  query(...[statement, parameters]: Parameters<Query>): Promise<Result> {
    return run(this.#sql, statement, parameters);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sql.end({ timeout: 1 });
  }
}

const run = async (
  sql: postgres.Sql,
  statement: string,
  parameters: readonly Parameter[] = [],
): Promise<Result> => {
  try {
    // After a swap, a prepared statement silently goes on writing to the table that it was prepared for.
    const result = await sql.unsafe(statement, parameters.map(argument), { prepare: false }).values();
    return { count: result.count ?? 0, rows: result };
  } catch (cause) {
    const { message, code } = cause as { message?: string; code?: string };
    throw new SinkError(message || String(code ?? cause), { code, cause });
  }
};

/**
 * Arrays go as PostgreSQL array literals.
 *
 * @example
 * IN: ['a"b'] → OUT: {"a\"b"}; IN: {json: ['{"n":1}', null]} → OUT: {"{\"n\":1}",NULL}
 */
function argument(parameter: Parameter): string | number | null {
  if (parameter === null || typeof parameter !== "object") return parameter;
  const items = "json" in parameter
    // JSON text has no control characters, so quoting it as JSON once more gives the same, faster.
    ? parameter.json.map((item) => item === null ? "NULL" : JSON.stringify(item))
    : parameter.map((item) => `"${item.replace(/["\\]/g, "\\$&")}"`);
  return `{${items.join(",")}}`;
}
