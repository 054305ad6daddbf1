/** `verify`: compares collections with their tables, with the settings of the relay and while it runs. */
import type { RelaySettings } from "../pipeline/settings.ts";
import { SnapshotRate } from "../pipeline/snapshot/snapshot_rate.ts";
import { relay as runRelay } from "../relay/relay.ts";
import { openTransport } from "../sink/connection/open_transport.ts";
import { retrying } from "../sink/connection/wrappers.ts";
import { DeadLetters } from "../sink/metadata/dead_letters.ts";
import { FollowedCollections } from "../sink/metadata/followed_collections.ts";
import { RepairRequests } from "../sink/metadata/repair_requests.ts";
import { prepareVerifyResults } from "../sink/metadata/verify_results.ts";
import { tableFor } from "../sink/sql/names.ts";
import { RowReader } from "../sink/table/row_reader.ts";
import { CausalReader } from "../source/connection/causal_reader.ts";
import { Deployment } from "../source/connection/deployment.ts";
import { collectionsOf, estimatedCount } from "../source/documents/collections.ts";
import { RangeSplitter } from "../source/documents/key_ranges.ts";
import { catalogueOf } from "../source/documents/unmatched.ts";
import { type Clock, SYSTEM_CLOCK } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import type { Namespace } from "../util/namespace.ts";
import { type OutageEvent, OutageTracker } from "../util/outage.ts";
import { Shutdown } from "../util/shutdown.ts";
import { comparable } from "./comparable.ts";
import { OwnRelay } from "./repair.ts";
import type { CollectionResult } from "./result.ts";
import { LANES } from "./scan.ts";
import { verifyCollection, type VerifyDeps } from "./verify_collection.ts";

/** Times are in milliseconds. */
export interface VerifySettings {
  /** The settings of the relay whose tables are verified. */
  readonly relay: RelaySettings;
  readonly compare: "documents" | "counts";
  /** Documents of each collection, and rows of each table, that are compared; 0 for all. */
  readonly sample: number;
  readonly differences: "report" | "repair";
  readonly runs: "once" | "forever";
  /** Maximum number of documents per second; 0 for no limit. */
  readonly rate: number;
  /** Time without progress after which the relay is no longer waited for. */
  readonly settle: number;
  /** Maximum number of comparisons of a key that keeps changing. */
  readonly generations: number;
  readonly output: "text" | "json";
}

export type VerifyEvent =
  | OutageEvent
  /** Documents compared, and the estimated total. */
  | { readonly type: "progress"; readonly documents: number; readonly total: number }
  /** All collections have been compared once. */
  | { readonly type: "done" };

export interface VerifyContext {
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly emit: (event: VerifyEvent) => void;
  /** Takes the results of each run. @returns whether to run again */
  readonly onResults: (results: readonly CollectionResult[]) => boolean;
  /** @default {the system's} */
  readonly clock?: Clock;
}

/** Between two runs. */
const PAUSE_MS = 5_000;

type SharedDeps = Omit<VerifyDeps, "ownRelay" | "onCompared">;

/**
 * Compares all collections of the scope, once or repeatedly.
 * @returns the results of the last run
 * @throws UserError, SinkError, MongoError; `describe()` describes all of them
 */
export async function verify(
  settings: VerifySettings,
  context: VerifyContext,
): Promise<readonly CollectionResult[]> {
  const { signal, log, emit, onResults, clock = SYSTEM_CLOCK } = context;
  const { relay } = settings;
  const { retryFor } = relay;
  using shutdown = new Shutdown(signal);
  await using closing = new AsyncDisposableStack();
  const raw = closing.use(await shutdown.limit(openTransport(relay.sink)));
  const outages = new OutageTracker({ system: raw.dialect.name, emit });
  const transport = retrying(raw, { shutdown, outages, retryFor });
  const names = relay.namesIn(raw.dialect.schema ?? relay.sink.schema);
  const schema = names.metadataSchema;
  await DeadLetters.prepare(transport, { schema });
  await FollowedCollections.prepare(transport, { schema });
  await RepairRequests.prepare(transport, { schema });
  await prepareVerifyResults(transport, schema);

  const deployment = closing.use(await shutdown.limit(Deployment.connect(relay.mongodbUrl)));
  const mongodbOutages = new OutageTracker({ system: "MongoDB", emit });
  const causalReader = closing.use(
    new CausalReader(deployment.route(), { shutdown, outages: mongodbOutages, retryFor }),
  );
  const deps: SharedDeps = {
    settings,
    names,
    transport,
    causalReader,
    splitter: new RangeSplitter(causalReader, { lanes: LANES, log }),
    rate: new SnapshotRate({ rate: settings.rate, readers: LANES, clock }),
    signal,
    log,
    clock,
  };
  while (true) {
    const results = await verifyAll(deps, emit);
    if (!onResults(results) || settings.runs === "once") return results;
    const isStopped = await clock.wait(PAUSE_MS, { signal }).then(() => false, () => true);
    if (isStopped) return results;
  }
}

async function verifyAll(deps: SharedDeps, emit: VerifyContext["emit"]): Promise<CollectionResult[]> {
  const { settings: { relay, sample, compare, runs }, causalReader, log } = deps;
  const namespaces = await comparable({
    scope: relay.scope,
    found: await collectionsOf(causalReader, relay.scope, { log }),
    catalogue: catalogueOf(causalReader),
    hasRows: (namespace) => hasRows(namespace, deps),
    runs,
    log,
  });
  log.info(`Verifying ${relay.scope}`, { collections: namespaces.length });
  const existing = await estimatedCount(causalReader, namespaces);
  const total = sample > 0 ? Math.min(existing, sample * namespaces.length) : existing;
  let documents = 0;
  const onCompared = (count: number) => {
    documents += count;
    if (compare === "documents") emit({ type: "progress", documents, total });
  };
  await using ownRelay = new OwnRelay({
    run: (signal, onStarted) => runForRepairs(signal, onStarted, deps),
    log,
  });
  const results: CollectionResult[] = [];
  for (const namespace of namespaces) {
    results.push(await verifyCollection(namespace, { ...deps, ownRelay, onCompared }));
  }
  emit({ type: "done" });
  return results;
}

/** Runs the relay from its saved position. It takes no new snapshot, and continues an unfinished one. */
const runForRepairs = (
  signal: AbortSignal,
  onStarted: () => void,
  { settings: { relay }, signal: stop, log, clock }: SharedDeps,
): Promise<void> =>
  runRelay({ ...relay, snapshot: "initial", onHistoryLost: "fail", onHeld: "fail" }, {
    signal: AbortSignal.any([signal, stop]),
    log,
    clock,
    emit: ({ type }) => type === "leaseTaken" && onStarted(),
  });

/** Whether a collection that does not exist has rows that should have been deleted. */
async function hasRows(
  namespace: Namespace,
  { settings: { relay }, names, transport }: Pick<VerifyDeps, "settings" | "names" | "transport">,
): Promise<boolean> {
  if (relay.for(namespace).onDrop === "keep") return false;
  const table = tableFor(names.tableOf(namespace), namespace, transport.dialect);
  const followed = new FollowedCollections(transport, { schema: names.metadataSchema, stream: names.stream });
  if ((await followed.streamsOf(namespace, table)).length === 0) return false;
  const rows = await RowReader.open(transport, table);
  await rows.refresh();
  return await rows.count() > 0;
}
