/** Verifies one collection and its table: completely, by a sample, or by counts. */
import { isStreamOf } from "../key/stream_name.ts";
import { SavedCollections } from "../sink/metadata/saved_collections.ts";
import { ControlRequests } from "../sink/metadata/control_requests.ts";
import { readPosition, type SavedPosition } from "../sink/metadata/saved_position.ts";
import { saveVerifyResult } from "../sink/metadata/verify_results.ts";
import type { RowReader } from "../sink/table/row_reader.ts";
import { shardKeyOf } from "../source/documents/collections.ts";
import { UserError } from "../util/errors.ts";
import { type Namespace, namespaceText } from "../util/namespace.ts";
import { bothSides } from "./both_sides.ts";
import { type Collection, openCollection, type VerifyDeps, wholeOf } from "./collection.ts";
import { repair, type RepairDeps } from "./repair.ts";
import { type CollectionResult, outcomeOf, type Passing, verifyRow } from "./result.ts";
import { count, countDocuments, scan, scanSample } from "./scan.ts";
import { newTally } from "./settle.ts";

export async function verifyCollection(namespace: Namespace, deps: VerifyDeps): Promise<CollectionResult> {
  const { settings: { compare, sample }, names, transport, causalReader, clock } = deps;
  const startedAt = clock.now();
  const collection = await openCollection(namespace, deps);
  const { stream, table, rows } = collection;
  const clusterTime = causalReader.time;
  await rows.refresh();
  const found = compare === "counts" ? await countBoth(collection) : await compareBoth(collection);
  const result: CollectionResult = {
    stream,
    collection: namespaceText(namespace),
    table: `${table.schema}.${table.name}`,
    mode: compare === "counts" ? "count" : sample > 0 ? "sample" : "full",
    outcome: outcomeOf(found),
    startedAt,
    finishedAt: clock.now(),
    clusterTime,
    ...found,
  };
  await saveVerifyResult(transport, names.metadataSchema, verifyRow(result));
  return result;
}

async function countBoth(collection: Collection) {
  const { namespace, own, settings, bulkReader, rows, deadLetters } = collection;
  const counted = await count({
    pass: () => pass(collection),
    generations: settings.generations,
    seeksExtra: own.deletes !== "keep",
    // Expired documents have no rows.
    seeksMissing: own.keep === undefined,
    documents: () => countDocuments(bulkReader, namespace, own.transform),
    rows: () => countRows(rows),
    deadLetters: () => deadLetters.count(),
  });
  return { ...counted, different: 0, overflowed: 0, repaired: 0, differences: [] };
}

/** Waits for the relay. Later reads, also from a secondary, are not older than the rows that were read before. */
async function pass({ causalReader, relay }: Collection): Promise<Passing> {
  await causalReader.read((client, options) => client.db("admin").command({ hello: 1 }, options));
  return await relay.passes(causalReader.time);
}

async function compareBoth(collection: Collection) {
  const { namespace, own, causalReader, rows } = collection;
  const { sample, differences, generations } = collection.settings;
  const sides = bothSides(
    collection,
    own.key === "documentKey" ? await shardKeyOf(causalReader, namespace) : [],
  );
  const tally = newTally({
    pass: () => pass(collection),
    generations,
    look: sides.look,
    repair: differences === "repair" ? (keys) => repair(keys, repairDeps(collection)) : undefined,
    overflowed: sides.overflowed,
  });
  const seeksExtra = await ownsExtraRows(collection);
  const scanning = { ...collection, sides, seeksExtra, onDiffering: tally.add };
  const scanned = sample > 0 ? await scanSample(sample, scanning) : await scan(scanning);
  const { overflowedByRepair, elsewhere, ...found } = await tally.finish();
  return {
    ...scanned,
    ...elsewhere > 0 && { hint: otherPartitions(namespace, elsewhere) },
    overflowed: scanned.overflowed + overflowedByRepair,
    // The rows were counted before the repair, or not at all.
    ...(found.repaired > 0 && seeksExtra || own.deletes === "keep") && sample === 0 &&
      { rows: await countRows(rows) },
    ...found,
  };
}

const otherPartitions = (namespace: Namespace, rows: number): string =>
  "Rows with the values of their documents, but in other partitions than --partition-by names: " +
  `${rows}. To move them: rebuild ${namespaceText(namespace)}`;

async function countRows(rows: RowReader): Promise<number> {
  await rows.refresh();
  return await rows.count();
}

function repairDeps(collection: Collection): RepairDeps {
  const { names: { metadataSchema: schema, stream: own }, streams, transport, settings, ownRelay } =
    collection;
  return {
    ...collection,
    settle: settings.settle,
    requests: streams.map((stream) => new ControlRequests(transport, { schema, stream })),
    startRelay: async () => {
      const [stream = own] = streams;
      assertStartable(streams, own, await readPosition(transport, { schema, stream }));
      await ownRelay.start();
    },
    failure: ownRelay.failure,
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
async function ownsExtraRows(
  { namespace, own, table, names, transport, causalReader, log, ...rest }: Collection,
) {
  const collection = namespaceText(namespace);
  const followed = new SavedCollections(transport, { schema: names.metadataSchema, stream: rest.stream });
  const stream = await followed.sharer(namespace, table);
  if (stream !== undefined) {
    const text = "Skipping the search for rows without documents: another stream writes to the table too";
    log.warn(text, { collection, stream });
    return false;
  }
  if (own.deletes === "keep") {
    log.info("Rows without documents are not looked for: --deletes keep", { collection });
    return false;
  }
  const isKept = own.onDrop === "keep" && !await causalReader.exists(namespace);
  if (isKept) log.info("The collection does not exist, and its rows stay: --on-drop keep", { collection });
  return !isKept;
}
