/**
 * Transports around a transport: each adds one thing to how statements run. They are nested in this order, from the
 * server outwards; why, `docs/architecture.md` tells:
 *
 *     treatAsPassing → countingWrites → fenced → retrying, or → fenced → abortable
 */
import { type Clock, SYSTEM_CLOCK } from "../../util/clock.ts";
import { retry, type RetryOptions } from "../../util/retry.ts";
import type { Shutdown } from "../../util/shutdown.ts";
import { isRetryable, isSinkError, isUnknownRelation, SinkError } from "./sink_error.ts";
import type { Query } from "./query.ts";
import type { Transport } from "./transport.ts";

/** A node that has just started is given this long to recover its tables. */
const RECOVERY_MS = 60_000;
/** A table that was closed a moment ago may be swapped for another one. */
const SETTLING_MS = 10_000;

/** A transport like another one, with another way to run statements. */
const wrapped = (transport: Transport, query: Query): Transport => ({
  dialect: transport.dialect,
  query,
  [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
});

/**
 * For a minute after a lost connection, and for ten seconds after the server or a table was unavailable, treats errors
 * that say nothing as passing ones, so that they are tried again. CrateDB has such for a table that is being swapped.
 */
export function treatAsPassing(
  transport: Transport,
  clock: Pick<Clock, "monotonic"> = SYSTEM_CLOCK,
): Transport {
  let passingUntil = -Infinity;
  const expect = (ms: number) => passingUntil = Math.max(passingUntil, clock.monotonic() + ms);
  return wrapped(transport, async (...statement) => {
    try {
      return await transport.query(...statement);
    } catch (error) {
      if (isSinkError(error, "unreachable", "unknown host")) expect(RECOVERY_MS);
      if (isSinkError(error, "unavailable")) expect(SETTLING_MS);
      if (!isSinkError(error, "unspecific") || clock.monotonic() >= passingUntil) throw error;
      throw new SinkError(error.message, { code: error.code, kind: "unavailable", cause: error });
    }
  });
}

export interface CountingTransport extends Transport {
  /** Whether a statement that writes rows is still running, also one that nobody waits for any more. */
  readonly writing: boolean;
}

/** Tracks whether any statement that writes rows is still running. */
export function countingWrites(transport: Transport): CountingTransport {
  let running = 0;
  const query: Query = async (sql, parameters, options) => {
    const writes = options?.writes ? 1 : 0;
    running += writes;
    try {
      return await transport.query(sql, parameters, options);
    } finally {
      running -= writes;
    }
  };
  return {
    ...wrapped(transport, query),
    get writing() {
      return running > 0;
    },
  };
}

/** Asks before each statement; where `check` throws, nothing is sent. */
export const fenced = (transport: Transport, check: () => Promise<void>): Transport =>
  wrapped(transport, async (...statement) => {
    await check();
    return await transport.query(...statement);
  });

/** Waits for nothing once the program is told to stop; the server may still be at work. */
export const abortable = (transport: Transport, shutdown: Shutdown): Transport =>
  wrapped(transport, async (...statement) => {
    shutdown.signal.throwIfAborted();
    return await shutdown.limit(transport.query(...statement), () => 0);
  });

export type RetryingOptions = Omit<RetryOptions, "isRetryable" | "isLong">;

/** A statement with a longer limit than this may be silent for long. In milliseconds. */
const LONG_MS = 120_000;

/** Tries a statement again for as long as the sink is away. Every statement must be safe to repeat. */
export const retrying = (transport: Transport, options: RetryingOptions): Transport =>
  wrapped(transport, (...statement) => {
    const [, , { limitMs = 0 } = {}] = statement;
    const { clock = SYSTEM_CLOCK } = options;
    const started = clock.monotonic();
    const isRecovering = (error: unknown) =>
      isUnknownRelation(error) && clock.monotonic() - started < RECOVERY_MS;
    return retry(() => transport.query(...statement), {
      ...options,
      isLong: limitMs > LONG_MS,
      isRetryable: (error) => isRetryable(error) || isRecovering(error),
    });
  });
