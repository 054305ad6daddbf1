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
import type { LoopDeps } from "../pipeline/loop/replication_loop.ts";
import type { Names, RelaySettings } from "../pipeline/settings.ts";
import { type Emit, emitter, type RelayEvent } from "../pipeline/status/events.ts";
import { StatusReporter } from "../pipeline/status/heartbeat.ts";
import { watchOplog } from "../pipeline/status/oplog_watch.ts";
import { type Trace, UNTRACED } from "../pipeline/status/stages.ts";
import { columnsOf, StatusTracker } from "../pipeline/status/status_tracker.ts";
import { DividedStreams, takeOverDivision } from "../pipeline/workers/division.ts";
import { NO_BARRIER } from "../pipeline/loop/barrier.ts";
import { dropBarrier } from "../pipeline/workers/drop_barrier.ts";
import type { Transport } from "../sink/connection/transport.ts";
import { type CountingTransport, countingWrites } from "../sink/connection/lost_writes.ts";
import { fenced, retrying } from "../sink/connection/wrappers.ts";
import { prepareSharedTables } from "../sink/metadata/metadata_tables.ts";
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
    await new Stream(connections, settings, { ...context, status, trace, emit, closing }).run();
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

interface StreamParts extends Required<StreamContext> {
  readonly closing: AsyncDisposableStack;
}

class Stream {
  readonly #connections: Connections;
  readonly #settings: RelaySettings;
  readonly #parts: StreamParts;
  /** Aborted with the error of what runs beside the loop. */
  readonly #failed = new AbortController();
  readonly #ended: AbortSignal;
  readonly #retries;
  /** Fails at once if the sink does. */
  readonly #raw: CountingTransport;
  /** Waits for the sink. */
  readonly #patient: Transport;

  constructor(connections: Connections, settings: RelaySettings, parts: StreamParts) {
    const { transport, clock, sinkOutages, mongodbOutages } = connections;
    const { signal, log, status, closing } = parts;
    this.#connections = connections;
    this.#settings = settings;
    this.#parts = parts;
    this.#ended = AbortSignal.any([signal, this.#failed.signal]);
    const shutdown = closing.use(new Shutdown(this.#ended));
    this.#retries = { shutdown, outages: sinkOutages, retryFor: settings.retryFor };
    this.#raw = closing.use(countingWrites(leftOpen(transport), { clock, log }));
    this.#patient = retrying(this.#raw, this.#retries);
    for (const system of [mongodbOutages, sinkOutages]) status.watch(system);
  }

  async run(): Promise<void> {
    const { log, closing } = this.#parts;
    const names = await this.#openMetadata();
    const source = await openSource(this.#connections, this.#settings, {
      retries: this.#retries,
      log,
      closing,
    });
    const position = await this.#acquire(names);
    const patient = retrying(fenced(this.#raw, () => position.check()), this.#retries);
    await this.#takeOverDivision(position, { names, patient });
    const tables = this.#openTables(source, { names, patient });
    const deps = this.#loopDeps({ names, source, position, patient, tables });
    await this.#follow(this.#streams(source), deps);
    if (this.#settings.snapshot === "only" && !this.#parts.signal.aborted) tables.failIfAny();
  }

  readonly #fail = (error: unknown): void => this.#failed.abort(error);

  /** Creates the relay's own tables. */
  async #openMetadata(): Promise<Names> {
    const { namesIn, sink } = this.#settings;
    const names = namesIn(this.#raw.dialect.schema ?? sink.schema);
    const schema = names.metadataSchema;
    const once = retrying(this.#raw, { ...this.#retries, retryFor: 0 });
    const stream = await savedName(once, { schema, stream: names.stream });
    await prepareSharedTables(once, schema);
    return { ...names, stream };
  }

  /** Takes the lease, and reports status and oplog from then on. */
  async #acquire({ metadataSchema: schema, stream }: Names): Promise<StreamPosition> {
    const { clock, heartbeat, route, mongodbClock } = this.#connections;
    const { signal, log, status, emit, closing } = this.#parts;
    const { lease, onHeld } = this.#settings;
    const reporter = new StatusReporter({ status, report: () => position.renew(), fail: this.#fail });
    const position: StreamPosition = closing.use(
      await StreamPosition.acquire(this.#patient, {
        schema,
        stream,
        lease,
        signal,
        log,
        clock,
        status: () => columnsOf(reporter.reported()),
        standsBy: onHeld === "wait",
        onWait: (owner) => emit({ type: "standingBy", schema, stream, owner }),
        isFree: () => !this.#raw.writing,
      }),
    );
    emit({ type: "leaseTaken", schema, stream, owner: position.owner });
    closing.use(position.keep(this.#fail));
    closing.use(heartbeat.add(reporter));
    await createStatusView(this.#patient, { schema, log });
    closing.use(watchOplog({ route, emit, clock, mongodbClock, log }));
    return position;
  }

  async #takeOverDivision(position: StreamPosition, { names, patient }: Fenced): Promise<void> {
    const { metadataSchema: schema, stream } = names;
    await takeOverDivision({
      streams: new DividedStreams(patient, { schema, stream }),
      position,
      settings: this.#settings,
      signal: this.#ended,
      log: this.#parts.log,
      clock: this.#connections.clock,
    });
  }

  #openTables({ causalReader, share }: Source, { names, patient }: Fenced): Collections {
    const { clock, memory, sinkOutages } = this.#connections;
    const { log, emit, closing } = this.#parts;
    const settings = this.#settings;
    const tables = new Collections({ patient, raw: this.#raw }, {
      names,
      settings,
      memory,
      causalReader,
      share,
      shardKeyOf: async (namespace) =>
        settings.for(namespace).key === "documentKey" ? await shardKeyOf(causalReader, namespace) : [],
      signal: this.#ended,
      log,
      clock,
      emit,
    });
    closing.use(tables.recoverDuring(sinkOutages, this.#fail));
    return tables;
  }

  #loopDeps({ names, source, position, patient, tables }: LoopParts): LoopDeps {
    const { clock, mongodbClock } = this.#connections;
    const { log, emit, trace } = this.#parts;
    const settings = this.#settings;
    const { metadataSchema: schema, stream } = names;
    const shared = { ...source, position, tables, settings, signal: this.#ended, log, clock };
    return {
      ...shared,
      repairs: new RequestedRepairs({
        ...shared,
        requests: new RepairRequests(patient, { schema, stream }),
        scope: settings.scope,
      }),
      barrier: settings.worker
        ? dropBarrier({ ...shared, read: (stream) => readPosition(patient, { schema, stream }) })
        : NO_BARRIER,
      emit,
      trace,
      mongodbClock,
    };
  }

  #streams({ example, share }: Source): OpenStream {
    const { deployment, features, mongodbOutages: outages } = this.#connections;
    const settings = this.#settings;
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
          signal: AbortSignal.any([this.#ended, left]),
          outages,
        }),
        settings,
      );
  }

  /** @throws the error of what runs beside the loop rather than that of the loop; nothing for a stop */
  async #follow(open: OpenStream, deps: LoopDeps): Promise<void> {
    const { signal, log } = this.#parts;
    const failed = this.#failed.signal;
    try {
      await follow(open, deps);
    } catch (error) {
      const reason = failed.aborted ? failed.reason : error;
      if (!signal.aborted || reason !== signal.reason) throw reason;
      log.warn(
        "Stopped while a batch was being applied: the next start resumes from the position saved before",
      );
    }
    if (failed.aborted && failed.reason !== signal.reason) throw failed.reason;
  }
}

interface Fenced {
  readonly names: Names;
  /** Waits for the sink, and checks the lease before each statement. */
  readonly patient: Transport;
}

interface LoopParts extends Fenced {
  readonly source: Source;
  readonly position: StreamPosition;
  readonly tables: Collections;
}

/** The same transport, which other streams use too, so this one does not close it. */
const leftOpen = (transport: Transport): Transport => ({
  dialect: transport.dialect,
  query: (...statement) => transport.query(...statement),
  async [Symbol.asyncDispose]() {},
});
