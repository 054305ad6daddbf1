/**
 * `cdc-relay`: the way of a document from MongoDB into CrateDB, whole, in one place.
 *
 * Delivery is at least once and writes are idempotent, so the state of the tables is exactly once: a position is
 * saved only after CrateDB has confirmed every row before it.
 */
import { setTimeout as delay } from "node:timers/promises";
import { BSON, type MongoClient } from "mongodb";
import { Checkpoint } from "./checkpoint.ts";
import { handleCollectionEvent } from "./collection_events.ts";
import type { RelaySettings } from "./settings.ts";
import { Copy, makesGood, wholeCopy, withAgain } from "./snapshot.ts";
import { messageOf, UserError } from "../util/errors.ts";
import type { DocumentState } from "./table_applier.ts";
import type { Logger } from "../util/log.ts";
import { createProgress } from "./progress.ts";
import { unlessLate } from "../util/retry.ts";
import { DeadLetters } from "../sink/metadata/dead_letters.ts";
import { FollowedCollections } from "../sink/metadata/followed_collections.ts";
import { Position } from "../sink/metadata/stream_position.ts";
import { countingWrites, fenced, retrying } from "../sink/connection/wrappers.ts";
import { openTransport } from "../sink/connection/open_transport.ts";
import { type ChangeBatch, changeStream } from "../source/change_stream.ts";
import { collectionsOf, estimatedCount } from "../source/collections.ts";
import { DocumentReader } from "../source/documents.ts";
import type { DocumentChange } from "../source/event.ts";
import { bufferBatches } from "./batcher.ts";
import { closeMongodb, connectMongodb } from "../source/mongodb.ts";
import { deploymentOf, identityOf, isOtherDeployment } from "../source/source_identity.ts";
import { CausalReader } from "../source/causal_reader.ts";
import { sample } from "../source/sample.ts";
import { type Namespace, namespaceText } from "../namespace.ts";
import { serverFeatures } from "../source/server.ts";
import { hasReached, lostSince, savedToken, secondsBehind } from "../source/resume_token.ts";
import { isHistoryLost, OtherDeploymentError } from "../source/mongodb_errors.ts";
import { TableRegistry } from "./table_registry.ts";

export interface Context {
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Whether standard error is a terminal. */
  readonly terminal: boolean;
}

const NO_TIME = new BSON.Timestamp(0n);

/** Milliseconds without a further change until the stream counts as idle. */
const IDLE = 10;

/** While there is something to copy, how long the stream may go on before the copy has its turn again. */
const STREAM_TURN = 2_000;
/** How long a busy stream's next batch is waited for before the copy has its turn. */
const GRACE = 50;

/**
 * Copies what is there, then follows it until the signal is aborted.
 *
 * @throws UserError, SinkError, MongoError; all of them described by `describe()`
 */
export async function relay(config: RelaySettings, { signal, log, terminal }: Context): Promise<void> {
  const { lease, retryFor, shape, snapshot } = config;
  const failed = new AbortController();
  const ended = AbortSignal.any([signal, failed.signal]);
  const fail = (error: unknown) => failed.abort(error);

  await using plain = countingWrites(await unlessLate(openTransport(config.sink), signal));
  const names = config.namesIn(plain.dialect.schema ?? config.sink.schema);
  const { stream, metadataSchema: schema } = names;
  const patience = { signal: ended, log, retryFor };
  const once = retrying(plain, { ...patience, retryFor: 0 });
  await using closing = new AsyncDisposableStack();
  await DeadLetters.prepare(once, { schema });
  await FollowedCollections.prepare(once, { schema });
  const client = closing.adopt(await unlessLate(connectMongodb(config.mongodbUrl), signal), closeMongodb);
  const server = await serverFeatures(client);
  await using position = await Position.acquire(retrying(plain, patience), {
    schema,
    stream,
    lease,
    signal,
    log,
    isFree: () => !plain.writing,
  });
  using _kept = position.keep(fail);
  await using causalReader = new CausalReader(client, { retryFor, signal: ended, log });
  const reader = new DocumentReader(causalReader, { shape, size: config.batchSize });
  const patient = retrying(fenced(plain, () => position.check()), patience);
  const targets = new TableRegistry({ patient, plain }, { names, config, causalReader, signal: ended, log });
  using _watched = targets.watch(fail);
  const parts = { client, causalReader, reader, targets, position, config, signal: ended, log, terminal };

  const sweep = position.state.token === null && await targets.hadTables();
  let copying = firstCopy(position.state, snapshot, { sweep });
  while (true) {
    const startAfter = position.state.token === null ? null : savedToken(position.state.token);
    log.info(startAfter ? "Going on from the saved position" : "Following from now on", { stream });
    const fullDocument = shape.length > 0 ? undefined : config.fullDocument;
    const changes = changeStream({ ...config, client, server, fullDocument, startAfter, signal: ended, log });
    const batches = bufferBatches(changes, config);
    try {
      await follow(batches, { ...parts, copying });
      break;
    } catch (error) {
      if (!isHistoryLost(error)) {
        fail(error);
        break;
      }
      await batches.return(undefined);
      copying = await historyLost(parts, error);
    }
  }
  if (signal.aborted && failed.signal.reason === signal.reason) {
    log.warn(
      "Stopped in the midst of a batch: the next start goes on from the position saved before",
    );
  } else failed.signal.throwIfAborted();
}

interface Parts extends Context {
  readonly client: MongoClient;
  readonly causalReader: CausalReader;
  readonly reader: DocumentReader;
  readonly targets: TableRegistry;
  readonly position: Position;
  readonly config: RelaySettings;
}

/** What there is to copy at a start: what is left of a copy that was begun, all, or nothing. */
function firstCopy(
  { token, snapshot }: Position["state"],
  mode: RelaySettings["snapshot"],
  { sweep }: { sweep: boolean },
): string | null {
  if (mode === "always") return wholeCopy({ sweep: true });
  if (mode === "never") return snapshot !== null && makesGood(snapshot) ? snapshot : null;
  if (token === null) return snapshot ?? wholeCopy({ sweep });
  return mode === "only" && snapshot === null ? wholeCopy({ sweep: true }) : snapshot;
}

/**
 * Opens the tables of the collections that there are. The stream has been opened before, so that none that is made
 * meanwhile is missed.
 */
async function begin({ client, reader, targets, position, config, log }: Parts, copying: string | null) {
  const namespaces = await collectionsOf(client, config.scope, { log });
  const deployment = await deploymentOf(client);
  if (isOtherDeployment(position.state.origin, namespaces, deployment)) {
    throw new OtherDeploymentError("this is another deployment than the one that was followed");
  }
  const [first] = namespaces;
  if (first && config.shape.length > 0) await reader.check(first);
  if (copying !== null && makesGood(copying)) {
    for (const namespace of await targets.missing(namespaces)) {
      log.warn("A collection is gone", { collection: namespaceText(namespace), rows: config.onDrop });
      await targets.gone(namespace);
    }
  }
  await targets.openAll(namespaces);
  const { emptied } = targets;
  for (const namespace of emptied) {
    log.warn("The table of a collection was gone: copying it again", {
      collection: namespaceText(namespace),
    });
  }
  for (const namespace of position.state.token === null ? namespaces : emptied) {
    await (await targets.of(namespace)).learn(sample(client, namespace, config.shape));
  }
  const snapshot = emptied.reduce(withAgain, copying);
  await position.save({ snapshot, origin: identityOf(namespaces, deployment) });
  return { namespaces, snapshot };
}

/** @returns the copy that makes good for what cannot be followed any more */
async function historyLost({ position, config, log }: Parts, error: unknown): Promise<string> {
  const since = position.state.token === null ? undefined : lostSince(savedToken(position.state.token));
  if (config.onHistoryLost === "fail") {
    throw new UserError(`MongoDB no longer has the changes since ${since ?? "the saved position"}.`, {
      hint:
        "The oplog has moved on, or this is another deployment. --on-history-lost recopy copies again; a larger " +
        "oplog (replSetResizeOplog) keeps it from happening.",
      cause: error,
    });
  }
  log.warn("MongoDB no longer has the changes since the saved position: copying again", {
    since,
    because: messageOf(error),
  });
  const snapshot = wholeCopy({ sweep: true });
  await position.save({ token: null, snapshot, origin: null });
  return snapshot;
}

interface FollowDeps extends Parts {
  readonly copying: string | null;
}

/** Lands batch after batch, and chunks of the copy in between; what was written is made visible, and the position saved. */
async function follow(batches: AsyncGenerator<ChangeBatch>, parts: FollowDeps): Promise<void> {
  const { targets, position, causalReader, reader, config, signal, log, terminal } = parts;
  const started = Date.now();
  const read = () => {
    const reading = batches.next();
    reading.catch(() => {}); // It is awaited later.
    return reading;
  };
  let next = read();
  await next;
  const { namespaces, snapshot } = await begin(parts, parts.copying);
  const checkpoint = new Checkpoint({ targets, position, config, snapshot: () => copy.state });
  let [settled, ready, events, streamUntil] = [true, false, 0, 0];
  const progress = createProgress({ terminal, log });
  using _shown = { [Symbol.dispose]: () => progress.stop() };
  const total = snapshot === null ? 0 : await estimatedCount(parts.client, namespaces);
  const copy = new Copy(namespaces, snapshot, {
    causalReader,
    reader,
    targets,
    onDrop: config.onDrop,
    signal,
    log,
    advanced: async () => {
      if (checkpoint.token) {
        progress.show({ copied: copy.copied, total, lag: secondsBehind(checkpoint.token) });
      }
      await checkpoint.pass();
    },
  });

  while (true) {
    const { token } = checkpoint;
    if (copy.pending && token) {
      const streamsTurn = Date.now() < streamUntil && await hasCome(next, settled ? 0 : GRACE);
      if (!streamsTurn) {
        await copy.turn();
        streamUntil = Date.now() + STREAM_TURN;
        if (copy.pending) continue;
        progress.stop();
        await checkpoint.settle();
        log.info("Copied", { documents: copy.copied, seconds: seconds(started) });
      }
    }
    if (token && !copy.pending && !ready) {
      log.info("Ready");
      ready = true;
    }
    if (
      ready && !copy.pending && token && config.snapshot === "only" &&
      hasReached(token, causalReader.time ?? NO_TIME)
    ) break;
    if (!settled && !await hasCome(next, IDLE)) {
      await checkpoint.settle();
      settled = true;
    }
    const { value: batch, done } = await next;
    if (done) break;
    await land(batch, { ...parts, copy });
    next = read();
    events += batch.events;
    checkpoint.token = batch.token;
    if (batch.events > 0) settled = false;
    await checkpoint.pass(batch.events > 0 ? config.saveInterval : config.lease / 3);
  }
  await checkpoint.settle();
  await batches.return(undefined);
  log.info("Stopped", { events, ...await targets.counts(), seconds: seconds(started) });
}

const seconds = (since: number): number => Math.round((Date.now() - since) / 100) / 10;

/** Whether a promise is settled within some milliseconds. */
const hasCome = (promise: Promise<unknown>, wait: number): Promise<boolean> =>
  Promise.race([promise.then(() => true, () => true), delay(wait, false)]);

interface ApplyDeps extends Parts {
  readonly copy: Copy;
}

async function land(batch: ChangeBatch, parts: ApplyDeps): Promise<void> {
  const { targets, causalReader, config } = parts;
  causalReader.after(batch.operationTime);
  const changes = batch.changes.filter(({ namespace }) => config.scope.includes(namespace));
  await targets.eachOf(
    changes,
    async (namespace, ofIt, landing) => {
      for await (const states of statesOf(namespace, ofIt, parts)) await landing.land(states);
    },
  );
  if (batch.event) await handleCollectionEvent(batch.event, parts);
}

const isTold = (change: DocumentChange): change is DocumentChange & DocumentState =>
  change.document !== undefined;

/**
 * What became of the documents: as the events say; looked up where they don't, and where only MongoDB can tell what is
 * taken of them. What is looked up is newer than all of the events, and comes after them. One that an event doesn't
 * tell of and that is gone by now has its delete event still to come.
 */
async function* statesOf(
  namespace: Namespace,
  changes: readonly DocumentChange[],
  { config, reader }: ApplyDeps,
): AsyncGenerator<readonly DocumentState[]> {
  const shaped = config.shape.length > 0;
  if (!shaped) yield changes.filter(isTold);
  const open = shaped ? changes : changes.filter((change) => !isTold(change));
  for await (const part of reader.lookUp(namespace, open.map(({ id }) => id))) {
    yield shaped ? part : part.filter(({ document }) => document !== null);
  }
}
