/** The PostgreSQL wire, over a pool of connections. */
import process from "node:process";
import { Semaphore } from "../../util/concurrency.ts";
import { type Dialect, dialectOf } from "../sql/dialect.ts";
import {
  type Parameter,
  type Query,
  type QueryOptions,
  type Result,
  STATEMENT_LIMIT_MS,
} from "../sql/query.ts";
import { isSinkError } from "./sink_error.ts";
import type { Transport } from "./transport.ts";
import type { SinkAddress } from "./url.ts";
import { WireConnection } from "./wire_connection.ts";

const MAX_CONNECTIONS = 32;
/** For the first statement, which asks what the server is. */
const CONNECT_LIMIT_MS = 15_000;

/** Connections are opened when they are needed, and carry one statement at a time: one that is silent holds up no other. */
class Pool {
  readonly #address: SinkAddress;
  readonly #room = new Semaphore(MAX_CONNECTIONS);
  readonly #free: WireConnection[] = [];
  readonly #all = new Set<WireConnection>();
  #isClosed = false;

  constructor(address: SinkAddress) {
    this.#address = address;
  }

  run(
    sql: string,
    parameters: readonly Parameter[],
    { limitMs = STATEMENT_LIMIT_MS }: QueryOptions,
  ): Promise<Result> {
    return this.#room.run(async () => {
      if (this.#isClosed) {
        throw new Error(`The connections to ${this.#address.host}:${this.#address.port} are closed`);
      }
      const connection = this.#free.pop() ?? new WireConnection(this.#address);
      this.#all.add(connection);
      try {
        const result = await connection.run(sql, parameters, limitMs);
        this.#keep(connection);
        return result;
      } catch (error) {
        if (isSinkError(error, "unreachable")) void this.#drop(connection);
        else this.#keep(connection);
        throw error;
      }
    });
  }

  /** Closes all connections for good. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#free.length = 0;
    await Promise.all([...this.#all].map((connection) => this.#drop(connection)));
  }

  #keep(connection: WireConnection): void {
    if (!this.#isClosed) this.#free.push(connection);
  }

  async #drop(connection: WireConnection): Promise<void> {
    this.#all.delete(connection);
    await connection.close();
  }
}

export class WireTransport implements Transport {
  readonly dialect: Dialect;
  readonly #pool: Pool;

  private constructor(pool: Pool, dialect: Dialect) {
    this.#pool = pool;
    this.dialect = dialect;
  }

  /** @throws SinkError when no server answers, or refuses the user */
  static async open(address: SinkAddress): Promise<WireTransport> {
    // With this variable postgres.js asks for a setting that CrateDB lacks, and the program ends.
    delete process.env.PGTARGETSESSIONATTRS;
    const pool = new Pool(address);
    try {
      const dialect = await dialectOf((sql) => pool.run(sql, [], { limitMs: CONNECT_LIMIT_MS }));
      return new WireTransport(pool, dialect);
    } catch (error) {
      await pool.close();
      throw error;
    }
  }

  query(...[sql, parameters = [], options = {}]: Parameters<Query>): Promise<Result> {
    return this.#pool.run(sql, parameters, options);
  }

  /** Closes all connections at once. Running statements fail; the server may still run them. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.close();
  }
}
