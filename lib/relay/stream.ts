/**
 * Makes a stream from the connections and its settings, and runs it.
 *
 * Delivery is at least once and writes are idempotent, so the tables end up as if each change had been applied exactly
 * once: a position is saved only after CrateDB has confirmed every row before it.
 */
import { RequestedRepairs } from "../pipeline/collections/repair.ts";
import { Collections } from "../pipeline/collections/collections.ts";
import { bufferBatches } from "../pipeline/loop/batcher.ts";
import { follow, type OpenStream } from "../pipeline/loop/follow.ts";
import type { Names, RelaySettings } from "../pipeline/settings.ts";
import { type Emit, emitter, type RelayEvent } from "../pipeline/status/events.ts";
import { StatusReporter } from "../pipeline/status/heartbeat.ts";
import { watchOplog } from "../pipeline/status/oplog_watch.ts";
import { type Trace, UNTRACED } from "../pipeline/status/stages.ts";
import { columnsOf } from "../pipeline/status/relay_status.ts";
import { StatusTracker } from "../pipeline/status/status_tracker.ts";
import { DividedStreams, takeOverDivision } from "../pipeline/workers/division.ts";
import { dropBarrier } from "../pipeline/workers/drop_barrier.ts";
import type { Transport } from "../sink/connection/transport.ts";
import { countingWrites, fenced, retrying } from "../sink/connection/wrappers.ts";
import { prepareSharedTables } from "../sink/metadata/stream_records.ts";
import { RepairRequests } from "../sink/metadata/repair_requests.ts";
import { readPosition, savedName } from "../sink/metadata/saved_position.ts";
import { createStatusView } from "../sink/metadata/status_view.ts";
import { StreamPosition } from "../sink/metadata/stream_position.ts";
import { shardKeyOf } from "../source/documents/collections.ts";
import { changeStream } from "../source/stream/change_stream.ts";
import type { Logger } from "../util/log.ts";
import { Shutdown } from "../util/shutdown.ts";
import type { Connections } from "./connect.ts";
import { openSource, type Source } from "./open_source.ts";

export interface StreamContext {
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly emit: Emit;
  /** Kept up to date, and saved with the position. @default {one that only the stream uses} */
  readonly status?: StatusTracker;
  /** @default {untraced} */
  readonly trace?: Trace;
}

/**
 * Takes a snapshot of the existing documents, then follows the changes until the signal is aborted.
 *
 * @throws UserError, SinkError, MongoError; the signal's reason
 */
export async function runStream(
  connections: Connections,
  settings: RelaySettings,
  context: StreamContext,
): Promise<void> {
  const { signal, status = new StatusTracker(connections.clock), trace = UNTRACED } = context;
  const emit = emitter(status.listen, context.emit);
  // Closed after the end is emitted: the status written last has the end of the stream.
  await using closing = new AsyncDisposableStack();
  try {
    await run(connections, settings, { ...context, status, trace, emit, closing });
    emit({ type: "ended" });
  } catch (error) {
    emit(endOf(error, signal));
    throw error;
  }
}

/** The end of a relay that an error has ended. The reason of the signal is a stop, and no error. */
export const endOf = (error: unknown, signal: AbortSignal): RelayEvent => ({
  type: "ended",
  error: signal.aborted && error === signal.reason ? undefined : error,
});

interface RunContext extends Required<StreamContext> {
  readonly closing: AsyncDisposableStack;
}

async function run(connections: Connections, settings: RelaySettings, context: RunContext): Promise<void> {
  const { signal, status, closing } = context;
  const { sinkOutages, mongodbOutages } = connections;
  const failed = new AbortController();
  const parts = partsOf(connections, settings, context, failed);
  for (const system of [mongodbOutages, sinkOutages]) status.watch(system);
  const names = await openMetadata(parts);
  const source = await openSource(parts);
  const position = await acquire(parts, names);
  const patient = retrying(fenced(parts.raw, () => position.check()), parts.retries);
  const streams = new DividedStreams(patient, { schema: names.metadataSchema, stream: names.stream });
  await takeOverDivision({ ...parts, streams, position });
  const tables = openTables(parts, source, { names, patient });
  closing.use(tables.recoverDuring(sinkOutages, parts.fail));
  const deps = loopDeps({ ...parts, ...source, position, tables }, { names, patient });
  await followUntil(signal, failed.signal, () => follow(streamsOf(parts, source), deps), context);
  if (settings.snapshot === "only" && !signal.aborted) tables.failIfAny();
}

type Parts = ReturnType<typeof partsOf>;

/** What the parts of the stream have in common. `failed` is aborted with the error of what runs beside the loop. */
function partsOf(
  connections: Connections,
  settings: RelaySettings,
  context: RunContext,
  failed: AbortController,
) {
  const { transport, sinkOutages: outages, clock } = connections;
  const { log, closing } = context;
  const signal = AbortSignal.any([context.signal, failed.signal]);
  return {
    ...context,
    ...connections,
    settings,
    signal,
    fail: (error: unknown) => failed.abort(error),
    retries: { shutdown: closing.use(new Shutdown(signal)), outages, retryFor: settings.retryFor },
    /** Fails at once if the sink does. */
    raw: closing.use(countingWrites(leftOpen(transport), { clock, log })),
  };
}

/** Creates the relay's own tables. */
async function openMetadata({ settings: { namesIn, sink }, raw, retries }: Parts): Promise<Names> {
  const names = namesIn(raw.dialect.schema ?? sink.schema);
  const schema = names.metadataSchema;
  const once = retrying(raw, { ...retries, retryFor: 0 });
  const stream = await savedName(once, { schema, stream: names.stream });
  await prepareSharedTables(once, { schema });
  return { ...names, stream };
}

/** Takes the lease, and reports status and oplog from then on. */
async function acquire(
  parts: Parts,
  { metadataSchema: schema, stream }: Pick<Names, "metadataSchema" | "stream">,
): Promise<StreamPosition> {
  const { settings: { lease, onHeld }, status, emit, closing, raw, fail, log } = parts;
  const patient = retrying(raw, parts.retries);
  const reporter = new StatusReporter({ status, report: () => position.renew(), fail });
  const position: StreamPosition = closing.use(
    await StreamPosition.acquire(patient, {
      ...parts,
      schema,
      stream,
      lease,
      status: () => columnsOf(reporter.reported()),
      standsBy: onHeld === "wait",
      onWait: (owner) => emit({ type: "standingBy", schema, stream, owner }),
      isFree: () => !raw.writing,
    }),
  );
  emit({ type: "leaseTaken", schema, stream, owner: position.owner });
  closing.use(position.keep(fail));
  closing.use(parts.heartbeat.add(reporter));
  await createStatusView(patient, { schema, log });
  closing.use(watchOplog(parts));
  return position;
}

interface Fenced {
  readonly names: Names;
  /** Waits for the sink, and checks the lease before each statement. */
  readonly patient: Transport;
}

function openTables(parts: Parts, source: Source, { names, patient }: Fenced): Collections {
  return new Collections({ patient, raw: parts.raw }, {
    ...parts,
    ...source,
    names,
    shardKeyOf: async (namespace) =>
      parts.settings.for(namespace).key === "documentKey"
        ? await shardKeyOf(source.causalReader, namespace)
        : [],
  });
}

function loopDeps(
  parts: Parts & Source & { readonly position: StreamPosition; readonly tables: Collections },
  { names: { metadataSchema: schema, stream }, patient }: Fenced,
) {
  const { scope, worker } = parts.settings;
  const requests = new RepairRequests(patient, { schema, stream });
  return {
    ...parts,
    repairs: new RequestedRepairs({ ...parts, requests, scope }),
    ...worker &&
      { barrier: dropBarrier({ ...parts, read: (stream) => readPosition(patient, { schema, stream }) }) },
  };
}

function streamsOf(parts: Parts, { example, share }: Source): OpenStream {
  const { settings, signal, deployment, features, mongodbOutages: outages } = parts;
  const route = deployment.route();
  const { transform, fullDocument } = settings.for(example);
  return (startAfter, left) =>
    bufferBatches(
      changeStream({
        ...settings,
        route,
        share,
        features,
        fullDocument: transform.length > 0 ? "none" : fullDocument,
        startAfter,
        signal: AbortSignal.any([signal, left]),
        outages,
      }),
      settings,
    );
}

/** @throws the error of what runs beside the loop rather than that of the loop; nothing for a stop */
async function followUntil(
  stop: AbortSignal,
  failed: AbortSignal,
  loop: () => Promise<void>,
  { log }: Pick<RunContext, "log">,
): Promise<void> {
  try {
    await loop();
  } catch (error) {
    const reason = failed.aborted ? failed.reason : error;
    if (!stop.aborted || reason !== stop.reason) throw reason;
    log.warn(
      "Stopped while a batch was being applied: the next start resumes from the position saved before",
    );
  }
  if (failed.aborted && failed.reason !== stop.reason) throw failed.reason;
}

/** The same transport, which other streams use too, so this one does not close it. */
const leftOpen = (transport: Transport): Transport => ({
  dialect: transport.dialect,
  query: (...statement) => transport.query(...statement),
  async [Symbol.asyncDispose]() {},
});
