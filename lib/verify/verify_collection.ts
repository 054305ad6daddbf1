/** Verifies one collection and its table: in whole, by a sample, or by counts alone. */
import type { Document } from "mongodb";
import type { ShardKey } from "../key/document_key.ts";
import { isStreamOf, partsOfStream, siblingsOf } from "../key/stream_name.ts";
import { type Namespace, namespaceText } from "../util/namespace.ts";
import type { Names } from "../pipeline/settings.ts";
import type { SnapshotRate } from "../pipeline/snapshot/snapshot_rate.ts";
import type { Transport } from "../sink/connection/transport.ts";
import type { CountingTransport, RetryingOptions } from "../sink/connection/wrappers.ts";
import { DeadLetters, deadLetterStream } from "../sink/metadata/dead_letters.ts";
import { FollowedCollections } from "../sink/metadata/followed_collections.ts";
import { RepairRequests } from "../sink/metadata/repair_requests.ts";
import { readPosition } from "../sink/metadata/saved_position.ts";
import { saveVerifyResult } from "../sink/metadata/verify_results.ts";
import { RowReader } from "../sink/table/row_reader.ts";
import type { TableName } from "../sink/sql/sql_names.ts";
import { tableFor } from "../sink/sql/table_naming.ts";
import type { CausalReader } from "../source/connection/causal_reader.ts";
import { isThere } from "../source/documents/chunk.ts";
import type { DocumentReader } from "../source/documents/documents.ts";
import type { RangeSplitter } from "../source/documents/key_ranges.ts";
import { shardKeyOf } from "../source/documents/collections.ts";
import type { Clock } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import { BothSides, MAX_KEYS } from "./both_sides.ts";
import { count } from "./count.ts";
import { repairUnderLease } from "./own_repair.ts";
import { RelayWatch, RelayWatches } from "./relay_watch.ts";
import { Repairer, SharedRequests } from "./repairer.ts";
import { type CollectionResult, outcomeOf, type Passing } from "./result.ts";
import { verifyRow } from "./result_fields.ts";
import { scan, type Scanned } from "./scan.ts";
import type { VerifySettings } from "./settings.ts";
import { Tally } from "./tally.ts";

export interface VerifyDeps {
  readonly settings: VerifySettings;
  readonly names: Names;
  readonly raw: CountingTransport;
  /** Waits for the sink while it is away. */
  readonly transport: Transport;
  readonly retries: RetryingOptions;
  readonly causalReader: CausalReader;
  readonly reader: DocumentReader;
  readonly splitter: RangeSplitter;
  readonly rate: SnapshotRate;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly clock: Clock;
  /** Is told of documents that have been compared. */
  readonly onCompared: (documents: number) => void;
}

/** What belongs to one collection. */
interface Collection extends VerifyDeps {
  readonly namespace: Namespace;
  readonly table: TableName;
  /** With the stream that writes to the table, of which there may be several parts. */
  readonly names: Names;
  /** These parts; the stream itself where it is not divided. */
  readonly streams: readonly string[];
  readonly followed: FollowedCollections;
  readonly rows: RowReader;
  readonly relay: RelayWatches;
  readonly shardKey: ShardKey;
  /** Waits until the relay has passed all that has been read. */
  readonly pass: () => Promise<Passing>;
}

type Found = Omit<
  CollectionResult,
  "stream" | "collection" | "table" | "mode" | "startedAt" | "finishedAt" | "clusterTime" | "outcome"
>;

export async function verifyCollection(namespace: Namespace, deps: VerifyDeps): Promise<CollectionResult> {
  const { settings, transport, causalReader, clock } = deps;
  const startedAt = clock.now();
  const collection = await openCollection(namespace, deps);
  const { names, table, rows } = collection;
  const clusterTime = causalReader.time;
  await rows.refresh();
  const found = settings.compare === "counts" ? await countBoth(collection) : await compareBoth(collection);
  const result: CollectionResult = {
    stream: names.stream,
    collection: namespaceText(namespace),
    table: `${table.schema}.${table.name}`,
    mode: settings.compare === "counts" ? "count" : settings.sample > 0 ? "sample" : "full",
    startedAt,
    finishedAt: clock.now(),
    clusterTime,
    outcome: outcomeOf(found),
    ...found,
  };
  await saveVerifyResult(transport, names.metadataSchema, verifyRow(result));
  return result;
}

async function openCollection(namespace: Namespace, deps: VerifyDeps): Promise<Collection> {
  const { settings, transport, causalReader, clock, signal, log } = deps;
  const { metadataSchema: schema } = deps.names;
  const table = tableFor(deps.names.tableOf(namespace), namespace, transport.dialect);
  const asked = new FollowedCollections(transport, { schema, stream: deps.names.stream });
  const streams = streamsAmong(await asked.streamsOf(namespace, table), deps.names.stream);
  const stream = wholeOf(streams);
  if (stream !== deps.names.stream) {
    log.info("The table is written by a relay of another scope", {
      collection: namespaceText(namespace),
      stream,
    });
  }
  const relay = new RelayWatches(streams.map((stream) =>
    new RelayWatch({
      read: () => readPosition(transport, { schema, stream }),
      settle: settings.settle,
      clock,
      signal,
    })
  ));
  return {
    ...deps,
    namespace,
    table,
    names: { ...deps.names, stream },
    streams,
    followed: new FollowedCollections(transport, { schema, stream }),
    rows: await RowReader.open(transport, table),
    relay,
    shardKey: settings.relay.key === "documentKey" ? await shardKeyOf(causalReader, namespace) : [],
    pass: async () => {
      const { time } = causalReader;
      return time ? await relay.passes(time) : "not running";
    },
  };
}

/**
 * The stream that writes to the table, with all its parts. The relay may follow more than is verified: then its stream has
 * another name.
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

async function countBoth(collection: Collection): Promise<Found> {
  const { namespace, settings, causalReader, transport, rows, pass } = collection;
  const documents = async () => {
    const total = { $group: { _id: null, documents: { $sum: 1 } } };
    const [counted] = await causalReader.read(
      (client, options) =>
        client.db(namespace.database).collection(namespace.collection)
          .aggregate<Document>([...settings.relay.transform, total], {
            ...options,
            readConcern: { level: "majority" },
            ...settings.relay.transform.length === 0 && { hint: { _id: 1 } },
          }).toArray(),
      { isLong: true },
    );
    return Number(counted?.documents ?? 0);
  };
  const counted = await count({
    documents,
    rows: () => countRows(rows),
    deadLetters: () => DeadLetters.count(transport, deadLettersOf(collection)),
    pass,
    generations: settings.generations,
  });
  const lacking = counted.documents - counted.rows - counted.deadLetters;
  return {
    ...counted,
    missing: counted.isChanging ? 0 : Math.max(0, lacking),
    extra: counted.isChanging ? 0 : Math.max(0, -lacking),
    different: 0,
    overflowed: 0,
    changing: counted.isChanging && lacking !== 0 ? Math.abs(lacking) : 0,
    repaired: 0,
    differences: [],
  };
}

async function compareBoth(collection: Collection): Promise<Found> {
  const { namespace, settings, transport, reader, rows, shardKey, pass, relay, clock, signal } = collection;
  const sides = new BothSides({
    namespace,
    reader,
    rows,
    deadLetters: (oids) => DeadLetters.among(transport, deadLettersOf(collection), oids),
    shardKey,
    omit: settings.relay.omit,
  });
  const { names, streams } = collection;
  const repairer = new Repairer({
    namespace,
    relay,
    requests: new SharedRequests(
      streams.map((stream) => new RepairRequests(transport, { schema: names.metadataSchema, stream })),
    ),
    repairHere: (keys) => repairUnderLease(namespace, keys, { ...collection, settings: settings.relay }),
    settle: settings.settle,
    clock,
    signal,
  });
  const tally = new Tally({
    pass,
    look: (keys) => sides.look(keys),
    generations: settings.generations,
    repair: settings.differences === "repair" ? (keys) => repairer.repair(keys) : undefined,
    overflowed: (oids) => sides.overflowed(oids),
  });
  const seeksExtra = await belongsAlone(collection);
  const scanned = settings.sample > 0
    ? await takeSample(collection, { sides, tally, seeksExtra })
    : await scan({ ...collection, sides, seeksExtra, onDiffering: (seen) => tally.add(seen) });
  const { overflowedByRepair, ...found } = await tally.finish();
  return {
    ...scanned,
    overflowed: scanned.overflowed + overflowedByRepair,
    // All rows of the table were counted, before it was repaired.
    ...found.repaired > 0 && seeksExtra && settings.sample === 0 && { rows: await countRows(rows) },
    ...found,
  };
}

async function countRows(rows: RowReader): Promise<number> {
  await rows.refresh();
  return await rows.count();
}

interface Sampling {
  readonly sides: BothSides;
  readonly tally: Tally;
  readonly seeksExtra: boolean;
}

/** Compares documents that MongoDB takes at random, and rows that the sink takes at random. */
async function takeSample(collection: Collection, { sides, tally, seeksExtra }: Sampling): Promise<Scanned> {
  const { namespace, settings: { sample }, causalReader, reader, rows, onCompared, signal } = collection;
  const { documents: sampled } = await causalReader.page(namespace, {
    aggregate: namespace.collection,
    pipeline: [{ $sample: { size: sample } }, { $project: { _id: 1 } }],
    allowDiskUse: true,
    cursor: { batchSize: sample },
  }, { hint: null, abortable: true });
  let [documents, overflowed] = [0, 0];
  for await (const part of reader.lookUp(namespace, sampled.map(({ id }) => id))) {
    signal.throwIfAborted();
    const there = part.filter(isThere);
    const compared = await sides.compare(there);
    documents += there.length;
    overflowed += compared.overflowed;
    onCompared(part.length);
    await tally.add(compared.differing);
  }
  const oids = seeksExtra ? await rows.sample(sample) : [];
  for (let at = 0; at < oids.length; at += MAX_KEYS) {
    const { differing, unclear } = await sides.extra(oids.slice(at, at + MAX_KEYS));
    await tally.add(differing);
    if (unclear.length > 0) await tally.add(await sides.extraAmong(unclear));
  }
  return { documents, rows: oids.length, overflowed };
}

/** Whether a row without a document is one too many: not of other streams, and not where `--on-drop` keeps them. */
async function belongsAlone(
  { namespace, table, settings, causalReader, followed, log }: Collection,
): Promise<boolean> {
  const collection = namespaceText(namespace);
  const stream = await followed.sharer(namespace, table);
  if (stream !== undefined) {
    log.warn("Rows without documents are not looked for: another stream writes to the table too", {
      collection,
      stream,
    });
    return false;
  }
  const isKept = settings.relay.onDrop === "keep" && !await causalReader.exists(namespace);
  if (isKept) log.info("The collection is gone, and its rows stay: --on-drop keep", { collection });
  return !isKept;
}

const deadLettersOf = ({ namespace, table, names }: Collection) => ({
  schema: names.metadataSchema,
  stream: deadLetterStream(namespace, table),
});
