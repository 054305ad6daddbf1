/**
 * Makes a stream from the connections and its settings, and runs it.
 *
 * Delivery is at least once and writes are idempotent, so the tables end up as if each change had been applied exactly
 * once: a position is saved only after CrateDB has confirmed every row before it.
 */
import type { BSON } from "mongodb";
import { Collections } from "../pipeline/collections/collections.ts";
import { follow } from "../pipeline/loop/follow.ts";
import type { BetweenBatches, Verbs } from "../pipeline/control/verb.ts";
import type { Steering } from "../pipeline/control/steering.ts";
import type { Names, RelaySettings } from "../pipeline/settings.ts";
import { type Emit, emitter, on, type RelayEvent } from "../pipeline/status/events.ts";
import { eventRecorder, EventWriter } from "../pipeline/status/event_recorder.ts";
import { StatusReporter } from "../pipeline/status/heartbeat.ts";
import { oplogReader, watchOplog } from "../pipeline/status/oplog_watch.ts";
import { type Trace, UNTRACED } from "../pipeline/status/stages.ts";
import { columnsOf } from "../pipeline/status/relay_status.ts";
import { StatusTracker } from "../pipeline/status/status_tracker.ts";
import { DividedStreams, takeOverDivision } from "../pipeline/workers/division.ts";
import { dropBarrier } from "../pipeline/workers/drop_barrier.ts";
import type { Transport } from "../sink/connection/transport.ts";
import { countingWrites } from "../sink/connection/lost_writes.ts";
import { fenced, paced, retrying } from "../sink/connection/wrappers.ts";
import { WritePace } from "../sink/connection/write_pace.ts";
import { EventLog } from "../sink/metadata/event_log.ts";
import { prepareTables } from "../sink/metadata/metadata_tables.ts";
import { readSettings, saveSettings } from "../sink/metadata/saved_settings.ts";
import { readPosition, savedName } from "../sink/metadata/saved_position.ts";
import { createStatusView } from "../sink/metadata/status_view.ts";
import { StreamPosition } from "../sink/metadata/stream_position.ts";
import { shardKeyOf } from "../source/documents/collections.ts";
import type { Logger } from "../util/log.ts";
import { messageOf, UsageError } from "../util/errors.ts";
import type { Liveness } from "../util/outage.ts";
import { Shutdown } from "../util/shutdown.ts";
import type { ConnectionPool, Connections } from "./connect.ts";
import { askAtStart } from "./probes/start.ts";
import type { Configured, StreamSettings } from "./stream_settings.ts";
import { openControl, type StreamControl } from "./stream_control.ts";
import { openerOf, openSource, type StreamSource } from "./stream_source.ts";

export interface StreamContext {
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly emit: Emit;
  /** Kept up to date, and saved with the position. @default {one that only the stream uses} */
  readonly status?: StatusTracker;
  /** @default {untraced} */
  readonly trace?: Trace;
  /** The name in the file, by which requests may mean the stream. @default {none} */
  readonly name?: string;
  /** The error as the user is shown it. @default {the same} */
  readonly reworded?: (error: unknown) => unknown;
  /** Verbs that need more than the pipeline. @default {none} */
  readonly verbs?: Verbs;
}

/**
 * Connects, takes a snapshot of the existing documents, then follows the changes until the signal is aborted.
 *
 * @throws UserError, SinkError, MongoError; the signal's reason
 */
export async function runStream(
  pool: Pick<ConnectionPool, "connect" | "clock">,
  settings: StreamSettings,
  context: StreamContext,
): Promise<void> {
  const { signal, status = new StatusTracker(pool.clock), trace = UNTRACED, reworded } = context;
  const { namesIn, sink } = settings.current.settings;
  const recording = { clock: pool.clock, log: context.log, emit: (event: RelayEvent) => emit(event) };
  const recorder = eventRecorder({ ...recording, status, stream: namesIn(sink.schema).stream });
  const events = new EventWriter(recording);
  const emit = emitter(status.listen, recorder, events.listen, context.emit);
  // Closed after the end is emitted: the status written last has the end of the stream.
  await using closing = new AsyncDisposableStack();
  try {
    const watch = (system: Liveness) => status.watch(system);
    const connections = closing.use(await pool.connect(settings.current.settings, { emit, watch }));
    await run(connections, settings, { ...context, status, trace, emit, closing, events });
    emit({ type: "ended" });
  } catch (error) {
    const isEnd = isEndedBy(signal, error);
    const shown = isEnd || !reworded ? error : reworded(error);
    emit({ type: "ended", error: isEnd ? undefined : shown });
    throw shown;
  }
}

/** Whether the error is that of an operation which the signal has ended. */
export const isEndedBy = ({ aborted, reason }: AbortSignal, error: unknown): boolean =>
  aborted && (error === reason || error instanceof Error && error.name === "AbortError");

interface RunContext extends StreamContext {
  readonly status: StatusTracker;
  readonly trace: Trace;
  readonly events: EventWriter;
  readonly closing: AsyncDisposableStack;
}

/** Each turn of the loop has other settings; the lease is kept. */
async function run(connections: Connections, settings: StreamSettings, context: RunContext): Promise<void> {
  const { signal, status, log } = context;
  const failed = new AbortController();
  const parts = partsOf(connections, settings.current.settings, context, failed);
  const names = await openMetadata(parts);
  let position: StreamPosition | undefined;
  let control: StreamControl | undefined;
  while (true) {
    await control?.betweenTerms();
    failed.signal.throwIfAborted();
    if (control?.steering.isStopping || control && signal.aborted) break;
    const { replaced } = settings;
    await using closing = new AsyncDisposableStack();
    const term = { ...termOf(parts, settings, closing), until: control?.steering.until };
    status.writeLimits = term.limits;
    try {
      const source = await openSource(term);
      if (!position) {
        position = await acquire(parts, names);
        const side = { ...term, ...source, names, skipped: [] };
        askAtStart(side, { ...parts, isFirst: position.state.token === null });
        const own = { schema: names.metadataSchema, stream: names.stream };
        control = context.closing.use(openControl({ ...parts, settings, names: own, position }));
        await control.begun(term.signal);
      }
      // A standby may have waited for long.
      if (control?.steering.isPaused) settings.replace(settings.current);
      if (!replaced.aborted && control) {
        await followFor({ ...term, ...source, names, position, steering: control.steering });
      }
    } catch (error) {
      // What runs beside the loop explains the error of the loop.
      failed.signal.throwIfAborted();
      const { current, proven } = settings;
      if (error instanceof UsageError && proven && proven !== current && !replaced.aborted) {
        const { message, hint } = error;
        log.error("The new settings were refused: going on with those before", { error: message, hint });
        settings.replace(proven);
      } else if (!isEndedBy(replaced, error) && !signal.aborted && control?.steering.failStop(error)) {
        log.warn("The stream cannot stop at the time that was asked for: it goes on", {
          error: messageOf(error),
        });
      } else if (!isEndedBy(replaced, error) && !(position && isEndedBy(signal, error))) {
        throw error;
      } else if (position) {
        log.warn("Stopped without finishing a batch: the next start resumes from the saved position");
      }
    }
    failed.signal.throwIfAborted();
    if (!replaced.aborted || signal.aborted) break;
    await closing.disposeAsync();
    // A late write must not replace a newer one of the same row.
    await parts.retries.shutdown.limit(parts.raw.idle(), () => 0);
  }
  if (!signal.aborted) await control?.stopped();
}

/** The parts while the settings are the present ones. */
function termOf(parts: Parts, settings: StreamSettings, closing: AsyncDisposableStack): Term {
  const { replaced, current, proven } = settings;
  const signal = AbortSignal.any([parts.signal, replaced]);
  const prove = () => settings.proven = current;
  return {
    ...parts,
    ...current,
    limits: new WritePace(current.settings, parts.clock),
    goesOn: proven !== undefined,
    signal,
    closing,
    retries: { ...parts.retries, shutdown: closing.use(new Shutdown(signal)) },
    fail: (error) => isEndedBy(replaced, error) || parts.fail(error),
    emit: emitter(
      on({ snapshotProgress: prove, ready: prove }),
      (event) => event.type === "stopped" && replaced.aborted || parts.emit(event),
    ),
  };
}

/** Follows the stream until it ends, or other settings replace these. */
async function followFor(term: Opening): Promise<void> {
  const { names, position, settings, content, signal, closing, sinkOutages, fail } = term;
  const over = new AbortController();
  closing.defer(() => over.abort(signal.reason));
  const check = async () => {
    await position.check();
    // A statement that still waits here was given up.
    over.signal.throwIfAborted();
  };
  const fencing = fenced(paced(term.raw, term.limits, term), check, term.raw);
  const patient = retrying(fencing, term.retries);
  const opened = { ...term, patient };
  const stream = { schema: names.metadataSchema, stream: names.stream };
  await takeOverDivision({ ...opened, streams: new DividedStreams(patient, stream) });
  const tables = openTables(opened);
  closing.use(tables.recoverDuring(sinkOutages, fail));
  const before = content && await readSettings(patient, stream);
  const outdated = {
    includes: content && before !== undefined ? content.isOutdated(before) : () => false,
    planned: async () => {
      if (content && before !== content.text) {
        await saveSettings(patient, { ...stream, settings: content.text });
      }
    },
  };
  await follow(openerOf(opened), { ...loopDeps(opened, tables), outdated });
  if (settings.snapshot === "only" && !signal.aborted) tables.states.failIfAny();
}

type Parts = ReturnType<typeof partsOf>;

type Term = Parts & Configured & { readonly goesOn: boolean; readonly limits: WritePace };

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
    oplog: oplogReader(connections),
    fail: (error: unknown): void => {
      if (!isEndedBy(context.signal, error)) failed.abort(error);
    },
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
  await prepareTables(once, schema, "cdc_position");
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
  closing.use(parts.events).log = new EventLog(parts.transport, schema);
  closing.use(parts.heartbeat.add(parts.events));
  await createStatusView(patient, { schema, log });
  closing.use(watchOplog(parts));
  return position;
}

type Opening = Omit<Opened, "patient">;

type Opened = Term & StreamSource & {
  readonly steering: Steering;
  readonly until: BSON.Timestamp | undefined;
  readonly names: Names;
  readonly position: StreamPosition;
  /** Waits for the sink, and checks the lease before each statement. */
  readonly patient: Transport;
};

const openTables = (opened: Opened): Collections =>
  new Collections(opened, {
    ...opened,
    shardKeyOf: async (namespace) =>
      opened.settings.for(namespace).key === "documentKey"
        ? await shardKeyOf(opened.causalReader, namespace)
        : [],
    bytesOf: opened.sizes.take,
  });

function loopDeps(opened: Opened, tables: Collections) {
  const { names: { metadataSchema: schema }, patient, settings: { worker } } = opened;
  const deps = { ...opened, tables };
  const read = (stream: string) => readPosition(patient, { schema, stream });
  return {
    ...deps,
    between: (loop: BetweenBatches) => opened.steering.runBetween(loop),
    ...worker && { barrier: dropBarrier({ ...deps, read }) },
  };
}

/** The same transport, which other streams use too, so this one does not close it. */
const leftOpen = (transport: Transport): Transport => ({
  dialect: transport.dialect,
  query: (...statement) => transport.query(...statement),
  async [Symbol.asyncDispose]() {},
});
