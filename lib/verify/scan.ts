/**
 * Compares a collection and its table in both directions. MongoDB, CrateDB and texts each order keys differently, so a
 * merge is impossible: each chunk of documents is compared with the rows of its keys, then each page of the table's keys
 * is looked up in the collection.
 */
import type { Document } from "mongodb";
import type { CausalReader } from "../source/connection/causal_reader.ts";
import { type Chunk, isThere } from "../source/documents/chunk.ts";
import type { KeyRange } from "../source/documents/key_ranges.ts";
import { concurrently, readAhead } from "../util/concurrency.ts";
import { grouped } from "../util/grouped.ts";
import type { Namespace } from "../util/namespace.ts";
import type { BothSides } from "./both_sides.ts";
import { type Collection, MAX_KEYS } from "./collection.ts";
import type { CollectionResult, Passing } from "./result.ts";
import type { Seen } from "./settle.ts";

interface ScanDeps extends Collection {
  readonly sides: BothSides;
  readonly seeksExtra: boolean;
  /** Takes the differences. Resolves when it can take more. */
  readonly onDiffering: (seen: readonly Seen[]) => Promise<void>;
}

/** Ranges of a collection to read in parallel. */
export const LANES = 3;
/** Keys without a readable `_id` that share one scan of the collection. */
const MAX_UNCLEAR = 100_000;

type Scanned = Pick<CollectionResult, "documents" | "rows" | "overflowed">;

export async function scan(deps: ScanDeps): Promise<Scanned> {
  const ranges = await deps.splitter.split(deps.namespace);
  const scanned = await concurrently(ranges, LANES, (range) => compareAll(chunksOf(range, deps), deps));
  const sum = (field: "documents" | "overflowed") => scanned.reduce((total, each) => total + each[field], 0);
  const rows = deps.seeksExtra ? await compareRows(pagesOf(deps), deps) : 0;
  return { documents: sum("documents"), overflowed: sum("overflowed"), rows };
}

/** CrateDB misreads larger limits. */
const MAX_SAMPLE = 2 ** 31 - 1;

/** Compares `wanted` documents and as many rows, which both servers choose at random. */
export async function scanSample(wanted: number, deps: ScanDeps): Promise<Scanned> {
  const size = Math.min(wanted, MAX_SAMPLE);
  const { namespace, bulkReader, reader, rows, seeksExtra } = deps;
  const { documents: sampled } = await bulkReader.page(namespace, {
    aggregate: namespace.collection,
    pipeline: [{ $sample: { size } }, { $project: { _id: 1 } }],
    allowDiskUse: true,
    cursor: {},
    // One reply has half a million keys at most.
  }, { hint: null, abortable: true, goesOn: () => true });
  async function* chunks() {
    for await (const part of reader.lookUp(namespace, sampled.map(({ id }) => id))) {
      yield { documents: part.filter(isThere), seen: part.length };
    }
  }
  async function* pages() {
    yield* grouped(await rows.sample(size), { count: MAX_KEYS });
  }
  const scanned = await compareAll(chunks(), deps);
  return { ...scanned, rows: seeksExtra ? await compareRows(pages(), deps) : 0 };
}

async function compareAll(
  chunks: AsyncIterable<Pick<Chunk, "documents" | "seen">>,
  { sides, onDiffering, onCompared, signal }: ScanDeps,
): Promise<Omit<Scanned, "rows">> {
  let [documents, overflowed] = [0, 0];
  for await (const chunk of readAhead(chunks)) {
    signal.throwIfAborted();
    const compared = await sides.compare(chunk.documents);
    documents += chunk.documents.length;
    overflowed += compared.overflowed;
    onCompared(chunk.seen);
    await onDiffering(compared.differing);
  }
  return { documents, overflowed };
}

async function* chunksOf(range: KeyRange, deps: ScanDeps): AsyncGenerator<Chunk> {
  const { namespace, reader, rate, signal } = deps;
  let { after } = range;
  while (true) {
    signal.throwIfAborted();
    const atMost = await allowance(deps);
    const chunk = await reader.chunk(namespace, { ...range, after }, { atMost });
    rate.settle(atMost, chunk.seen);
    yield chunk;
    if (chunk.done) return;
    after = chunk.last;
  }
}

async function compareRows(
  pages: AsyncIterable<readonly string[]>,
  { sides, signal, onDiffering }: ScanDeps,
): Promise<number> {
  const unclear: string[] = [];
  let count = 0;
  for await (const oids of readAhead(pages)) {
    signal.throwIfAborted();
    const found = await sides.extra(oids);
    count += oids.length;
    await onDiffering(found.differing);
    unclear.push(...found.unclear);
    if (unclear.length >= MAX_UNCLEAR) await onDiffering(await sides.extraAmong(unclear.splice(0)));
  }
  if (unclear.length > 0) await onDiffering(await sides.extraAmong(unclear));
  return count;
}

async function* pagesOf(deps: ScanDeps): AsyncGenerator<readonly string[]> {
  for await (const oids of deps.rows.keys(MAX_KEYS)) {
    deps.rate.settle(await allowance(deps), oids.length);
    yield oids;
  }
}

/** Waits until the rate allows to read documents. Returns their maximum number. */
async function allowance({ rate, clock, signal }: ScanDeps): Promise<number> {
  while (true) {
    const documents = rate.take();
    if (documents > 0) return documents;
    await clock.wait(Math.max(1, rate.nextAt - clock.monotonic()), { signal });
  }
}

interface CountDeps extends Readonly<Record<"documents" | "rows" | "deadLetters", () => Promise<number>>> {
  /** Waits until the relay has passed everything that was read from MongoDB. */
  readonly pass: () => Promise<Passing>;
  readonly generations: number;
  /** Whether rows without documents are errors, and documents without rows. @default {true} */
  readonly seeksExtra?: boolean;
  readonly seeksMissing?: boolean;
}

/**
 * Compares the numbers of documents and rows: counts documents before and after the rows, until both counts are equal.
 * Equal numbers of documents and rows prove little.
 */
export async function count(deps: CountDeps) {
  const { documents, rows, deadLetters, pass, generations, seeksExtra = true, seeksMissing = true } = deps;
  for (let generation = 1;; generation++) {
    const before = await documents();
    const relay = await pass();
    const counted = { documents: before, rows: await rows(), deadLetters: await deadLetters(), relay };
    const isSteady = relay === "passed" ? await documents() === before : relay !== "paused";
    if (!isSteady && relay === "passed" && generation < generations) continue;
    const lacking = before - counted.rows - counted.deadLetters;
    const missing = seeksMissing ? Math.max(0, lacking) : 0;
    const extra = seeksExtra ? Math.max(0, -lacking) : 0;
    return isSteady
      ? { ...counted, missing, extra, changing: 0 }
      : { ...counted, missing: 0, extra: 0, changing: missing + extra };
  }
}

export async function countDocuments(
  bulkReader: CausalReader,
  { database, collection }: Namespace,
  transform: readonly Document[],
): Promise<number> {
  const pipeline = [...transform, { $group: { _id: null, documents: { $sum: 1 } } }];
  const hint = transform.length === 0 && { hint: { _id: 1 } };
  const [counted] = await bulkReader.read((client, options) => {
    const counting = { ...options, readConcern: { level: "majority" as const }, ...hint };
    return client.db(database).collection(collection).aggregate<Document>(pipeline, counting).toArray();
  }, { isLong: true });
  return Number(counted?.documents ?? 0);
}
