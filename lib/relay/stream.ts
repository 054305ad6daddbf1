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
import type { Outdated } from "../pipeline/loop/startup.ts";
import type { Names, RelaySettings } from "../pipeline/settings.ts";
import { type Emit, emitter, on, type RelayEvent } from "../pipeline/status/events.ts";
import { StatusReporter } from "../pipeline/status/heartbeat.ts";
import { watchOplog } from "../pipeline/status/oplog_watch.ts";
import { type Trace, UNTRACED } from "../pipeline/status/stages.ts";
import { columnsOf } from "../pipeline/status/relay_status.ts";
import { StatusTracker } from "../pipeline/status/status_tracker.ts";
import { DividedStreams, takeOverDivision } from "../pipeline/workers/division.ts";
import { dropBarrier } from "../pipeline/workers/drop_barrier.ts";
import type { Transport } from "../sink/connection/transport.ts";
import { countingWrites } from "../sink/connection/lost_writes.ts";
import { fenced, paced, retrying } from "../sink/connection/wrappers.ts";
import { WritePace } from "../sink/connection/write_pace.ts";
import { prepareSharedTables } from "../sink/metadata/metadata_tables.ts";
import { RepairRequests } from "../sink/metadata/repair_requests.ts";
import { SavedSettings } from "../sink/metadata/saved_settings.ts";
import { readPosition, savedName } from "../sink/metadata/saved_position.ts";
import { createStatusView } from "../sink/metadata/status_view.ts";
import { StreamPosition } from "../sink/metadata/stream_position.ts";
import { openBulkReader } from "../source/connection/bulk_reader.ts";
import { CausalReader } from "../source/connection/causal_reader.ts";
import { collectionsOf, shardKeyOf } from "../source/documents/collections.ts";
import { storageOf } from "../source/documents/sample.ts";
import { DocumentReader } from "../source/documents/documents.ts";
import { rangeSplitter } from "../source/documents/key_ranges.ts";
import { openShare } from "../pipeline/workers/worker_share.ts";
import type { Scope } from "../source/documents/scope.ts";
import { type Catalogue, catalogueOf, namesText, unmatchedNames } from "../source/documents/unmatched.ts";
import { type Logger, QUIET } from "../util/log.ts";
import type { Namespace } from "../util/namespace.ts";
import { changeStream } from "../source/stream/change_stream.ts";
import { requestedDocument } from "../source/stream/requested_document.ts";
import { Shutdown } from "../util/shutdown.ts";
import type { Connections } from "./connect.ts";
import { askAtStart } from "./probes/start.ts";
import type { Configured, Content, StreamSettings } from "./stream_settings.ts";

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
  settings: StreamSettings,
  context: StreamContext,
): Promise<void> {
  const { signal, status = new StatusTracker(connections.clock), trace = UNTRACED } = context;
  const begin = () => settings.hasBegun = true;
  const emit = emitter(status.listen, context.emit, on({ snapshotProgress: begin, ready: begin }));
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

/** Each turn of the loop has other settings; the lease is kept. */
async function run(connections: Connections, settings: StreamSettings, context: RunContext): Promise<void> {
  const { signal, status } = context;
  const { sinkOutages, mongodbOutages } = connections;
  const failed = new AbortController();
  const parts = partsOf(connections, settings.current.settings, context, failed);
  for (const system of [mongodbOutages, sinkOutages]) status.watch(system);
  await askAtStart(connections, settings.current.settings, parts);
  const names = await openMetadata(parts);
  let position: StreamPosition | undefined;
  for (let isReplaced = true; isReplaced;) {
    const { replaced } = settings;
    await using closing = new AsyncDisposableStack();
    const term = termOf(parts, settings, closing);
    status.writeLimits = term.limits;
    try {
      const source = await openSource(term);
      position ??= await acquire(parts, names);
      // A standby may have waited for long.
      if (!replaced.aborted) await followFor({ ...term, ...source, names, position });
    } catch (error) {
      // What runs beside the loop explains the error of the loop.
      const reason = failed.signal.aborted ? failed.signal.reason : error;
      const isReload = replaced.aborted && reason === replaced.reason;
      if (!isReload && !(position && signal.aborted && reason === signal.reason)) throw reason;
      if (position) {
        parts.log.warn(
          "Stopped while a batch was being applied: the next start resumes from the position saved before",
        );
      }
    }
    if (failed.signal.aborted && failed.signal.reason !== signal.reason) throw failed.signal.reason;
    isReplaced = replaced.aborted && !signal.aborted;
    // A late write must not replace a newer one of the same row.
    if (isReplaced) await parts.retries.shutdown.limit(parts.raw.idle(), () => 0);
  }
}

/** The parts while the settings are the present ones. */
function termOf(parts: Parts, settings: StreamSettings, closing: AsyncDisposableStack): Term {
  const { replaced } = settings;
  const signal = AbortSignal.any([parts.signal, replaced]);
  return {
    ...parts,
    ...settings.current,
    limits: new WritePace(settings.current.settings, parts.clock),
    goesOn: settings.hasBegun,
    signal,
    closing,
    retries: { ...parts.retries, shutdown: closing.use(new Shutdown(signal)) },
    emit: (event) => {
      const goesOn = replaced.aborted && !parts.signal.aborted;
      if (event.type !== "stopped" || !goesOn) parts.emit(event);
    },
  };
}

/** Follows the stream with these settings. */
async function followFor(term: Term & Source & Pick<Opened, "names" | "position">): Promise<void> {
  const { names, position, settings, signal, closing, sinkOutages, fail } = term;
  const fencing = fenced(paced(term.raw, term.limits, term), () => position.check(), term.raw);
  const patient = retrying(fencing, term.retries);
  const opened = { ...term, patient };
  const streams = new DividedStreams(patient, { schema: names.metadataSchema, stream: names.stream });
  await takeOverDivision({ ...opened, streams });
  const tables = openTables(opened);
  closing.use(tables.recoverDuring(sinkOutages, fail));
  const outdated = term.content && await outdatedWith(term.content, opened);
  await follow(openerOf(opened), { ...loopDeps(opened, tables), ...outdated && { outdated } });
  if (settings.snapshot === "only" && !signal.aborted) tables.states.failIfAny();
}

/** The collections whose rows need a snapshot, by the settings that were saved last, and the saving of these. */
async function outdatedWith(
  { text, isOutdated }: Content,
  { patient, names: { metadataSchema: schema, stream } }: Pick<Opened, "patient" | "names">,
): Promise<Outdated> {
  const saved = await SavedSettings.open(patient, { schema, stream });
  const before = await saved.read();
  return {
    includes: before === undefined ? () => false : isOutdated(before),
    planned: async () => {
      if (before !== text) await saved.save(text);
    },
  };
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
  await prepareSharedTables(once, schema);
  return { ...names, stream };
}

type Source = Awaited<ReturnType<typeof openSource>>;

/** What the stream reads from MongoDB. `examples` are the collections that exist, or one that could. */
async function openSource({ deployment, mongodbOutages, settings, content, retries, log, closing }: Term) {
  const { scope, worker, batchSize, replyBytes, snapshotLanes: lanes, snapshotOrder: order } = settings;
  const { snapshotReadPreference: preference } = settings;
  const reading = { ...retries, outages: mongodbOutages };
  const causalReader = closing.use(new CausalReader(deployment.route(), reading));
  const bulkReader = closing.use(
    await openBulkReader(causalReader, { ...reading, deployment, preference, log }),
  );
  const found = await collectionsOf(causalReader, scope, { log: QUIET });
  const example = { database: scope.only.database ?? "admin", collection: "none" };
  const examples: readonly [Namespace, ...Namespace[]] = [found[0] ?? example, ...found.slice(1)];
  const share = await openShare(worker, { reader: causalReader, namespace: examples[0] });
  log.info(`Following ${scope}`, { collections: found.length });
  await warnOfUnmatched({ scope, found, catalogue: catalogueOf(causalReader), log });
  for (const name of content?.unmatched(found) ?? []) {
    log.warn("Settings below collections are for no collection yet", { name });
  }
  const documents = { for: settings.for, size: batchSize, replyBytes, share, log };
  return {
    causalReader,
    bulkReader,
    reader: new DocumentReader(causalReader, documents),
    chunks: new DocumentReader(bulkReader, documents),
    splitter: rangeSplitter(bulkReader, { lanes, log, order }),
    share,
    examples,
  };
}

/**
 * Warns of a name in the scope that matches nothing: it may be a typing error.
 *
 * @example
 * IN: shop.ordrs, which does not exist
 * OUT: WARN No collection matches yet name=ordrs existing="orders, users" did_you_mean=orders
 */
export async function warnOfUnmatched({ scope, found, catalogue, log }: {
  readonly scope: Scope;
  /** The collections that match the scope. */
  readonly found: readonly Namespace[];
  readonly catalogue: Catalogue;
  readonly log: Logger;
}): Promise<void> {
  const unmatched = await unmatchedNames(scope, found, catalogue);
  for (const { kind, name, existing, similar } of unmatched) {
    // In an empty MongoDB no name can be a mistake for another one.
    const level = existing.length > 0 ? "warn" : "info";
    log[level](`No ${kind} matches yet`, { name, existing: namesText(existing), did_you_mean: similar });
  }
  if (found.length === 0 && unmatched.length === 0) {
    log.warn("The scope has no collection yet that can be followed", { scope: `${scope}` });
  }
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

type Opened = Term & Source & {
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
    bytesOf: async (namespace) => (await storageOf(namespace, opened.causalReader))?.bytes,
  });

function loopDeps(opened: Opened, tables: Collections) {
  const { names: { metadataSchema: schema, stream }, patient, settings: { scope, worker } } = opened;
  const deps = { ...opened, tables };
  const requests = new RepairRequests(patient, { schema, stream });
  const read = (stream: string) => readPosition(patient, { schema, stream });
  return {
    ...deps,
    repairs: new RequestedRepairs({ ...deps, requests, scope }),
    ...worker && { barrier: dropBarrier({ ...deps, read }) },
  };
}

function openerOf(
  { settings, signal, deployment, features, mongodbOutages, share, examples }: Opened,
): OpenStream {
  const route = deployment.route();
  const fullDocument = requestedDocument(examples.map((each) => settings.for(each)));
  return (startAfter, left) =>
    bufferBatches(
      changeStream({
        ...settings,
        route,
        share,
        features,
        fullDocument,
        startAfter,
        signal: AbortSignal.any([signal, left]),
        outages: mongodbOutages,
      }),
      settings,
    );
}

/** The same transport, which other streams use too, so this one does not close it. */
const leftOpen = (transport: Transport): Transport => ({
  dialect: transport.dialect,
  query: (...statement) => transport.query(...statement),
  async [Symbol.asyncDispose]() {},
});
