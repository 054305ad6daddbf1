/**
 * Transports around a transport: each adds one thing to how statements run. They are nested in this order, from the
 * server outwards; why, `docs/architecture.md` tells:
 *
 *     treatAsPassing → countingWrites → fenced → retrying, or → fenced → abortable
 */
import { type Clock, SYSTEM_CLOCK } from "../../util/clock.ts";
import { retry, type RetryOptions } from "../../util/retry.ts";
import { QUIET } from "../../util/log.ts";
import type { Shutdown } from "../../util/shutdown.ts";
import { isRetryable, isSinkError, isUnknownRelation, SinkError, type SinkErrorKind } from "./sink_error.ts";
import { LostWrites, type LostWritesOptions } from "./lost_writes.ts";
import { type Query, STATEMENT_LIMIT_MS } from "../sql/query.ts";
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
  /** Whether a statement that writes rows may still be running, also after its caller has stopped waiting. */
  readonly writing: boolean;
  /**
   * Resolves when no write whose answer was lost runs any more.
   *
   * @throws SinkError when the server does not answer; AbortError once the transport is disposed of
   */
  settled(): Promise<void>;
}

/** Tracks whether any statement that writes rows is still running. */
export function countingWrites(
  transport: Transport,
  { clock = SYSTEM_CLOCK, log = QUIET }: Partial<LostWritesOptions> = {},
): CountingTransport {
  const lost = new LostWrites(transport, { clock, log });
  let running = 0;
  const query: Query = async (...statement) => {
    const [, , options] = statement;
    if (!options?.writes) return await transport.query(...statement);
    running++;
    try {
      return await lost.write(...statement);
    } finally {
      running--;
    }
  };
  return {
    ...wrapped(transport, query),
    get writing() {
      return running > 0 || lost.some;
    },
    settled: () => lost.settled(),
    async [Symbol.asyncDispose]() {
      lost[Symbol.dispose]();
      await transport[Symbol.asyncDispose]();
    },
  };
}

/**
 * Asks before each statement; if `check` throws, nothing is sent. A write waits first until no lost write runs,
 * which would overwrite it.
 */
export const fenced = (
  transport: Transport & Partial<Pick<CountingTransport, "settled">>,
  check: () => Promise<void>,
): Transport =>
  wrapped(transport, async (...statement) => {
    const [, , { writes = false } = {}] = statement;
    if (writes) await transport.settled?.();
    await check();
    return await transport.query(...statement);
  });

/** Waits for nothing once the program is told to stop; the server may still be at work. */
export const abortable = (transport: Transport, shutdown: Shutdown): Transport =>
  wrapped(transport, async (...statement) => {
    shutdown.signal.throwIfAborted();
    return await shutdown.limit(transport.query(...statement), () => 0);
  });

export type RetryingOptions = Omit<RetryOptions, "isRetryable" | "allowedMs">;

/** Kinds of errors that pass within a minute while the program runs: at its start, the same server has answered. */
const PASSING_FOR_A_MINUTE: readonly SinkErrorKind[] = [
  // A node that has just started has not recovered its tables yet.
  "unknown relation",
  "unknown schema",
  // The password or the token was replaced, here or there first.
  "login",
  // A load balancer without a node.
  "foreign server",
];
/** How often a write is tried again after an unknown error. */
const UNSPECIFIC_RETRIES = 4;

/** Tries a statement again for as long as the sink is away. Every statement must be safe to repeat. */
export const retrying = (transport: Transport, options: RetryingOptions): Transport =>
  wrapped(transport, (...statement) => {
    const [, , { writes = false, isTrial = false, mayBeMissing = false, limitMs = 0 } = {}] = statement;
    const { clock = SYSTEM_CLOCK } = options;
    const started = clock.monotonic();
    let triesLeft = writes && !isTrial ? UNSPECIFIC_RETRIES : 0;
    const isPassing = (error: unknown) =>
      isSinkError(error, ...PASSING_FOR_A_MINUTE) && !(mayBeMissing && isUnknownRelation(error)) &&
      clock.monotonic() - started < RECOVERY_MS;
    const isUnspecific = (error: unknown) => isSinkError(error, "unspecific") && triesLeft-- > 0;
    return retry(() => transport.query(...statement), {
      ...options,
      allowedMs: limitMs > STATEMENT_LIMIT_MS ? limitMs : 0,
      isRetryable: (error) => isRetryable(error) || isPassing(error) || isUnspecific(error),
    });
  });
