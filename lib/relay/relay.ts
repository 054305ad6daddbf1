/**
 * `cdc-relay`: connects both databases and keeps the tables identical to the collections. Here everything is put
 * together; what happens then is in `replication_loop.ts`.
 *
 * Delivery is at least once and writes are idempotent, so the tables end up as if each change had been applied exactly
 * once: a position is saved only after CrateDB has confirmed every row before it.
 */
import { openTransport } from "../sink/connection/open_transport.ts";
import { sinkDescription } from "../sink/connection/sink_description.ts";
import { countingWrites, fenced, retrying } from "../sink/connection/wrappers.ts";
import { DeadLetters } from "../sink/metadata/dead_letters.ts";
import { DividedStreams } from "../sink/metadata/divided_streams.ts";
import { FollowedCollections } from "../sink/metadata/followed_collections.ts";
import { RepairRequests } from "../sink/metadata/repair_requests.ts";
import { savedName } from "../sink/metadata/saved_name.ts";
import { readPosition } from "../sink/metadata/saved_position.ts";
import { createStatusView } from "../sink/metadata/status_view.ts";
import { StreamPosition } from "../sink/metadata/stream_position.ts";
import { CausalReader } from "../source/connection/causal_reader.ts";
import { changeStream } from "../source/stream/change_stream.ts";
import { collectionsOf } from "../source/documents/collections.ts";
import { Deployment } from "../source/connection/deployment.ts";
import { DocumentReader } from "../source/documents/documents.ts";
import { RangeSplitter } from "../source/documents/key_ranges.ts";
import { isHistoryLost, OtherDeploymentError } from "../source/connection/mongodb_errors.ts";
import { OwnKeys } from "../source/documents/own_keys.ts";
import { lostSince, savedToken } from "../source/stream/resume_token.ts";
import { ServerClock } from "../source/connection/server_clock.ts";
import { serverDescription } from "../source/connection/server_description.ts";
import { shardKeyOf } from "../source/documents/shard_key.ts";
import { FeatureTrial } from "../source/connection/stream_features.ts";
import { catalogueOf } from "../source/documents/unmatched.ts";
import { type Clock, SYSTEM_CLOCK } from "../util/clock.ts";
import { messageOf, UserError } from "../util/errors.ts";
import { type Logger, QUIET } from "../util/log.ts";
import { OutageTracker } from "../util/outage.ts";
import { Shutdown } from "../util/shutdown.ts";
import { bufferBatches } from "../pipeline/loop/batcher.ts";
import { takeOverDivision } from "../pipeline/workers/division.ts";
import { DropBarrier } from "../pipeline/workers/drop_barrier.ts";
import { Heartbeat } from "../pipeline/status/heartbeat.ts";
import { type Emit, emitter } from "../pipeline/status/events.ts";
import { watchOplog } from "../pipeline/status/oplog_watch.ts";
import { checkOriginNow } from "../pipeline/loop/origin.ts";
import { RequestedRepairs } from "../pipeline/collections/repair.ts";
import { type LoopDeps, replicate } from "../pipeline/loop/replication_loop.ts";
import type { RelaySettings } from "../pipeline/settings.ts";
import { SnapshotBreaker } from "../pipeline/snapshot/snapshot_breaker.ts";
import { parseSnapshotState, snapshotStateText } from "../pipeline/snapshot/saved_snapshot.ts";
import { fullSnapshot, snapshotAtStart, type SnapshotState } from "../pipeline/snapshot/snapshot_state.ts";
import { type Trace, UNTRACED } from "../pipeline/status/stages.ts";
import { columnsOf, StatusTracker } from "../pipeline/status/status_tracker.ts";
import { TableRegistry } from "../pipeline/collections/table_registry.ts";
import { warnOfUnmatched } from "./warn_of_unmatched.ts";
import { withStream } from "../pipeline/loop/with_stream.ts";

export interface RelayContext {
  /** Kept up to date, and saved with the position. @default {one of the relay's own} */
  readonly status?: StatusTracker;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly emit: Emit;
  /** @default {untraced} */
  readonly trace?: Trace;
  /** @default {the system's} */
  readonly clock?: Clock;
}

/**
 * Takes a snapshot of what is there, then follows the changes until the signal is aborted.
 *
 * @throws UserError, SinkError, MongoError; all of them described by `describe()`
 */
export async function relay(settings: RelaySettings, context: RelayContext): Promise<void> {
  const { signal, trace = UNTRACED, clock = SYSTEM_CLOCK } = context;
  const status = context.status ?? new StatusTracker(clock);
  // The last that is written is how the relay has ended.
  await using closing = new AsyncDisposableStack();
  const emit = emitter(status.listen, context.emit);
  try {
    await connectAndRun(settings, { ...context, trace, clock, status, emit, closing });
    emit({ type: "ended" });
  } catch (error) {
    if (signal.aborted && error === signal.reason) emit({ type: "ended" });
    else emit({ type: "ended", error });
    throw error;
  }
}

interface RunContext extends Required<RelayContext> {
  readonly closing: AsyncDisposableStack;
}

async function connectAndRun(settings: RelaySettings, context: RunContext): Promise<void> {
  const { signal, log, emit, trace, clock, status, closing } = context;
  const failed = new AbortController();
  const fail = (error: unknown) => failed.abort(error);
  const ended = AbortSignal.any([signal, failed.signal]);
  const starting = closing.use(new Shutdown(signal));
  const shutdown = closing.use(new Shutdown(ended));
  const mongodbOutages = new OutageTracker({ system: "MongoDB", emit, clock });
  status.watch(mongodbOutages);
  const { retryFor, lease } = settings;

  // The sink: `raw` fails at once, `patient` waits for CrateDB and asks for the lease before each statement.
  const raw = closing.use(countingWrites(await starting.limit(openTransport(settings.sink)), { clock, log }));
  log.info(`Connected to ${raw.dialect.name}`, await starting.limit(sinkDescription(raw, settings.sink)));
  const sinkOutages = new OutageTracker({ system: raw.dialect.name, emit, clock });
  status.watch(sinkOutages);
  const retries = { shutdown, outages: sinkOutages, retryFor };
  const heartbeat = new Heartbeat({
    mongodb: mongodbOutages,
    sink: sinkOutages,
    status,
    ask: () => retrying(raw, { ...retries, shutdown: asking }).query("SELECT 1"),
    fail,
    clock,
  });
  const asking: Shutdown = closing.use(new Shutdown(AbortSignal.any([ended, heartbeat.closed])));
  closing.use(heartbeat.start());
  const asked = settings.namesIn(raw.dialect.schema ?? settings.sink.schema);
  const schema = asked.metadataSchema;
  const once = retrying(raw, { ...retries, retryFor: 0 });
  const names = { ...asked, stream: await savedName(once, { schema, stream: asked.stream }) };
  await DeadLetters.prepare(once, { schema });
  await FollowedCollections.prepare(once, { schema });
  await RepairRequests.prepare(once, { schema });

  // The source.
  const deployment = closing.use(await starting.limit(Deployment.connect(settings.mongodbUrl)));
  const route = deployment.route();
  const causalReader = closing.use(
    new CausalReader(deployment.route(), { shutdown, outages: mongodbOutages, retryFor }),
  );
  log.info("Connected to MongoDB", await serverDescription(causalReader, settings.mongodbUrl));
  const mongodbClock = await ServerClock.read(causalReader, clock);
  const features = new FeatureTrial((refused) =>
    log.info("MongoDB refuses a feature: going on without it", { refused: refused.join(", ") })
  );
  const reader = new DocumentReader(causalReader, {
    transform: settings.transform,
    size: settings.batchSize,
    replyBytes: settings.replyBytes,
    idsRepeat: settings.key === "documentKey",
    worker: settings.worker,
  });
  const ownKeys = new OwnKeys(causalReader, settings.worker);
  const found = await collectionsOf(causalReader, settings.scope, { log: QUIET });
  const [readable = { database: settings.scope.only.database ?? "admin", collection: "none" }] = found;
  await ownKeys.check(readable);
  log.info(`Following ${settings.scope}`, { collections: found.length });
  await warnOfUnmatched({ scope: settings.scope, found, catalogue: catalogueOf(causalReader), log });

  const position = closing.use(
    await StreamPosition.acquire(retrying(raw, retries), {
      schema,
      stream: names.stream,
      lease,
      signal,
      log,
      clock,
      status: () => columnsOf(heartbeat.reported()),
      standsBy: settings.onHeld === "wait",
      onWait: (owner) => emit({ type: "standingBy", schema, stream: names.stream, owner }),
      isFree: () => !raw.writing,
    }),
  );
  emit({ type: "leaseTaken", schema, stream: names.stream, owner: position.owner });
  closing.use(position.keep(fail));
  closing.use(heartbeat.reportBy(() => position.report()));
  await createStatusView(retrying(raw, retries), { schema, log });
  closing.use(watchOplog({ route: deployment.route(), emit, clock, mongodbClock, log }));
  const patient = retrying(fenced(raw, () => position.check()), retries);
  await takeOverDivision({
    streams: new DividedStreams(patient, { schema, stream: names.stream }),
    position,
    settings,
    signal: ended,
    log,
    clock,
  });
  const tables = new TableRegistry({ patient, raw }, {
    names,
    settings,
    causalReader,
    ownKeys,
    shardKeyOf: async (namespace) =>
      settings.key === "documentKey" ? await shardKeyOf(causalReader, namespace) : [],
    signal: ended,
    log,
    clock,
    emit,
  });
  closing.use(tables.recoverDuring(sinkOutages, fail));

  const breaker = new SnapshotBreaker(clock);
  const told = emitter(emit, breaker.listen);
  const requests = new RepairRequests(patient, { schema, stream: names.stream });
  const deps = {
    causalReader,
    reader,
    splitter: new RangeSplitter(causalReader, { lanes: settings.snapshotLanes, log }),
    tables,
    ownKeys,
    repairs: new RequestedRepairs({ requests, reader, ownKeys, tables, scope: settings.scope, clock, log }),
    barrier: new DropBarrier({
      position,
      tables,
      read: (stream) => readPosition(patient, { schema, stream }),
      settings,
      signal: ended,
      log,
      clock,
    }),
    position,
    settings,
    signal: ended,
    log,
    emit: told,
    trace,
    clock,
    mongodbClock,
    breaker,
  };
  try {
    await run(deps, (startAfter, left) =>
      bufferBatches(
        changeStream({
          ...settings,
          route,
          features,
          fullDocument: settings.transform.length > 0 ? "none" : settings.fullDocument,
          startAfter,
          signal: AbortSignal.any([ended, left]),
          outages: mongodbOutages,
        }),
        settings,
      ));
  } catch (error) {
    const isStop = signal.aborted && (failed.signal.aborted ? failed.signal.reason : error) === signal.reason;
    if (!isStop) throw failed.signal.aborted ? failed.signal.reason : error;
    log.warn(
      "Stopped while a batch was being applied: the next start resumes from the position saved before",
    );
  }
  if (failed.signal.aborted && failed.signal.reason !== signal.reason) throw failed.signal.reason;
  if (settings.snapshot === "only" && !signal.aborted) tables.leftOut.failIfAny();
}

/** @param left ends the stream, also while it waits for MongoDB */
type OpenStream = (startAfter: Uint8Array | null, left: AbortSignal) => ReturnType<typeof bufferBatches>;

interface RunDeps extends LoopDeps {
  readonly breaker: SnapshotBreaker;
}

/** Follows one stream after the other: where history is lost, a new one begins with a snapshot. */
async function run(deps: RunDeps, open: OpenStream): Promise<void> {
  const { position, tables, settings, log } = deps;
  const { token, snapshot: saved } = position.state;
  const isAgain = settings.snapshot === "always" && token !== null;
  let snapshot = snapshotAtStart(saved === null ? null : parseSnapshotState(saved), settings.snapshot, {
    hasToken: token !== null,
    hadTables: token === null && await tables.hadTables(),
  });
  // All documents are read again, so the changes since the saved position are not needed.
  if (isAgain && snapshot) await startOver(snapshot, position);
  while (true) {
    const startAfter = position.state.token === null ? null : savedToken(position.state.token);
    const { stream } = position;
    log.info(startAfter ? "Resuming from the saved position" : "Opening a new change stream", { stream });
    try {
      return await withStream(
        (left) => open(startAfter, left),
        (batches) => replicate(batches, snapshot, deps),
      );
    } catch (error) {
      if (!isHistoryLost(error)) throw error;
      snapshot = await snapshotForLostHistory(await reasonOf(error, deps), deps);
    }
  }
}

/**
 * Why history is lost: the error, or that the deployment is another one.
 *
 * @throws UserError if it is another one and its documents may not replace the rows
 */
async function reasonOf(error: unknown, deps: RunDeps): Promise<unknown> {
  if (error instanceof OtherDeploymentError) return error;
  try {
    await checkOriginNow(deps);
    return error;
  } catch (other) {
    if (other instanceof OtherDeploymentError) return other;
    throw other;
  }
}

/** @returns the state of the snapshot that replaces the changes which cannot be read any more */
async function snapshotForLostHistory(
  error: unknown,
  { position, settings, log, breaker, emit }: RunDeps,
): Promise<SnapshotState> {
  const since = position.state.token === null ? undefined : lostSince(savedToken(position.state.token));
  if (settings.onHistoryLost === "fail" && !(error instanceof OtherDeploymentError)) {
    throw new UserError(`MongoDB no longer has the changes since ${since ?? "the saved position"}.`, {
      hint: "The oplog has moved on. --on-history-lost recopy takes a new snapshot; a larger oplog " +
        "(replSetResizeOplog) keeps it from happening.",
      cause: error,
    });
  }
  breaker.historyLost();
  emit({ type: "historyLost" });
  log.warn("MongoDB no longer has the changes since the saved position: taking a new snapshot", {
    since,
    because: messageOf(error),
  });
  const snapshot = fullSnapshot({ removesGone: true });
  await startOver(snapshot, position);
  return snapshot;
}

/** The next stream begins now, with this snapshot. */
const startOver = (snapshot: SnapshotState, position: StreamPosition): Promise<void> =>
  position.save({ token: null, snapshot: snapshotStateText(snapshot), origin: null, barrier: null });
