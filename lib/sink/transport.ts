/** How statements reach the sink; the two ways are in `http.ts` and `wire.ts`. */
import type { Logger } from "../ops/log.ts";
import { retry } from "../ops/retry.ts";
import { SinkError } from "../errors.ts";
import { HttpTransport } from "./http.ts";
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

export interface Transport extends AsyncDisposable {
  /**
   * Runs one statement with `$1`, `$2`, … as parameters.
   *
   * @throws SinkError
   */
  query(sql: string, parameters?: readonly Parameter[]): Promise<Result>;
}

const TRANSPORTS = { http: HttpTransport, wire: WireTransport } as const;

export const openTransport = (address: SinkAddress): Transport => new TRANSPORTS[address.transport](address);

/** What goes away by waiting: lost connections, overload, a node that starts, a table that is blocked for a while. */
const TRANSIENT =
  /CONNECT|ECONN|EPIPE|EHOST|ENETUNREACH|ETIMEDOUT|error sending request|connection (?:closed|reset|refused|error)|Unexpected end of JSON|timed? ?out|Timeout|CircuitBreak|NoShardAvailable|UnavailableShards|ClusterBlock|RejectedExecution|MasterNotDiscovered|NodeDisconnected|NodeNotConnected|ClusterState\.metadata|doesn't support or allow (?:INSERT|DELETE|UPDATE)|(?:bad gateway|service unavailable)/i;
const TRANSIENT_CODES = new Set([
  "429",
  "502",
  "503",
  "504",
  "4007",
  "5002",
  "5030",
  "57P01",
  "57P03",
  "53300",
]);

export const isTransient = (error: unknown): boolean =>
  error instanceof SinkError &&
  (TRANSIENT_CODES.has(error.code ?? "") || TRANSIENT.test(`${error.code} ${error.message}`));

export interface RetryingOptions {
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly retryFor: number;
}

/** The same transport, trying again for as long as the sink is away. Every statement sent must bear repetition. */
export function retrying(transport: Transport, options: RetryingOptions): Transport {
  return {
    query: (sql, parameters) =>
      retry(() => transport.query(sql, parameters), { ...options, what: "CrateDB", isTransient }),
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}
