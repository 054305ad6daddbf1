/**
 * Transports around a transport. Each adds one thing to how statements run. From the server outwards they are nested in
 * this order; `docs/architecture.md` has the reasons:
 *
 *     openNodes → treatAsPassing → countingWrites → paced → fenced → retrying, or → fenced → abortable
 */
import { type Clock, SYSTEM_CLOCK } from "../../util/clock.ts";
import { type Logger, QUIET } from "../../util/log.ts";
import { retry, type RetryOptions } from "../../util/retry.ts";
import type { Shutdown } from "../../util/shutdown.ts";
import {
  isRetryable,
  isSinkError,
  isUnknownRelation,
  refusalText,
  SinkError,
  withoutValues,
} from "./sink_error.ts";
import type { CountingTransport } from "./lost_writes.ts";
import { atAnyNode } from "./nodes.ts";
import { STATEMENT_LIMIT_MS, type Transport, type Values, wrapped } from "./transport.ts";
import type { WritePace } from "./write_pace.ts";

/** The time that a node has to recover its tables after it has started. */
const RECOVERY_MS = 60_000;
/** The time during which a table that was closed to writing may be swapped. */
const SETTLING_MS = 10_000;

/**
 * Treats unspecific errors as passing ones, so that they are retried, for a minute after a lost connection and for ten
 * seconds after the server or a table was unavailable: CrateDB answers so for a table that is being swapped.
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
      if (isSinkError(error, "unavailable", "overloaded")) expect(SETTLING_MS);
      if (!isSinkError(error, "unspecific") || clock.monotonic() >= passingUntil) throw error;
      const [, , { writes = false } = {}] = statement;
      // The message of a write may quote values of a document, and an outage is logged.
      const message = writes ? refusalText(transport.dialect.name, error) : error.message;
      throw new SinkError(message, { code: error.code, kind: "unavailable", cause: error });
    }
  });
}

/** Calls `check` before each statement. A write first waits until no lost write is running, which would overwrite it. */
export const fenced = (
  transport: Transport,
  check: () => Promise<void>,
  { settled }: Partial<Pick<CountingTransport, "settled">> = {},
): Transport =>
  wrapped(transport, async (...statement) => {
    const [, , { writes = false } = {}] = statement;
    if (writes) await settled?.();
    await check();
    return await transport.query(...statement);
  });

/** Reports to the pace how long upserts take, and which statements an overloaded server refuses. Warns when that begins. */
export const paced = (
  transport: Transport,
  pace: Pick<WritePace, "answered" | "refused">,
  { clock = SYSTEM_CLOCK, log = QUIET }: { clock?: Pick<Clock, "monotonic">; log?: Logger } = {},
): Transport =>
  wrapped(transport, async (...statement) => {
    const [, parameters = [], { writes = false } = {}] = statement;
    const began = clock.monotonic();
    try {
      const result = await transport.query(...statement);
      const size = sizeOf(parameters);
      if (writes && size.rows > 0) pace.answered({ began, ...size });
      return result;
    } catch (error) {
      if (isSinkError(error, "overloaded") && pace.refused(began)) {
        log.warn(`${transport.dialect.name} is overloaded and refuses a statement: writing less at once`, {
          error: error.message,
        });
      }
      throw error;
    }
  });

/** Of JSON, which only upserts have. @example IN: [["k1", "k2"], {json: [{}, {}]}] → OUT: {rows: 2, bytes: 4} */
function sizeOf(parameters: Values): { readonly rows: number; readonly bytes: number } {
  let rows = 0;
  let bytes = 0;
  for (const each of parameters) {
    if (each === null || typeof each !== "object" || !("json" in each)) continue;
    rows = each.json.length;
    for (const json of each.json) bytes += json?.length ?? 0;
  }
  return { rows, bytes };
}

/** Waits for no answer once the program has to stop; the server may still run the statement. */
export const abortable = (transport: Transport, shutdown: Shutdown): Transport =>
  wrapped(transport, async (...statement) => {
    shutdown.signal.throwIfAborted();
    return await shutdown.limit(transport.query(...statement), () => 0);
  });

/** After the start of a node, the replacement of a password on one side first, or at a load balancer without a node. */
const PASSING_FOR_A_MINUTE = ["unknown relation", "unknown schema", "login", "foreign server"] as const;
/** How often a write is retried after an unknown error. */
const UNSPECIFIC_RETRIES = 4;

/** Retries a statement as long as the sink is away. Each statement must be safe to repeat. */
export const retrying = (
  transport: Transport,
  options: Omit<RetryOptions, "isRetryable" | "isReturned" | "shown" | "allowedMs">,
): Transport =>
  wrapped(transport, (...statement) => {
    const { writes, isTrial, isDivisible, mayBeDropped, limitMs = 0 } = statement[2] ?? {};
    const { clock = SYSTEM_CLOCK } = options;
    const started = clock.monotonic();
    let triesLeft = writes && !isTrial ? UNSPECIFIC_RETRIES : 0;
    const isPassing = (error: unknown) =>
      isSinkError(error, ...PASSING_FOR_A_MINUTE) && !(mayBeDropped && isUnknownRelation(error)) &&
      clock.monotonic() - started < RECOVERY_MS;
    const isUnspecific = (error: unknown) => isSinkError(error, "unspecific") && triesLeft-- > 0;
    return retry(() => atAnyNode(() => transport.query(...statement)), {
      ...options,
      allowedMs: limitMs > STATEMENT_LIMIT_MS ? limitMs : 0,
      isRetryable: (error) => isRetryable(error) || isPassing(error) || isUnspecific(error),
      isReturned: (error) => isDivisible === true && isSinkError(error, "overloaded"),
      shown: (error) => writes ? withoutValues(transport.dialect.name, error) : error,
    });
  });
