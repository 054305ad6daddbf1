/** `verify`: compares collections with their tables, with the settings of the relay and while it runs. */
import type { Names, RelaySettings } from "../pipeline/settings.ts";
import { SnapshotRate } from "../pipeline/snapshot/snapshot_rate.ts";
import { relay as runRelay } from "../relay/relay.ts";
import { openTransport } from "../sink/connection/open_transport.ts";
import { retrying } from "../sink/connection/wrappers.ts";
import type { Transport } from "../sink/connection/transport.ts";
import { EventLog, type RecordedEvent } from "../sink/metadata/event_log.ts";
import { readPosition } from "../sink/metadata/saved_position.ts";
import { knownStreams } from "../sink/metadata/stream_records.ts";
import { prepareTables } from "../sink/metadata/metadata_tables.ts";
import { tableExists } from "../sink/table/create_table.ts";
import { connectDeployment, openBulkReader } from "../source/connection/deployment.ts";
import { CausalReader } from "../source/connection/causal_reader.ts";
import { collectionsOf, estimatedCount } from "../source/documents/collections.ts";
import { rangeSplitter } from "../source/documents/key_ranges.ts";
import type { FoundCollection, Scope } from "../source/documents/scope.ts";
import {
  type Catalogue,
  catalogueOf,
  namesText,
  type Unmatched,
  unmatchedNames,
  unmatchedText,
} from "../source/documents/unmatched.ts";
import { SYSTEM_CLOCK as clock } from "../util/clock.ts";
import { Semaphore } from "../util/concurrency.ts";
import { messageOf, UsageError } from "../util/errors.ts";
import { garbageLimit } from "../util/garbage.ts";
import type { Logger } from "../util/log.ts";
import type { Namespace } from "../util/namespace.ts";
import { type OutageEvent, OutageTracker } from "../util/outage.ts";
import { Shutdown } from "../util/shutdown.ts";
import { ownRelay } from "./repair.ts";
import { openTable, type VerifyDeps, type VerifySettings } from "./collection.ts";
import { type CollectionResult, verifyEvent } from "./result.ts";
import { LANES } from "./scan.ts";
import { verifyCollection } from "./verify_collection.ts";

export type VerifyEvent =
  | OutageEvent
  /** Documents compared, and the estimated total. */
  | { readonly type: "progress"; readonly documents: number; readonly total: number }
  /** All collections have been compared once. */
  | { readonly type: "done" }
  /** A result that is in `cdc_events`, too. */
  | { readonly type: "recorded"; readonly event: RecordedEvent };

export interface VerifyContext {
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly emit: (event: VerifyEvent) => void;
  /** Takes the results of each run. Returns whether to run again. */
  readonly onResults: (results: readonly CollectionResult[]) => boolean;
}

const PAUSE_MS = 5_000;

type SharedDeps = Omit<VerifyDeps, "ownRelay" | "onCompared">;

/** Compares all collections of the scope, once or repeatedly. Returns the results of the last run. */
export async function verify(
  settings: VerifySettings,
  context: VerifyContext,
): Promise<readonly CollectionResult[]> {
  const { signal, log, emit, onResults } = context;
  const { relay, relay: { retryFor, snapshotReadPreference: preference } } = settings;
  using shutdown = new Shutdown(signal);
  await using closing = new AsyncDisposableStack();
  const raw = closing.use(await shutdown.limit(openTransport(relay.sink)));
  const outages = new OutageTracker({ system: raw.dialect.name, emit });
  const transport = retrying(raw, { shutdown, outages, retryFor });
  const names = await namesOf(transport, settings);
  await checkSchema(transport, names);
  await prepareTables(transport, names.metadataSchema, "cdc_verify");

  const deployment = closing.use(await shutdown.limit(connectDeployment(relay.mongodbUrl)));
  const mongodb = { shutdown, outages: new OutageTracker({ system: "MongoDB", emit }), retryFor };
  const causalReader = closing.use(new CausalReader(deployment.route(), mongodb));
  const bulkReader = await openBulkReader(causalReader, { ...mongodb, deployment, preference, log, closing });
  const deps: SharedDeps = {
    settings,
    names,
    transport,
    causalReader,
    bulkReader,
    signal,
    log,
    clock,
    splitter: rangeSplitter(bulkReader, { lanes: LANES, log }),
    rate: new SnapshotRate({ rate: settings.rate, readers: LANES, clock }),
    memory: { inFlight: new Semaphore(LANES * relay.replyBytes), garbage: garbageLimit(relay.heapBytes) },
  };
  const record = outcomeRecorder(new EventLog(raw, names.metadataSchema), { log, emit });
  while (true) {
    deps.rate.begin();
    const results = await verifyAll(deps, emit);
    await record(results);
    if (!onResults(results) || settings.runs === "once") return results;
    await clock.wait(PAUSE_MS, { signal }).catch(() => {});
    if (signal.aborted) return results;
  }
}

/** Records each result whose outcome differs from that of the run before. Never throws. */
export function outcomeRecorder(
  to: Pick<EventLog, "write">,
  { log, emit }: Pick<VerifyContext, "log" | "emit">,
) {
  let before: readonly CollectionResult[] = [];
  const isKnown = (result: CollectionResult) =>
    before.some((each) => each.collection === result.collection && each.outcome === result.outcome);
  return async (results: readonly CollectionResult[]): Promise<void> => {
    const events = results.filter((each) => !isKnown(each)).map(verifyEvent);
    before = results;
    for (const event of events) emit({ type: "recorded", event });
    if (events.length > 0) {
      await to.write(events).catch((error) =>
        log.warn("The results are not in cdc_events", { error: messageOf(error) })
      );
    }
  };
}

/** The relay's own tables are those of the whole stream, unless a relay follows only the selected collections. */
export async function namesOf(
  transport: Transport,
  { relay, wholeIn }: Pick<VerifySettings, "wholeIn"> & {
    readonly relay: Pick<RelaySettings, "namesIn" | "sink">;
  },
): Promise<Names> {
  const schema = transport.dialect.schema ?? relay.sink.schema;
  const names = relay.namesIn(schema);
  const { metadataSchema, stream } = names;
  if (!wholeIn || await readPosition(transport, { schema: metadataSchema, stream })) return names;
  return { ...names, metadataSchema: wholeIn(schema).metadataSchema };
}

const MAX_STREAMS = 20;

/**
 * Nothing is created in the schema of a mistyped table.
 * @throws UsageError if no relay has written to the schema: it would have `cdc_position`
 */
export async function checkSchema(
  transport: Transport,
  { metadataSchema: schema, stream }: Pick<Names, "metadataSchema" | "stream">,
): Promise<void> {
  if (await tableExists(transport, { schema, name: "cdc_position" })) return;
  const known = (await knownStreams(transport)).slice(0, MAX_STREAMS);
  const existing = known.map((each) => `\n  ${each.stream} (schema ${each.schema})`).join("");
  const hint = existing === ""
    ? "Start cdc-relay first, or grant the user the right to see its tables."
    : `Check --table, and the schema in CRATEDB_URL. These streams exist:${existing}`;
  throw new UsageError(`The schema ${schema} has no stream: ${stream}`, { hint });
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
  await using repairing = ownRelay((stop, onStarted) => runForRepairs(stop, onStarted, deps), log);
  const results: CollectionResult[] = [];
  for (const namespace of namespaces) {
    results.push(await verifyCollection(namespace, { ...deps, ownRelay: repairing, onCompared }));
  }
  emit({ type: "done" });
  return results;
}

/** Runs the relay from its saved position. It takes no new snapshot, and continues an unfinished one. */
const runForRepairs = (stop: AbortSignal, onStarted: () => void, deps: SharedDeps): Promise<void> =>
  runRelay({ ...deps.settings.relay, snapshot: "initial", onHistoryLost: "fail", onHeld: "fail" }, {
    log: deps.log,
    clock: deps.clock,
    signal: AbortSignal.any([stop, deps.signal]),
    emit: ({ type }) => type === "leaseTaken" && onStarted(),
  });

/** Whether a collection that does not exist has rows that should have been deleted. */
async function hasRows(namespace: Namespace, deps: SharedDeps): Promise<boolean> {
  if (deps.settings.relay.for(namespace).onDrop === "keep") return false;
  const { writers, rows } = await openTable(namespace, deps);
  if (writers.length === 0) return false;
  await rows.refresh();
  return await rows.count() > 0;
}

interface ComparableDeps extends Pick<VerifySettings, "runs">, Pick<VerifyContext, "log"> {
  readonly scope: Scope;
  /** The collections that the scope has found; a single one may not exist. */
  readonly found: readonly FoundCollection[];
  readonly catalogue: Catalogue;
  readonly hasRows: (namespace: Namespace) => Promise<boolean>;
}

/**
 * The collections of the scope, including a deleted one that still has rows.
 * @example
 * IN: {scope: shpo.*, found: [], …} → OUT: throws "No database matches shpo; MongoDB shows these: shop, weather"
 * @throws UsageError if no collection matches, unless `verify` runs repeatedly
 */
export async function comparable(deps: ComparableDeps): Promise<readonly FoundCollection[]> {
  const { scope, found, catalogue, hasRows, runs, log } = deps;
  const unmatched = await unmatchedNames(scope, found, catalogue);
  const [single] = found;
  const isMissing = scope.level === "collection" && unmatched.length > 0 && single !== undefined &&
    !await hasRows(single);
  const left = isMissing ? [] : found;
  if (left.length === 0 && runs === "once") throw nothingToCompare(scope, unmatched);
  for (const { kind, name, existing, similar } of unmatched) {
    log.warn(`No ${kind} matches`, { name, existing: namesText(existing), did_you_mean: similar });
  }
  return left;
}

function nothingToCompare(scope: Scope, [first]: readonly Unmatched[]): UsageError {
  if (!first) {
    const hint = "MongoDB shows this user none, or --exclude excludes all of them.";
    return new UsageError(`Nothing to compare: no collection matches ${scope}`, { hint });
  }
  const { kind, similar } = first;
  const hint = similar === undefined
    ? `Name one of these with --${kind}, or grant the user the right to see others.`
    : `Did you mean --${kind} ${similar}?`;
  return new UsageError(unmatchedText(first), { hint });
}
