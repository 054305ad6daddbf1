/** Transports around a transport: each adds one thing to how statements run. */
import type { Logger } from "../../util/log.ts";
import { retry, unlessLate } from "../../util/retry.ts";
import { isRetryable, isSinkError, isUnknownRelation, SinkError } from "./sink_error.ts";
import type { Query, Transport } from "./transport.ts";

/** The same transport, with another way to run statements. */
const wrapped = (transport: Transport, query: Query): Transport => ({
  dialect: transport.dialect,
  query,
  [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
});

/** A node that has just started is given so long to find itself, in milliseconds. */
const RECOVERY = 60_000;

/** The same transport, where errors that say nothing are those of a server that is starting, after a connection was lost. */
export function treatAsStarting(transport: Transport): Transport {
  let lost = -Infinity;
  return wrapped(transport, async (...statement) => {
    try {
      return await transport.query(...statement);
    } catch (error) {
      if (isSinkError(error, "unreachable", "unknown host")) lost = Date.now();
      if (!isSinkError(error, "unspecific") || Date.now() - lost >= RECOVERY) throw error;
      throw new SinkError(error.message, { code: error.code, kind: "unavailable", cause: error });
    }
  });
}

export interface CountingTransport extends Transport {
  /** Whether rows are on their way, also those of statements that nobody waits for any more. */
  readonly writing: boolean;
}

const WRITES = /^(?:INSERT|DELETE)\b/;

/** The same transport, and what it is at. */
export function countingWrites(transport: Transport): CountingTransport {
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
export const fenced = (transport: Transport, check: () => Promise<void>): Transport =>
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
      isRetryable: (error) => isRetryable(error) || isRecovering(error),
    });
  });
}
