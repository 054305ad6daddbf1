/** The PostgreSQL wire, over a pool of connections. */
import { connect, type Socket } from "node:net";
import process from "node:process";
import postgres from "postgres";
import { Semaphore } from "../../util/concurrency.ts";
import { CRATEDB } from "../sql/dialect.ts";
import { type Parameter, type Query, type Result, STATEMENT_LIMIT_MS, type Transport } from "./transport.ts";
import { isSinkError, SinkError } from "./sink_error.ts";
import type { SinkAddress } from "./url.ts";

const MAX_CONNECTIONS = 32;
/** Opens connections on demand. Each runs one statement at a time, so that a silent one delays no other. */
export class WireTransport implements Transport {
  readonly #room = new Semaphore(MAX_CONNECTIONS);
  readonly #free: WireConnection[] = [];
  readonly #all = new Set<WireConnection>();
  #isClosed = false;
  readonly dialect = CRATEDB;

  constructor(private readonly address: SinkAddress) {
    // With this variable, postgres.js asks for a setting that CrateDB lacks, and the program ends.
    delete process.env.PGTARGETSESSIONATTRS;
  }

  query(
    ...[sql, parameters = [], { limitMs = STATEMENT_LIMIT_MS } = {}]: Parameters<Query>
  ): Promise<Result> {
    return this.#room.run(async () => {
      if (this.#isClosed) {
        throw new Error(`The connections to ${this.address.host}:${this.address.port} are closed`);
      }
      const connection = this.#free.pop() ?? new WireConnection(this.address);
      this.#all.add(connection);
      let isLost = false;
      try {
        return await connection.run(sql, parameters, limitMs);
      } catch (error) {
        isLost = isSinkError(error, "unreachable");
        throw error;
      } finally {
        if (isLost) void this.#drop(connection);
        else if (!this.#isClosed) this.#free.push(connection);
      }
    });
  }

  /** Closes all connections at once. Statements in progress fail; the server may still run them. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#free.length = 0;
    await Promise.all([...this.#all].map((connection) => this.#drop(connection)));
  }

  async #drop(connection: WireConnection): Promise<void> {
    this.#all.delete(connection);
    await connection.close();
  }
}

/** From the first packet until the end of the login. */
const LOGIN_LIMIT_SECONDS = 10;

/** Runs one statement at a time. The caller replaces the connection after an error of the kind "unreachable". */
export class WireConnection {
  readonly #sql: postgres.Sql;
  #socket: Socket | undefined;
  /** Whether the current statement has opened the connection. */
  #hasConnected = false;
  #isRunning = false;
  #isClosed = false;

  constructor(private readonly address: SinkAddress) {
    const { host, user, password, latestPassword, tls, schema, certificates } = address;
    const options: postgres.Options<Record<never, never>> & { readonly socket: () => Promise<Socket> } = {
      host,
      port: address.port,
      user,
      password: latestPassword ?? password,
      database: schema,
      ssl: tls && { host, ...certificates },
      max: 1,
      connect_timeout: LOGIN_LIMIT_SECONDS,
      // The callers decide when to retry.
      backoff: () => 0,
      fetch_types: false,
      onnotice: () => {},
      connection: { application_name: "mongodb_cdc_cratedb" },
      socket: () => this.#connect(),
    };
    this.#sql = postgres(options);
  }

  /** Runs one statement. Closes the connection if the answer is not complete in time. */
  async run(statement: string, parameters: readonly Parameter[], limitMs: number): Promise<Result> {
    this.#hasConnected = false;
    this.#isRunning = true;
    const overdue = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      overdue.reject(this.#lost(`no answer within ${limitMs / 1_000} s`, "ETIMEDOUT"));
      void this.close();
    }, limitMs);
    try {
      // After a swap, a prepared statement would silently write to the old table.
      const answer = this.#sql.unsafe(statement, parameters.map(argument), { prepare: false }).values();
      const result = await Promise.race([answer, overdue.promise]);
      return { count: result.count ?? 0, rows: result };
    } catch (cause) {
      if (cause instanceof SinkError) throw cause;
      const { message, code, constraint_name: constraint, column_name: column } = cause as PostgresFailure;
      const { host, port } = this.address;
      // With TLS, postgres.js leaves the address out.
      const text = (message || String(code ?? cause)).replace("undefined:undefined", `${host}:${port}`);
      const subject = constraint ? `constraint ${constraint}` : column && `column ${column}`;
      throw new SinkError(text, { code, subject, cause });
    } finally {
      clearTimeout(timer);
      this.#isRunning = false;
    }
  }

  /** Closes the connection for good. The current statement fails, and no server receives it later. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#isRunning) this.#socket?.resetAndDestroy();
    await this.#sql.end({ timeout: 0 }).catch(() => {});
    this.#socket?.destroy();
  }

  /** Connects once for each statement: postgres.js would connect again and again to a server that closes connections. */
  async #connect(): Promise<Socket> {
    const closed = this.#lost("the server has closed the connection before the login", "ECONNRESET");
    if (this.#hasConnected || this.#isClosed) throw closed;
    this.#hasConnected = true;
    const { host, port } = this.address;
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
    // It may close before postgres.js listens to it.
    if (socket.destroyed) throw closed;
    // postgres.js reads these properties for the name in the certificate and for its errors.
    return Object.assign(socket, { host, port });
  }

  #lost(why: string, code: string): SinkError {
    const { host, port } = this.address;
    return new SinkError(`${host}:${port}: ${why}`, { code });
  }
}

/** An error of postgres.js: of the server, or of the connection. CrateDB names no constraint and no column. */
type PostgresFailure = Partial<Record<"message" | "code" | "constraint_name" | "column_name", string>>;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** @example IN: ['a"b'] → OUT: {"a\"b"}; IN: {json: [{"n":1}, null]} → OUT: {"{\"n\":1}",NULL} */
function argument(parameter: Parameter): string | number | null {
  if (parameter === null || typeof parameter !== "object") return parameter;
  const items = "json" in parameter
    // JSON has no control characters, so inside a JSON string it is what it is inside quotes here.
    ? parameter.json.map((item) => item === null ? "NULL" : `"${decoder.decode(item)}"`)
    : parameter.map((item) => `"${item.replace(/["\\]/g, "\\$&")}"`);
  return `{${items.join(",")}}`;
}
