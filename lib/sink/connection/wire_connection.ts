/** One connection of the PostgreSQL wire, by postgres.js. */
import { connect, type Socket } from "node:net";
import postgres from "postgres";
import { SinkError } from "./sink_error.ts";
import type { Parameter, Result } from "../sql/query.ts";
import type { SinkAddress } from "./url.ts";

/** From the first packet to the end of the login. */
const LOGIN_LIMIT_SECONDS = 10;

/**
 * Runs one statement after the other on a connection that the first one opens. After an error of the kind "unreachable" it
 * is to be closed and replaced.
 */
export class WireConnection {
  readonly #address: SinkAddress;
  readonly #sql: postgres.Sql;
  #socket: Socket | undefined;
  /** Whether the current statement has opened the connection. */
  #hasConnected = false;
  #isClosed = false;

  constructor(address: SinkAddress) {
    const { host, user, password, latestPassword, tls, schema, certificates } = address;
    this.#address = address;
    const options: postgres.Options<Record<never, never>> & { socket: () => Promise<Socket> } = {
      host,
      port: address.port,
      user,
      password: latestPassword ?? password,
      database: schema,
      ssl: tls && { host, ...certificates },
      max: 1,
      connect_timeout: LOGIN_LIMIT_SECONDS,
      // The callers decide when to try again.
      backoff: () => 0,
      fetch_types: false,
      onnotice: () => {},
      connection: { application_name: "mongodb_cdc_cratedb" },
      socket: () => this.#connect(),
    };
    this.#sql = postgres(options);
  }

  /**
   * Runs one statement. If its answer is not complete in time, the connection is closed.
   *
   * @throws SinkError
   */
  async run(statement: string, parameters: readonly Parameter[], limitMs: number): Promise<Result> {
    this.#hasConnected = false;
    const overdue = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      overdue.reject(this.#lost(`no answer within ${limitMs / 1_000} s`, "ETIMEDOUT"));
      void this.close();
    }, limitMs);
    try {
      // After a swap, a prepared statement silently goes on writing to the table that it was prepared for.
      const answer = this.#sql.unsafe(statement, parameters.map(argument), { prepare: false }).values();
      const result = await Promise.race([answer, overdue.promise]);
      return { count: result.count ?? 0, rows: result };
    } catch (cause) {
      if (cause instanceof SinkError) throw cause;
      const { message, code } = cause as { message?: string; code?: string };
      const { host, port } = this.#address;
      // With TLS, postgres.js leaves the address out.
      const text = (message || String(code ?? cause)).replace("undefined:undefined", `${host}:${port}`);
      throw new SinkError(text, { code, cause });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes the connection for good, whatever the server does. The current statement fails. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#sql.end({ timeout: 0 }).catch(() => {});
    this.#socket?.destroy();
  }

  /** Connects once for each statement: postgres.js would go on with a server that closes each connection. */
  async #connect(): Promise<Socket> {
    const closed = this.#lost("the server has closed the connection before the login", "ECONNRESET");
    if (this.#hasConnected || this.#isClosed) throw closed;
    this.#hasConnected = true;
    const { host, port } = this.#address;
    const socket = connect(port, host);
    this.#socket = socket;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = () => reject(this.#lost(`no connection within ${LOGIN_LIMIT_SECONDS} s`, "ETIMEDOUT"));
    const timer = setTimeout(giveUp, LOGIN_LIMIT_SECONDS * 1_000);
    const end = () => reject(closed);
    socket.once("connect", resolve).once("error", reject).once("close", end);
    try {
      await promise;
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
      socket.off("error", reject).off("close", end);
    }
    // It may be closed before postgres.js listens to it.
    if (socket.destroyed) throw closed;
    // postgres.js reads these properties for the name in the certificate and for its errors.
    return Object.assign(socket, { host, port });
  }

  #lost(why: string, code: string): SinkError {
    const { host, port } = this.#address;
    return new SinkError(`${host}:${port}: ${why}`, { code });
  }
}

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
