/** Verifies one collection and its table: completely, by a sample, or by counts. */
import { isStreamOf, partsOfStream, siblingsOf } from "../key/stream_name.ts";
import type { CollectionSettings, Names, RelaySettings } from "../pipeline/settings.ts";
import type { SnapshotRate } from "../pipeline/snapshot/snapshot_rate.ts";
import type { Transport } from "../sink/connection/transport.ts";
import { DeadLetters, deadLetterStream } from "../sink/metadata/dead_letters.ts";
import { SavedCollections } from "../sink/metadata/saved_collections.ts";
import { RepairRequests } from "../sink/metadata/repair_requests.ts";
import { readPosition, type SavedPosition } from "../sink/metadata/saved_position.ts";
import { saveVerifyResult } from "../sink/metadata/verify_results.ts";
import { tableFor, type TableName } from "../sink/sql/names.ts";
import { RowReader } from "../sink/table/row_reader.ts";
import type { CausalReader } from "../source/connection/causal_reader.ts";
import { DocumentReader } from "../source/documents/documents.ts";
import type { RangeSplitter } from "../source/documents/key_ranges.ts";
import { shardKeyOf } from "../source/documents/collections.ts";
import type { Clock } from "../util/clock.ts";
import { UserError } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { type Namespace, namespaceText } from "../util/namespace.ts";
import { BothSides, MAX_KEYS } from "./both_sides.ts";
import { count, countDocuments, scan, scanSample } from "./scan.ts";
import { type OwnRelay, RelayWatch, repair, type RepairDeps } from "./repair.ts";
import { type CollectionResult, outcomeOf, type Passing, verifyRow } from "./result.ts";
import { Tally } from "./settle.ts";

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

export interface VerifyDeps {
  readonly settings: VerifySettings;
  readonly names: Names;
  readonly transport: Transport;
  readonly causalReader: CausalReader;
  readonly splitter: RangeSplitter;
  readonly rate: SnapshotRate;
  /** Repairs rows if no other relay runs. */
  readonly ownRelay: Pick<OwnRelay, "start" | "failure">;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly clock: Clock;
  /** Takes the number of documents that were compared. */
  readonly onCompared: (documents: number) => void;
}

/** A collection that is open for comparison. */
interface Collection extends VerifyDeps {
  readonly namespace: Namespace;
  readonly own: CollectionSettings;
  readonly table: TableName;
  /** The stream that writes to the table, and that of each worker. */
  readonly stream: string;
  readonly streams: readonly string[];
  readonly followed: SavedCollections;
  readonly rows: RowReader;
  readonly relay: RelayWatch;
  readonly deadLetters: DeadLetters;
  readonly pass: () => Promise<Passing>;
}

export async function verifyCollection(namespace: Namespace, deps: VerifyDeps): Promise<CollectionResult> {
  const { settings, names, transport, causalReader, clock } = deps;
  const startedAt = clock.now();
  const collection = await openCollection(namespace, deps);
  const { stream, table, rows } = collection;
  const clusterTime = causalReader.time;
  await rows.refresh();
  const found = settings.compare === "counts" ? await countBoth(collection) : await compareBoth(collection);
  const result: CollectionResult = {
    stream,
    collection: namespaceText(namespace),
    table: `${table.schema}.${table.name}`,
    mode: settings.compare === "counts" ? "count" : settings.sample > 0 ? "sample" : "full",
    outcome: outcomeOf(found),
    startedAt,
    finishedAt: clock.now(),
    clusterTime,
    ...found,
  };
  await saveVerifyResult(transport, names.metadataSchema, verifyRow(result));
  return result;
}

async function openCollection(namespace: Namespace, deps: VerifyDeps): Promise<Collection> {
  const { settings, names, transport, causalReader, clock, signal, log } = deps;
  const schema = names.metadataSchema;
  const table = tableFor(names.tableOf(namespace), namespace, transport.dialect);
  const writers = await new SavedCollections(transport, { schema, stream: names.stream })
    .streamsOf(namespace, table);
  const streams = streamsAmong(writers, names.stream);
  const stream = wholeOf(streams);
  if (stream !== names.stream) {
    const collection = namespaceText(namespace);
    log.info("The relay that writes to the table follows another scope", { collection, stream });
  }
  const read = () => Promise.all(streams.map((stream) => readPosition(transport, { schema, stream })));
  const relay = new RelayWatch({ read, settle: settings.settle, clock, signal });
  return {
    ...deps,
    namespace,
    table,
    stream,
    streams,
    relay,
    own: settings.relay.for(namespace),
    followed: new SavedCollections(transport, { schema, stream }),
    rows: await RowReader.open(transport, table),
    deadLetters: new DeadLetters(transport, { schema, stream: deadLetterStream(namespace, table) }),
    pass: async () => causalReader.time ? await relay.passes(causalReader.time) : "not running",
  };
}

/**
 * The stream that writes to the table, one for each worker. Its name differs if the relay follows more collections.
 *
 * @example
 * IN: ["shop.* -> … (worker 1/2)"], "shop.orders -> …" → OUT: ["shop.* -> … (worker 0/2)", "shop.* -> … (worker 1/2)"]
 */
export function streamsAmong(streams: readonly string[], own: string): readonly string[] {
  const writer = streams.find((each) => isStreamOf(each, own)) ?? streams[0] ?? own;
  const parts = streams.filter((each) => isStreamOf(each, wholeOf([writer])));
  return [...new Set((parts.length > 0 ? parts : [own]).flatMap(siblingsOf))];
}

const wholeOf = ([stream = ""]: readonly string[]): string => partsOfStream(stream).whole;

async function countBoth(collection: Collection) {
  const { namespace, own, settings, causalReader, rows, deadLetters, pass } = collection;
  const { generations } = settings;
  const counted = await count({
    pass,
    generations,
    documents: () => countDocuments(causalReader, namespace, own.transform),
    rows: () => countRows(rows),
    deadLetters: () => deadLetters.count(),
  });
  return { ...counted, different: 0, overflowed: 0, repaired: 0, differences: [] };
}

async function compareBoth(collection: Collection) {
  const { namespace, own, settings, causalReader, rows, deadLetters, pass } = collection;
  const { generations, relay: { for: settingsFor, replyBytes } } = settings;
  const reader = new DocumentReader(causalReader, { for: settingsFor, size: MAX_KEYS, replyBytes });
  const sides = new BothSides({
    namespace,
    reader,
    rows,
    deadLetters: (oids) => deadLetters.among(oids),
    shardKey: own.key === "documentKey" ? await shardKeyOf(causalReader, namespace) : [],
    omit: own.omit,
  });
  const tally = new Tally({
    pass,
    generations,
    look: (keys) => sides.look(keys),
    repair: settings.differences === "repair" ? (keys) => repair(keys, repairDeps(collection)) : undefined,
    overflowed: (oids) => sides.overflowed(oids),
  });
  const seeksExtra = await ownsExtraRows(collection);
  const scanning = { ...collection, reader, sides, seeksExtra, onDiffering: tally.add.bind(tally) };
  const scanned = settings.sample > 0 ? await scanSample(settings.sample, scanning) : await scan(scanning);
  const { overflowedByRepair, ...found } = await tally.finish();
  return {
    ...scanned,
    overflowed: scanned.overflowed + overflowedByRepair,
    // The rows were counted before the repair.
    ...found.repaired > 0 && seeksExtra && settings.sample === 0 && { rows: await countRows(rows) },
    ...found,
  };
}

async function countRows(rows: RowReader): Promise<number> {
  await rows.refresh();
  return await rows.count();
}

function repairDeps(collection: Collection): RepairDeps {
  const { names: { metadataSchema: schema, stream: own }, streams, transport, settings, ownRelay } =
    collection;
  return {
    ...collection,
    requests: streams.map((stream) => new RepairRequests(transport, { schema, stream })),
    startRelay: async () => {
      const [stream = own] = streams;
      assertStartable(streams, own, await readPosition(transport, { schema, stream }));
      await ownRelay.start();
    },
    failure: () => ownRelay.failure,
    settle: settings.settle,
  };
}

/**
 * A relay that `verify` starts continues from the saved position, with the scope of `verify`. For a wider stream it would
 * lose changes of other collections; without a position it would need a snapshot.
 * @throws UserError if `verify` cannot start the relay
 */
export function assertStartable(
  streams: readonly string[],
  own: string,
  position: Pick<SavedPosition, "token" | "snapshot"> | undefined,
): void {
  const stream = wholeOf(streams);
  const hasPosition = position && (position.token !== null || position.snapshot !== null);
  const hint = streams.length > 1
    ? "Start all of its workers: each repairs its own rows."
    : !isStreamOf(stream, own)
    ? "Start it. Or give verify the same collections and the same table as this relay: verify then starts it itself."
    : !hasPosition
    ? "It has no saved position. Start cdc-relay: its snapshot writes all rows."
    : undefined;
  if (hint !== undefined) throw new UserError(`No relay of this stream runs: ${stream}`, { hint });
}

/** Whether rows without documents are errors: other streams may own them, or `--on-drop keep` keeps them. */
async function ownsExtraRows(deps: Collection): Promise<boolean> {
  const { namespace, own, table, causalReader, followed, log } = deps;
  const collection = namespaceText(namespace);
  const stream = await followed.sharer(namespace, table);
  if (stream !== undefined) {
    const text = "Skipping the search for rows without documents: another stream writes to the table too";
    log.warn(text, { collection, stream });
    return false;
  }
  const isKept = own.onDrop === "keep" && !await causalReader.exists(namespace);
  if (isKept) log.info("The collection does not exist, and its rows stay: --on-drop keep", { collection });
  return !isKept;
}
