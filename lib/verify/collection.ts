/** A collection of `verify`, its table, and the relay that writes to it. */
import { isStreamOf, partsOfStream, siblingsOf } from "../key/stream_name.ts";
import type { CollectionSettings, Names, RelaySettings } from "../pipeline/settings.ts";
import type { SnapshotRate } from "../pipeline/snapshot/snapshot_rate.ts";
import type { Transport } from "../sink/connection/transport.ts";
import { DeadLetters, deadLetterStream } from "../sink/metadata/dead_letters.ts";
import { SavedCollections } from "../sink/metadata/saved_collections.ts";
import { readPosition } from "../sink/metadata/saved_position.ts";
import { tableFor, type TableName } from "../sink/sql/names.ts";
import { RowReader } from "../sink/table/row_reader.ts";
import type { CausalReader } from "../source/connection/causal_reader.ts";
import { DocumentReader } from "../source/documents/documents.ts";
import type { RangeSplitter } from "../source/documents/key_ranges.ts";
import type { Clock } from "../util/clock.ts";
import type { MemoryBudget } from "../util/garbage.ts";
import type { Logger } from "../util/log.ts";
import { type Namespace, namespaceText } from "../util/namespace.ts";
import { type OwnRelay, type RelayWatch, relayWatch } from "./repair.ts";

/** Times are in milliseconds. */
export interface VerifySettings {
  readonly relay: RelaySettings;
  /** The stream of the relay in which `verify` runs. @default {none: it runs by itself} */
  readonly runsIn?: string;
  /** The names of the whole stream of a file, of which flags may select collections. */
  readonly wholeIn?: RelaySettings["namesIn"] | undefined;
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
  /** For documents. */
  readonly bulkReader: CausalReader;
  readonly splitter: RangeSplitter;
  readonly rate: SnapshotRate;
  /** `inFlight` limits the bytes of the documents that are being compared with their rows. */
  readonly memory: MemoryBudget;
  /** Repairs rows if no other relay runs. */
  readonly ownRelay: OwnRelay;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly clock: Clock;
  readonly onCompared: (documents: number) => void;
}

export interface Collection extends VerifyDeps {
  readonly namespace: Namespace;
  readonly own: CollectionSettings;
  readonly table: TableName;
  /** The stream that writes to the table, and that of each worker. */
  readonly stream: string;
  readonly streams: readonly string[];
  readonly reader: DocumentReader;
  readonly rows: RowReader;
  readonly relay: RelayWatch;
  readonly deadLetters: DeadLetters;
}

export const MAX_KEYS = 2_500;

/** The table of a collection, and the streams that write the collection to it. */
export async function openTable(
  namespace: Namespace,
  { names, transport, settings: { relay } }: Pick<VerifyDeps, "names" | "transport" | "settings">,
) {
  const { metadataSchema: schema, stream } = names;
  const table = tableFor(names.tableOf(namespace), namespace, transport.dialect);
  const writers = await new SavedCollections(transport, { schema, stream }).streamsOf(namespace, table);
  return { table, writers, rows: await RowReader.open(transport, table, relay.for(namespace)) };
}

export async function openCollection(namespace: Namespace, deps: VerifyDeps): Promise<Collection> {
  const { settings: { relay, settle, runsIn }, names, transport, bulkReader, log } = deps;
  const { table, writers, rows } = await openTable(namespace, deps);
  const schema = names.metadataSchema;
  const read = (streams: readonly string[]) =>
    Promise.all(streams.map((stream) => readPosition(transport, { schema, stream })));
  // Streams that no relay follows any more may have written to the table, too.
  const held = (await read(writers)).flatMap((each) => each?.isHeld ? [each.stream] : []);
  const streams = streamsAmong(held.length > 0 ? held : writers, runsIn ?? names.stream);
  const stream = wholeOf(streams);
  const collection = namespaceText(namespace);
  if (stream !== names.stream) {
    log.info("The relay that writes to the table follows another scope", { collection, stream });
  }
  if (writers.length === 0 && !rows.exists) {
    const missing = "The table does not exist, and no stream writes the collection to it";
    log.warn(missing, { collection, table: `${table.schema}.${table.name}` });
  }
  const { for: settingsFor, replyBytes } = relay;
  return {
    ...deps,
    namespace,
    table,
    stream,
    streams,
    rows,
    own: settingsFor(namespace),
    reader: new DocumentReader(bulkReader, { for: settingsFor, size: MAX_KEYS, replyBytes }),
    relay: relayWatch({ ...deps, settle, runsIn, read: () => read(streams) }),
    deadLetters: new DeadLetters(transport, { schema, stream: deadLetterStream(namespace, table) }),
  };
}

/**
 * The stream that writes to the table, one for each worker. Its name differs if the relay follows more collections.
 * @example
 * IN: ["shop.* -> … (worker 1/2)"], "shop.orders -> …" → OUT: ["shop.* -> … (worker 0/2)", "shop.* -> … (worker 1/2)"]
 */
export function streamsAmong(streams: readonly string[], own: string): readonly string[] {
  const writer = streams.find((each) => isStreamOf(each, own)) ?? streams[0] ?? own;
  const parts = streams.filter((each) => isStreamOf(each, wholeOf([writer])));
  return [...new Set((parts.length > 0 ? parts : [own]).flatMap(siblingsOf))];
}

export const wholeOf = ([stream = ""]: readonly string[]): string => partsOfStream(stream).whole;
