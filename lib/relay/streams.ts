/** Runs the streams of a process: each on its own, over shared connections and with one memory budget. */
import { checkTransforms } from "../pipeline/loop/startup.ts";
import type { MemoryShares, RelaySettings } from "../pipeline/settings.ts";
import { describe } from "../pipeline/status/describe_error.ts";
import { type Emit, emitter, on } from "../pipeline/status/events.ts";
import type { Trace } from "../pipeline/status/stages.ts";
import { StatusTracker } from "../pipeline/status/status_tracker.ts";
import { saveFailure } from "../sink/metadata/saved_position.ts";
import { DocumentReader } from "../source/documents/documents.ts";
import { SYSTEM_CLOCK, waitAtMost } from "../util/clock.ts";
import { messageOf, UsageError } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { ConnectionPool, type PoolContext } from "./connect.ts";
import { openSourceSide } from "./probes/start.ts";
import { runStream } from "./stream.ts";
import type { StreamSettings } from "./stream_settings.ts";
import { supervise } from "./supervise.ts";

export interface Stream {
  readonly name: string;
  readonly settings: StreamSettings;
  /** Gets another tracker with each start. */
  readonly status: { tracker: StatusTracker };
  readonly log: Logger;
  readonly emit: Emit;
  readonly trace: Trace;
}

export interface StreamsContext extends PoolContext {
  readonly shares: Pick<MemoryShares, "inFlightBytes" | "heapBytes">;
  /** `restart` a stream that fails, or `end` all of them. */
  readonly onFailure: "restart" | "end";
}

/** A MongoDB that does not answer holds back the streams of others no longer than this. */
const CHECK_LIMIT_MS = 10_000;

/**
 * Runs until all streams are done, or the signal is aborted: then each saves its position.
 *
 * @throws UsageError if MongoDB refuses a setting of one stream, before any is started; the error of the first stream that
 * fails with `end`
 */
export async function runStreams(
  streams: readonly Stream[],
  { shares, onFailure, clock = SYSTEM_CLOCK, log, ...context }: StreamsContext,
): Promise<void> {
  const end = new AbortController();
  const signal = AbortSignal.any([context.signal, end.signal]);
  await using pool = new ConnectionPool(shares, { log, clock, signal });
  const wrong: UsageError[] = [];
  const checks = streams.map((each) =>
    checkSettings(each, pool, signal).catch((error) => error instanceof UsageError && wrong.push(error))
  );
  await waitAtMost(CHECK_LIMIT_MS, Promise.all(checks), clock);
  if (wrong[0]) throw wrong[0];
  const running = streams.map((stream) =>
    supervise(() => runOnce(stream, pool, signal), {
      signal,
      clock,
      hurry: () => stream.settings.replaced,
      onFailure: (error, pause) => {
        if (onFailure === "end") throw error;
        const { message, hint } = describe(error);
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
});

/** @throws UsageError for a filter or stage that MongoDB refuses; other errors, which appear again when the stream runs */
async function checkSettings(
  { settings: { current: { settings } } }: Stream,
  pool: ConnectionPool,
  signal: AbortSignal,
): Promise<void> {
  await using connections = await pool.connect(settings, { emit: () => {} });
  await using source = await openSourceSide({ ...connections, settings, signal });
  const reader = new DocumentReader(source.causalReader, { for: settings.for, size: 1 });
  await checkTransforms(source.collections, { reader, settings });
}

async function runOnce(stream: Stream, pool: ConnectionPool, signal: AbortSignal): Promise<void> {
  const { settings, log, trace } = stream;
  const status = stream.status.tracker = new StatusTracker(pool.clock);
  let hadLease = false;
  const emit = emitter(on({ leaseTaken: () => hadLease = true }), stream.emit);
  try {
    await runStream(pool, settings, { signal, log, emit, status, trace });
  } catch (error) {
    // With the lease, the status written last has the error.
    if (!hadLease && !signal.aborted) {
      await showFailure(settings.current.settings, pool, error).catch(() => {});
    }
    throw error;
  }
}

async function showFailure({ sink, namesIn }: RelaySettings, pool: ConnectionPool, error: unknown) {
  const transport = await pool.transport(sink);
  const { metadataSchema: schema, stream } = namesIn(transport.dialect.schema ?? sink.schema);
  await saveFailure(transport, { schema, stream, error: messageOf(error) });
}
