/** How statements reach the sink; the two ways are in `http.ts` and `wire.ts`. */
import type { Logger } from "../ops/log.ts";
import { retry } from "../ops/retry.ts";
import { SinkError } from "../errors.ts";
import { HttpTransport } from "./http.ts";
import type { Dialect } from "./dialect.ts";
import type { SinkAddress } from "./url.ts";
import { WireTransport } from "./wire.ts";

/** JSON text of objects (or null), sent as `array(object)` without being parsed on the way. */
export interface JsonArray {
  readonly json: readonly (string | null)[];
}

export type Parameter = string | number | null | readonly string[] | JsonArray;

export interface Result {
  /** Rows that the statement wrote. */
  readonly count: number;
  readonly rows: readonly (readonly unknown[])[];
}

export type Query = (sql: string, parameters?: readonly Parameter[]) => Promise<Result>;

/** A way to a server; the dialect is the server's. */
export interface Transport extends AsyncDisposable {
  readonly dialect: Dialect;
  /**
   * Runs one statement with `$1`, `$2`, … as parameters.
   *
   * @throws SinkError
   */
  query(...statement: Parameters<Query>): ReturnType<Query>;
}

/** @throws SinkError when the server cannot be reached */
export const openTransport = (address: SinkAddress): Promise<Transport> => OPEN[address.transport](address);

const OPEN: Readonly<Record<SinkAddress["transport"], (address: SinkAddress) => Promise<Transport>>> = {
  http: (address) => Promise.resolve(new HttpTransport(address)),
  wire: (address) => WireTransport.open(address),
};

/** Connections that were lost or never made: the system's codes and postgres.js's. */
const LOST_CONNECTION = /^(?:E[A-Z]{3,}|CONNECT\w+)$/;

/**
 * Overload, a node that starts or stops, a relation that is blocked, transactions that met: CrateDB's codes,
 * SQLSTATEs, HTTP statuses.
 */
const TRANSIENT_CODES = new Set([
  "429",
  "502",
  "503",
  "504",
  "4007",
  "4037",
  "5002",
  "5030",
  "57P01",
  "57P03",
  "53300",
  "40001",
  "40P01",
]);

/** Codes that say nothing; the message does. The message of any other error may quote a document, and is not read. */
const UNSPECIFIC_CODE = /^(?:4040|5\d{3}|XX000)$/;
const TRANSIENT_MESSAGE =
  /^blocked by: \[|^the shard \d+ of table \[.*\] is not available|IllegalIndexShardState|CircuitBreak|NoShardAvailable|IndexNotFoundException|^no such index \[|UnavailableShards|ClusterBlock|RejectedExecution|MasterNotDiscovered|NodeDisconnected|NodeNotConnected|TimeoutException|ClusterState\.metadata|doesn't support or allow (?:INSERT|DELETE|UPDATE)/;

/** A node that has just started plans statements before it has its tables; code 4000 means bad SQL otherwise. */
const PLANNED_TOO_EARLY =
  /^(?:SQLParseException\[)?Couldn't create execution plan from logical plan because of: no such (?:shard|index)/;

/** Whether an error of the sink goes away by waiting. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof SinkError)) return false;
  const { code = "", message } = error;
  return LOST_CONNECTION.test(code) || TRANSIENT_CODES.has(code) || PLANNED_TOO_EARLY.test(message) ||
    (UNSPECIFIC_CODE.test(code) && TRANSIENT_MESSAGE.test(message));
}

/** A node that has just started knows no relations until it has recovered its state, and says that there are none. */
const UNKNOWN_RELATION = new Set(["4041", "4045", "42P01", "3F000"]);
/** The PostgreSQL wire has no code for it. */
const UNKNOWN_SCHEMA = /^Schema '.*' unknown$/s;
const RECOVERY = 60_000;

export function isUnknownRelation(error: unknown): boolean {
  if (!(error instanceof SinkError)) return false;
  const { code = "", message } = error;
  return UNKNOWN_RELATION.has(code) || UNSPECIFIC_CODE.test(code) && UNKNOWN_SCHEMA.test(message);
}

/** The same transport, where `check` has to resolve before each statement. */
export const guarded = (transport: Transport, check: () => Promise<void>): Transport => ({
  dialect: transport.dialect,
  query: async (...statement) => {
    await check();
    return await transport.query(...statement);
  },
  [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
});

export interface RetryingOptions {
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly retryFor: number;
}

/** The same transport, trying again for as long as the sink is away. Every statement sent must bear repetition. */
export function retrying(transport: Transport, options: RetryingOptions): Transport {
  return {
    dialect: transport.dialect,
    query: (sql, parameters) => {
      const started = Date.now();
      const isRecovering = (error: unknown) =>
        isUnknownRelation(error) &&
        Date.now() - started < RECOVERY;
      return retry(() => transport.query(sql, parameters), {
        ...options,
        what: "CrateDB",
        isTransient: (error) => isTransient(error) || isRecovering(error),
      });
    },
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}
