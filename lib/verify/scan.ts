/**
 * Goes through a collection and its table once, both ways. Keys have one order in MongoDB, another in the table, and a
 * third as texts, so nothing is merged by order: the documents of a chunk are compared with the rows of their keys, and
 * after that each page of the table's keys is looked up in the collection.
 */
import type { Namespace } from "../util/namespace.ts";
import type { SnapshotRate } from "../pipeline/snapshot/snapshot_rate.ts";
import type { RowReader } from "../sink/table/row_reader.ts";
import type { Chunk } from "../source/documents/chunk.ts";
import type { DocumentReader } from "../source/documents/documents.ts";
import type { KeyRange, RangeSplitter } from "../source/documents/key_ranges.ts";
import type { Clock } from "../util/clock.ts";
import { concurrently, readAhead } from "../util/concurrency.ts";
import { type BothSides, MAX_KEYS } from "./both_sides.ts";
import type { Seen } from "./settle.ts";

export interface ScanDeps {
  readonly namespace: Namespace;
  readonly reader: Pick<DocumentReader, "chunk">;
  readonly splitter: Pick<RangeSplitter, "split">;
  readonly rows: Pick<RowReader, "keys">;
  readonly sides: Pick<BothSides, "compare" | "extra" | "extraAmong">;
  /** Whether rows without documents are looked for. */
  readonly seeksExtra: boolean;
  readonly rate: SnapshotRate;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Takes what differs, and waits until there is room for more. */
  readonly onDiffering: (seen: readonly Seen[]) => Promise<void>;
  /** Is told of documents that have been compared. */
  readonly onCompared: (documents: number) => void;
}

export interface Scanned {
  readonly documents: number;
  readonly rows: number;
  readonly overflowed: number;
}

/** Ranges of a collection that are read at once. */
export const LANES = 3;
/** Keys that do not tell an `_id`, for which all documents are read together. */
const MAX_UNCLEAR = 100_000;

export async function scan(deps: ScanDeps): Promise<Scanned> {
  const { namespace, splitter, seeksExtra } = deps;
  const ranges = await splitter.split(namespace);
  const scanned = await concurrently(ranges, LANES, (range) => scanRange(range, deps));
  const sum = (count: (each: RangeScanned) => number): number =>
    scanned.reduce((total, each) => total + count(each), 0);
  return {
    documents: sum(({ documents }) => documents),
    overflowed: sum(({ overflowed }) => overflowed),
    rows: seeksExtra ? await scanRows(deps) : 0,
  };
}

type RangeScanned = Omit<Scanned, "rows">;

async function scanRange(range: KeyRange, deps: ScanDeps): Promise<RangeScanned> {
  const { sides, onDiffering, onCompared } = deps;
  let [documents, overflowed] = [0, 0];
  for await (const chunk of readAhead(chunksOf(range, deps))) {
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
  let isDone = false;
  while (!isDone) {
    signal.throwIfAborted();
    const atMost = await allowance(deps);
    const chunk = await reader.chunk(namespace, { ...range, after }, { atMost });
    rate.settle(atMost, chunk.seen);
    yield chunk;
    after = chunk.last;
    isDone = chunk.done;
  }
}

async function scanRows(deps: ScanDeps): Promise<number> {
  const { sides, rows, rate, signal, onDiffering } = deps;
  const unclear: string[] = [];
  let count = 0;
  for await (const oids of readAhead(rows.keys(MAX_KEYS))) {
    signal.throwIfAborted();
    rate.settle(await allowance(deps), oids.length);
    const found = await sides.extra(oids);
    count += oids.length;
    await onDiffering(found.differing);
    unclear.push(...found.unclear);
    if (unclear.length >= MAX_UNCLEAR) await onDiffering(await sides.extraAmong(unclear.splice(0)));
  }
  if (unclear.length > 0) await onDiffering(await sides.extraAmong(unclear));
  return count;
}

/** Waits until the rate allows documents to be read. @returns how many */
async function allowance({ rate, clock, signal }: ScanDeps): Promise<number> {
  let documents = rate.take();
  while (documents === 0) {
    await clock.wait(Math.max(1, rate.nextAt - clock.monotonic()), { signal });
    documents = rate.take();
  }
  return documents;
}
