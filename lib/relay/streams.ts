/** Runs the streams of a process: each on its own, over shared connections, with its part of the memory. */
import { checkTransforms } from "../pipeline/loop/startup.ts";
import type { MemoryShares, RelaySettings } from "../pipeline/settings.ts";
import { describe } from "../pipeline/status/describe_error.ts";
import { emitter, on } from "../pipeline/status/events.ts";
import { StatusTracker } from "../pipeline/status/status_tracker.ts";
import { saveFailure } from "../sink/metadata/saved_position.ts";
import { CausalReader } from "../source/connection/causal_reader.ts";
import { collectionsOf } from "../source/documents/collections.ts";
import { DocumentReader } from "../source/documents/documents.ts";
import { type Clock, SYSTEM_CLOCK, waitAtMost } from "../util/clock.ts";
import { messageOf, UsageError } from "../util/errors.ts";
import { QUIET } from "../util/log.ts";
import { Shutdown } from "../util/shutdown.ts";
import { ConnectionPool, type PoolContext } from "./connect.ts";
import { isEndedBy, runStream, type StreamContext } from "./stream.ts";
import type { StreamSettings } from "./stream_settings.ts";

export interface Stream
  extends Required<Pick<StreamContext, "log" | "emit" | "trace">>, Pick<StreamContext, "verbs" | "reworded"> {
  readonly name: string;
  readonly settings: StreamSettings;
  /** Gets another tracker with each start. */
  readonly status: { tracker: StatusTracker };
}

export interface StreamsContext extends PoolContext {
  readonly shares: Pick<MemoryShares, "heapBytes">;
  /** `restart` a stream that fails, or `end` all of them. */
  readonly onFailure: "restart" | "end";
}

/** The longest time that a MongoDB which does not answer delays other streams. */
const CHECK_LIMIT_MS = 10_000;

/**
 * Runs until all streams are done, or the signal is aborted: then each saves its position.
 *
 * @throws UsageError if MongoDB refuses a setting of one stream, before any is started; the first error that ends a stream
 */
export async function runStreams(
  streams: readonly Stream[],
  { shares, onFailure, clock = SYSTEM_CLOCK, log, ...context }: StreamsContext,
): Promise<void> {
  const end = new AbortController();
  const signal = AbortSignal.any([context.signal, end.signal]);
  await using pool = new ConnectionPool(shares, { log, clock, signal });
  const wrong: unknown[] = [];
  const checks = streams.map(({ settings, reworded = (error) => error }) =>
    checkSettings(settings.current.settings, pool, signal).catch((error) => wrong.push(reworded(error)))
  );
  await waitAtMost(CHECK_LIMIT_MS, Promise.all(checks), clock);
  // Other errors appear again when the stream runs.
  for (const error of wrong) if (error instanceof UsageError) throw error;
  const running = streams.map((stream) =>
    supervise(() => runOnce(stream, pool, signal), {
      signal,
      clock,
      hurry: () => stream.settings.replaced,
      onFailure: (error, pause) => {
        const { message, hint } = describe(error);
        if (onFailure === "end") {
          stream.log.error("The stream failed, which ends the process", { error: message, hint });
          throw error;
        }
        const fields = { error: message, hint, after_ms: pause };
        stream.log.error("The stream failed, and is started again", fields);
      },
    }).catch((error) => {
      end.abort(error);
      throw error;
    })
  );
  await Promise.all(running).finally(() => Promise.allSettled(running));
}

/** The settings of one of several streams, which together take no more memory than one. */
export const sharedBy = (streams: number, settings: RelaySettings): RelaySettings => ({
  ...settings,
  replyBytes: Math.floor(settings.replyBytes / streams),
  batchBytes: Math.floor(settings.batchBytes / streams),
  inFlightBytes: Math.floor(settings.inFlightBytes / streams),
});

async function checkSettings(
  settings: RelaySettings,
  pool: ConnectionPool,
  signal: AbortSignal,
): Promise<void> {
  await using connections = await pool.connect(settings, { emit: () => {} });
  const { route, mongodbOutages: outages } = connections;
  using shutdown = new Shutdown(signal);
  await using causalReader = new CausalReader(route, { shutdown, outages, retryFor: 0 });
  const collections = await collectionsOf(causalReader, settings.scope, { log: QUIET });
  const reader = new DocumentReader(causalReader, { for: settings.for, size: 1 });
  await checkTransforms(collections, { reader, settings });
}

/** Shows a failure in `cdc_status`: the stream itself does that with the lease. */
async function runOnce(stream: Stream, pool: ConnectionPool, signal: AbortSignal): Promise<void> {
  const status = stream.status.tracker = new StatusTracker(pool.clock);
  const { settings } = stream;
  let hadLease = false;
  const emit = emitter(on({ leaseTaken: () => hadLease = true }), stream.emit);
  try {
    await runStream(pool, settings, { ...stream, signal, emit, status });
  } catch (error) {
    const { sink, namesIn } = settings.current.settings;
    const show = async () => {
      const transport = await pool.transport(sink);
      const { metadataSchema: schema, stream } = namesIn(transport.dialect.schema ?? sink.schema);
      await saveFailure(transport, { schema, stream, error: messageOf(error) });
    };
    if (!hadLease && !signal.aborted) await show().catch(() => {});
    throw error;
  }
}

const FIRST_PAUSE_MS = 1_000;
/** A stream that ran for so long has recovered: after its next failure, the pause is the first one again. */
export const LONGEST_PAUSE_MS = 5 * 60_000;

/**
 * Runs until it succeeds, or the signal is aborted.
 *
 * @example
 * IN: a run that fails at once, again and again → OUT: pauses of 1 s, 2 s, 4 s, … 5 min
 */
export async function supervise(run: () => Promise<void>, { signal, clock, onFailure, hurry }: {
  readonly signal: AbortSignal;
  readonly clock: Pick<Clock, "monotonic" | "wait">;
  /** Called before the pause, in milliseconds. What it throws ends the supervision. */
  readonly onFailure: (error: unknown, pause: number) => void;
  /** Returns the signal that ends the current pause. */
  readonly hurry: () => AbortSignal;
}): Promise<void> {
  let pause = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    const startedAt = clock.monotonic();
    try {
      return await run();
    } catch (error) {
      if (isEndedBy(signal, error)) return;
      if (signal.aborted) throw error;
      if (clock.monotonic() - startedAt >= LONGEST_PAUSE_MS) pause = FIRST_PAUSE_MS;
      onFailure(error, pause);
    }
    await clock.wait(pause, { signal: AbortSignal.any([signal, hurry()]) }).catch(() => {});
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
  }
}
