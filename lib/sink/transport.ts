/** How statements reach the sink; the two ways are in `http.ts` and `wire.ts`. */
import { messageOf, SinkError } from "../errors.ts";
import type { Logger } from "../ops/log.ts";
import { retry, unlessLate } from "../ops/retry.ts";
import { HttpTransport } from "./http.ts";
import type { Dialect } from "./dialect.ts";
import type { TableName } from "./names.ts";
import { isLostConnection, isTransient, isUnknownRelation, isUnspecific } from "./transient.ts";
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

/** The same transport, with another way to run statements. */
const wrapped = (transport: Transport, query: Query): Transport => ({
  dialect: transport.dialect,
  query,
  [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
});

/** @throws SinkError when the server cannot be reached */
export const openTransport = async (address: SinkAddress): Promise<Transport> =>
  tolerant(await OPEN[address.transport](address));

const OPEN: Readonly<Record<SinkAddress["transport"], (address: SinkAddress) => Promise<Transport>>> = {
  http: (address) => HttpTransport.open(address),
  wire: (address) => WireTransport.open(address),
};

/** A node that has just started is given so long to find itself, in milliseconds. */
const RECOVERY = 60_000;
/** SQLSTATE of a server that cannot be used yet. */
const STARTING = "57P03";

/** The same transport, where errors that say nothing are those of a server that is starting, after a connection was lost. */
export function tolerant(transport: Transport): Transport {
  let lost = -Infinity;
  return wrapped(transport, async (...statement) => {
    try {
      return await transport.query(...statement);
    } catch (error) {
      if (isLostConnection(error)) lost = Date.now();
      if (!isUnspecific(error) || Date.now() - lost >= RECOVERY) throw error;
      throw new SinkError(messageOf(error), { code: STARTING, cause: error });
    }
  });
}

export interface WatchedTransport extends Transport {
  /** Whether rows are on their way, also those of statements that nobody waits for any more. */
  readonly writing: boolean;
}

const WRITES = /^(?:INSERT|DELETE)\b/;

/** The same transport, and what it is at. */
export function watched(transport: Transport): WatchedTransport {
  let writing = 0;
  const query: Query = async (sql, parameters) => {
    const writes = WRITES.test(sql) ? 1 : 0;
    writing += writes;
    try {
      return await transport.query(sql, parameters);
    } finally {
      writing -= writes;
    }
  };
  return {
    ...wrapped(transport, query),
    get writing() {
      return writing > 0;
    },
  };
}

/** The same transport, where `check` has to resolve before each statement. */
export const guarded = (transport: Transport, check: () => Promise<void>): Transport =>
  wrapped(transport, async (...statement) => {
    await check();
    return await transport.query(...statement);
  });

/** The same transport, where nothing is waited for once the signal is aborted; the server may still be at it. */
export const abortable = (transport: Transport, signal: AbortSignal): Transport =>
  wrapped(transport, async (...statement) => {
    signal.throwIfAborted();
    return await unlessLate(transport.query(...statement), signal, () => 0);
  });

/** Makes what was written visible to queries, where it is not so at once. */
export async function refreshTable(transport: Transport, table: TableName): Promise<void> {
  const statement = transport.dialect.refresh?.(table);
  if (statement) await transport.query(statement);
}

export interface RetryingOptions {
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly retryFor: number;
}

/** The same transport, trying again for as long as the sink is away. Every statement sent must bear repetition. */
export function retrying(transport: Transport, options: RetryingOptions): Transport {
  return wrapped(transport, (sql, parameters) => {
    const started = Date.now();
    const isRecovering = (error: unknown) =>
      isUnknownRelation(error) &&
      Date.now() - started < RECOVERY;
    return retry(() => transport.query(sql, parameters), {
      ...options,
      what: "CrateDB",
      isTransient: (error) => isTransient(error) || isRecovering(error),
    });
  });
}
