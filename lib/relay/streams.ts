/** Runs the streams of a process: each on its own, over shared connections and with one memory budget. */
import { collectionsOf } from "../source/documents/collections.ts";
import { DocumentReader } from "../source/documents/documents.ts";
import { CausalReader } from "../source/connection/causal_reader.ts";
import { checkTransforms } from "../pipeline/loop/startup.ts";
import { describe } from "../pipeline/status/describe_error.ts";
import { type Emit, emitter, on } from "../pipeline/status/events.ts";
import type { MemoryShares, RelaySettings } from "../pipeline/settings.ts";
import { StatusTracker } from "../pipeline/status/status_tracker.ts";
import type { Trace } from "../pipeline/status/stages.ts";
import { savedName, saveFailure } from "../sink/metadata/saved_position.ts";
import { tableExists } from "../sink/table/create_table.ts";
import { type Clock, SYSTEM_CLOCK } from "../util/clock.ts";
import { messageOf, UsageError } from "../util/errors.ts";
import { type Logger, QUIET } from "../util/log.ts";
import { Shutdown } from "../util/shutdown.ts";
import { ConnectionPool, type Connections } from "./connect.ts";
import { endOf, runStream } from "./stream.ts";
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

export interface StreamsContext {
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly shares: Pick<MemoryShares, "inFlightBytes" | "heapBytes">;
  /** `restart` a stream that fails, or `end` all of them. */
  readonly onFailure: "restart" | "end";
  /** @default {the system's} */
  readonly clock?: Clock;
}

/**
 * Runs until all streams are done, or the signal is aborted: then each saves its position.
 *
 * @throws UsageError if MongoDB refuses a setting of one stream, before any is started; the error of the first stream that
 * fails with `end`; the signal's reason
 */
export async function runStreams(
  streams: readonly [Stream, ...Stream[]],
  { shares, onFailure, clock = SYSTEM_CLOCK, ...context }: StreamsContext,
): Promise<void> {
  const end = new AbortController();
  const signal = AbortSignal.any([context.signal, end.signal]);
  await using pool = new ConnectionPool(shares, { ...context, clock, signal });
  await Promise.all(streams.map((stream) => checkSettings(stream, { pool, signal })));
  const running = streams.map((stream) =>
    supervise(() => runOnce(stream, { pool, signal, clock }), {
      signal,
      clock,
      hurry: () => stream.settings.replaced,
      onFailure: (error, pause) => {
        if (onFailure === "end") throw error;
        const { message, hint } = describe(error);
        stream.log.error("The stream failed, and is started again", {
          error: message,
          hint,
          after_ms: pause,
        });
      },
    }).catch((error) => {
      end.abort(error);
      throw error;
    })
  );
  const ends = await Promise.allSettled(running);
  const errors = ends.flatMap((each) => each.status === "rejected" ? [each.reason] : []);
  if (errors.length > 0) throw errors.find((each) => each !== signal.reason) ?? signal.reason;
}

/** The settings of one of several streams, which together take no more memory than one. */
export const sharedBy = (streams: number, settings: RelaySettings): RelaySettings => ({
  ...settings,
  replyBytes: Math.floor(settings.replyBytes / streams),
  batchBytes: Math.floor(settings.batchBytes / streams),
});

interface RunDeps {
  readonly pool: ConnectionPool;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** @throws UsageError for a filter or stage that MongoDB refuses. Other errors appear again when the stream runs */
async function checkSettings(
  { settings: { current: { settings } } }: Stream,
  { pool, signal }: Omit<RunDeps, "clock">,
): Promise<void> {
  try {
    await using connections = await pool.connect(settings, { emit: () => {} });
    using shutdown = new Shutdown(signal);
    const { deployment, mongodbOutages: outages } = connections;
    const retries = { shutdown, outages, retryFor: 0 };
    await using causalReader = new CausalReader(deployment.route(), retries);
    const found = await collectionsOf(causalReader, settings.scope, { log: QUIET });
    const reader = new DocumentReader(causalReader, { for: settings.for, size: 1 });
    await checkTransforms(found, { reader, settings });
  } catch (error) {
    if (error instanceof UsageError || signal.aborted) throw error;
  }
}

async function runOnce(stream: Stream, { pool, signal, clock }: RunDeps): Promise<void> {
  const { settings, log, trace } = stream;
  const status = stream.status.tracker = new StatusTracker(clock);
  let hadLease = false;
  const lease = on({ leaseTaken: () => hadLease = true });
  const emit = emitter(lease, stream.emit);
  const told = emitter(status.listen, emit);
  let connections: Connections | undefined;
  try {
    connections = await pool.connect(settings.current.settings, {
      emit: told,
      watch: (system) => status.watch(system),
    });
    await runStream(connections, settings, { signal, log, emit, status, trace });
  } catch (error) {
    if (!connections) told(endOf(error, signal));
    if (!hadLease && !signal.aborted) await showFailure(stream, pool, messageOf(error));
    throw error;
  } finally {
    await connections?.[Symbol.asyncDispose]();
  }
}

/** Shows a failure before the lease was taken in `cdc_status` too, if CrateDB can be reached. */
async function showFailure(
  { settings: { current: { settings: { sink, namesIn } } } }: Stream,
  pool: ConnectionPool,
  error: string,
): Promise<void> {
  try {
    const transport = await pool.transport(sink);
    const { metadataSchema: schema, stream } = namesIn(transport.dialect.schema ?? sink.schema);
    if (!await tableExists(transport, { schema, name: "cdc_position" })) return;
    await saveFailure(transport, { schema, stream: await savedName(transport, { schema, stream }), error });
  } catch {
    // The stream is started again, and the log has the failure.
  }
}
