/**
 * `verify`: compares collections with their tables, under the settings of the relay and beside it. Here everything is put
 * together; which differences are real is decided in `settle.ts`.
 */
import type { Namespace } from "../util/namespace.ts";
import { SnapshotRate } from "../pipeline/snapshot/snapshot_rate.ts";
import { openTransport } from "../sink/connection/open_transport.ts";
import { countingWrites, retrying } from "../sink/connection/wrappers.ts";
import { DeadLetters } from "../sink/metadata/dead_letters.ts";
import { FollowedCollections } from "../sink/metadata/followed_collections.ts";
import { RepairRequests } from "../sink/metadata/repair_requests.ts";
import { prepareVerifyResults } from "../sink/metadata/verify_results.ts";
import { RowReader } from "../sink/table/row_reader.ts";
import { tableFor } from "../sink/sql/table_naming.ts";
import { CausalReader } from "../source/connection/causal_reader.ts";
import { collectionsOf, estimatedCount } from "../source/documents/collections.ts";
import { Deployment } from "../source/connection/deployment.ts";
import { DocumentReader } from "../source/documents/documents.ts";
import { RangeSplitter } from "../source/documents/key_ranges.ts";
import { catalogueOf } from "../source/documents/unmatched.ts";
import { type Clock, SYSTEM_CLOCK } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import { OutageTracker } from "../util/outage.ts";
import { Shutdown } from "../util/shutdown.ts";
import { MAX_KEYS } from "./both_sides.ts";
import { comparable } from "./comparable.ts";
import type { VerifyEvent } from "./events.ts";
import type { CollectionResult } from "./result.ts";
import { LANES } from "./scan.ts";
import type { VerifySettings } from "./settings.ts";
import { verifyCollection, type VerifyDeps } from "./verify_collection.ts";

export interface VerifyContext {
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly emit: (event: VerifyEvent) => void;
  /** Takes what each run has found. @returns whether another run makes sense */
  readonly onResults: (results: readonly CollectionResult[]) => boolean;
  /** @default {the system's} */
  readonly clock?: Clock;
}

/** Between two runs. */
const PAUSE_MS = 5_000;

/**
 * Compares all collections of the scope, once or again and again.
 *
 * @returns what the last run has found
 * @throws UserError, SinkError, MongoError; all of them described by `describe()`
 */
export async function verify(
  settings: VerifySettings,
  context: VerifyContext,
): Promise<readonly CollectionResult[]> {
  const { signal, log, emit, onResults, clock = SYSTEM_CLOCK } = context;
  const { relay } = settings;
  using shutdown = new Shutdown(signal);
  await using closing = new AsyncDisposableStack();
  const raw = closing.use(countingWrites(await shutdown.limit(openTransport(relay.sink))));
  const { retryFor } = relay;
  const retries = { shutdown, outages: new OutageTracker({ system: raw.dialect.name, emit }), retryFor };
  const transport = retrying(raw, retries);
  const names = relay.namesIn(raw.dialect.schema ?? relay.sink.schema);
  const schema = names.metadataSchema;
  await DeadLetters.prepare(transport, { schema });
  await FollowedCollections.prepare(transport, { schema });
  await RepairRequests.prepare(transport, { schema });
  await prepareVerifyResults(transport, schema);

  const deployment = closing.use(await shutdown.limit(Deployment.connect(relay.mongodbUrl)));
  const outages = new OutageTracker({ system: "MongoDB", emit });
  const causalReader = closing.use(
    new CausalReader(deployment.route(), { shutdown, outages, retryFor }),
  );
  const deps: Omit<VerifyDeps, "onCompared"> = {
    settings,
    names,
    raw,
    transport,
    retries,
    causalReader,
    reader: new DocumentReader(causalReader, {
      transform: relay.transform,
      size: MAX_KEYS,
      replyBytes: relay.replyBytes,
      idsRepeat: relay.key === "documentKey",
    }),
    splitter: new RangeSplitter(causalReader, { lanes: LANES, log }),
    rate: new SnapshotRate({ rate: settings.rate, lanes: LANES, clock }),
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

async function verifyAll(
  deps: Omit<VerifyDeps, "onCompared">,
  emit: VerifyContext["emit"],
): Promise<CollectionResult[]> {
  const { settings: { relay, sample, compare }, causalReader, log } = deps;
  const found = await collectionsOf(causalReader, relay.scope, { log });
  const namespaces = await comparable({
    ...deps,
    ...deps.settings,
    scope: relay.scope,
    found,
    catalogue: catalogueOf(causalReader),
    hasRows: (namespace) => hasRows(namespace, deps),
  });
  log.info(`Verifying ${relay.scope}`, { collections: namespaces.length });
  const there = await estimatedCount(causalReader, namespaces);
  const total = sample > 0 ? Math.min(there, sample * namespaces.length) : there;
  let documents = 0;
  const onCompared = (count: number) => {
    documents += count;
    if (compare === "documents") emit({ type: "progress", documents, total });
  };
  const results: CollectionResult[] = [];
  for (const namespace of namespaces) {
    results.push(await verifyCollection(namespace, { ...deps, onCompared }));
  }
  emit({ type: "done" });
  return results;
}

/** Whether a collection that does not exist has rows that should not stay. */
async function hasRows(
  namespace: Namespace,
  { settings: { relay }, names, transport }: Pick<VerifyDeps, "settings" | "names" | "transport">,
): Promise<boolean> {
  if (relay.onDrop === "keep") return false;
  const table = tableFor(names.tableOf(namespace), namespace, transport.dialect);
  const followed = new FollowedCollections(transport, { schema: names.metadataSchema, stream: names.stream });
  if ((await followed.streamsOf(namespace, table)).length === 0) return false;
  const rows = await RowReader.open(transport, table);
  await rows.refresh();
  return await rows.count() > 0;
}
