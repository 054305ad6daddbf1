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

/** Connections that were lost or never made: the system's codes and postgres.js's. */
const LOST_CONNECTION = /^(?:E[A-Z]{3,}|CONNECT\w+)$/;

/** Overload, a node that starts or stops, a relation that is blocked: CrateDB's codes, SQLSTATEs, HTTP statuses. */
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

/** Codes that say nothing; the message does. The message of any other error may quote a document, and is not read. */
const UNSPECIFIC_CODE = /^(?:5\d{3}|XX000)$/;
const TRANSIENT_MESSAGE =
  /CircuitBreak|NoShardAvailable|UnavailableShards|ClusterBlock|RejectedExecution|MasterNotDiscovered|NodeDisconnected|NodeNotConnected|TimeoutException|ClusterState\.metadata|doesn't support or allow (?:INSERT|DELETE|UPDATE)/;

/** Whether an error of the sink goes away by waiting. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof SinkError)) return false;
  const { code = "", message } = error;
  return LOST_CONNECTION.test(code) || TRANSIENT_CODES.has(code) ||
    (UNSPECIFIC_CODE.test(code) && TRANSIENT_MESSAGE.test(message));
}

/** A node that has just started knows no relations until it has recovered its state, and says that there are none. */
const UNKNOWN_RELATION = new Set(["4041", "4045", "42P01", "3F000"]);
const RECOVERY = 60_000;

export interface RetryingOptions {
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly retryFor: number;
}

/** The same transport, trying again for as long as the sink is away. Every statement sent must bear repetition. */
export function retrying(transport: Transport, options: RetryingOptions): Transport {
  return {
    query: (sql, parameters) => {
      const started = Date.now();
      const isRecovering = (error: unknown) =>
        error instanceof SinkError && UNKNOWN_RELATION.has(error.code ?? "") &&
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
