/**
 * The snapshot of the documents that existed before the change stream was opened, read in chunks by several parallel
 * readers. A chunk is always newer than what the stream has brought, and each later change is applied after it, so the rows end
 * up right without tombstones. This holds for all readers at once: nothing of the stream is applied while one of them
 * runs, and no two of them read the same key.
 */
import { bytesFromHex, bytesToHex } from "../../bson/bson.ts";
import type { Chunk } from "../../source/documents/chunk.ts";
import type { DocumentReader } from "../../source/documents/documents.ts";
import type { KeyRange, RangeSplitter } from "../../source/documents/key_ranges.ts";
import type { Clock } from "../../util/clock.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import { inParallel, Semaphore } from "../../util/concurrency.ts";
import type { Requeued } from "../collections/collection_state.ts";
import type { Collections } from "../collections/collections.ts";
import type { RelaySettings } from "../settings.ts";
import type { Emit } from "../status/events.ts";
import type { FilteredSnapshots } from "./filtered_snapshots.ts";
import { SLICE_MS, SnapshotRate } from "./snapshot_rate.ts";
import * as plans from "./snapshot_state.ts";
import type { RangeLeft, SnapshotPlan, SnapshotState } from "./snapshot_state.ts";
import { StaleRows, type StaleRowsDeps } from "./stale_rows.ts";

export interface SnapshotDeps extends StaleRowsDeps {
  readonly chunks: Pick<DocumentReader, "chunk">;
  readonly splitter: Pick<RangeSplitter, "split">;
  readonly tables: Pick<Collections, "of" | "sharer" | "attempt" | "skipped" | "isSkipped" | "states">;
  readonly settings: Pick<RelaySettings, "for" | "snapshotLanes" | "snapshotRate">;
  readonly filtered: Pick<FilteredSnapshots, "left" | "limit" | "add" | "outcome" | "discard">;
  readonly signal: AbortSignal;
  readonly clock: Pick<Clock, "monotonic">;
  readonly emit: Emit;
  /** Whether the start takes a snapshot, even if no collection exists. */
  readonly isDue: boolean;
  /** Estimated documents of the plan, including those read earlier. */
  readonly total: number;
  /** Estimates the documents of a collection that is added to the plan. */
  readonly countOf: (namespace: Namespace) => Promise<number>;
  readonly lagSeconds: () => number;
  /** Called after each chunk; no two calls overlap. */
  readonly onChunkApplied: () => Promise<void>;
}

/**
 * Emits its own begin, progress and end. It begins at the start if it is due, or as soon as the plan has a collection. It
 * ends with {@linkcode end}, which is due when the plan is empty, for whatever reason.
 */
export class Snapshot {
  readonly #deps: SnapshotDeps;
  readonly #rate: SnapshotRate;
  #plan: SnapshotPlan;
  /** For collections whose documents are all read. */
  readonly #staleRows = new Map<string, StaleRows>();
  readonly #warned = new Set<string>();
  readonly #saving = new Semaphore(1);
  readonly filtered: SnapshotDeps["filtered"];
  /** Collections of the plan that are not in the total. */
  readonly #uncounted = new Set<string>();
  /** Documents of each collection, estimated when its snapshot began. */
  readonly #totals = new Map<string, number>();
  #total: number;
  /** Undefined between snapshots. */
  #begunAt: number | undefined;

  constructor(plan: SnapshotPlan, deps: SnapshotDeps) {
    const { settings: { snapshotRate: rate, snapshotLanes: readers }, clock, filtered } = deps;
    this.filtered = filtered;
    this.#plan = plan;
    this.#deps = deps;
    this.#total = deps.total;
    this.#rate = new SnapshotRate({ rate, readers, clock });
    if (deps.isDue || this.pending) this.#start();
  }

  get pending(): boolean {
    return !this.#left.next().done;
  }

  /** Whether a snapshot has begun and its plan is empty: call {@linkcode end}. */
  get isOver(): boolean {
    return this.#begunAt !== undefined && !this.pending;
  }

  /** When the rate allows the next slice, by the monotonic clock. */
  get resumesAt(): number {
    return this.#rate.nextAt;
  }

  /** Replaces the rate, in documents a second; 0 for no limit. */
  limit(rate: number): void {
    this.#rate.limit(rate);
    this.filtered.limit(rate);
  }

  /** As it is saved with the position, with the skipped collections; null if all is done. */
  get state(): SnapshotState | null {
    const { tables, settings } = this.#deps;
    const plan = plans.requeueSkipped(this.#plan, tables.skipped, settings);
    return plans.stateOf({ ...plan, filtered: this.filtered.left });
  }

  /** The collections that can be read now. */
  get #left(): IteratorObject<Requeued> {
    const { tables } = this.#deps;
    return plans.collectionsLeft(this.#plan).filter((each) => !tables.isSkipped(each));
  }

  /** What is left to read of a collection, as it is planned; undefined for nothing. */
  left(namespace: Namespace): Requeued | undefined {
    const name = namespaceText(namespace);
    return plans.collectionsLeft(this.#plan).find((each) => namespaceText(each) === name);
  }

  /** Reads a collection again from its start. */
  requeue(namespace: Requeued, plan = plans.requeueAll(this.#plan, [namespace])): void {
    this.#plan = plan;
    this.#deps.tables.states.move(namespace, { what: "snapshot planned" });
    this.#staleRows.delete(namespaceText(namespace));
    this.#uncounted.add(namespaceText(namespace));
    if (this.#begunAt === undefined) this.#start();
  }

  /** {@linkcode requeue} for a collection whose changes were skipped until now. */
  requeueSkipped(namespace: Requeued): void {
    this.requeue(namespace, plans.requeueSkipped(this.#plan, [namespace], this.#deps.settings));
  }

  /** {@linkcode requeue} for a collection whose table has rows of a dropped one: they follow `--on-drop`. */
  requeueAfterDrop(namespace: Namespace): void {
    this.requeue({ ...namespace, keepsStale: this.#deps.settings.for(namespace).onDrop === "keep" });
  }

  /** Stops reading a dropped collection. If it is created again, the stream brings it. */
  discard(namespace: Namespace): void {
    this.#staleRows.delete(namespaceText(namespace));
    this.#plan = plans.withoutCollections(this.#plan, [namespace]);
  }

  /** Call it when rows are visible and the position is saved. */
  end(): void {
    const { clock, emit } = this.#deps;
    if (this.#begunAt === undefined) return;
    const seconds = Math.round((clock.monotonic() - this.#begunAt) / 100) / 10;
    emit({ type: "snapshotDone", documents: this.#plan.documents, seconds });
    this.#begunAt = undefined;
    this.#plan = { ...this.#plan, documents: 0, done: [] };
    this.#total = 0;
  }

  #start(): void {
    this.#begunAt = this.#deps.clock.monotonic();
    this.#rate.begin();
    this.#report();
  }

  #report(): void {
    const { documents } = this.#plan;
    const total = Math.max(this.#total, documents); // It is estimated.
    this.#deps.emit({ type: "snapshotProgress", documents, total, lagSeconds: this.#deps.lagSeconds() });
  }

  /** Reads and writes for {@linkcode SLICE_MS}. Apply nothing of the stream until it has ended. */
  async runSlice(): Promise<void> {
    if (this.#begunAt === undefined && this.pending) this.#start();
    const { clock, signal, settings } = this.#deps;
    const until = clock.monotonic() + SLICE_MS;
    const isOver = () => clock.monotonic() >= until || signal.aborted;
    const slice: Slice = { isOver, taken: new Set(), exists: new Map() };
    await inParallel(settings.snapshotLanes, () => slice.isOver() ? undefined : this.#nextWork(slice));
  }

  /** Work on the first collection that has some which no reader does. */
  #nextWork(slice: Slice): Work | undefined {
    const size = this.#rate.take();
    if (size === 0) return undefined;
    for (const namespace of this.#left) {
      const name = namespaceText(namespace);
      const ranges = plans.rangesLeft(this.#plan, namespace);
      this.#deps.tables.states.move(namespace, { what: "snapshot begun" });
      if (ranges && ranges.length > 0) {
        const range = ranges.find(({ upTo }) => !slice.taken.has(`${name}\0${upTo}`));
        if (!range) continue;
        const read = () => this.#readRange(namespace, range, size, slice);
        return this.#taking(`${name}\0${range.upTo}`, slice, this.#ifExists(namespace, slice, read));
      }
      if (slice.taken.has(name)) continue;
      this.#rate.settle(size, 0);
      const work = ranges ? () => this.#finish(namespace, slice) : () => this.#begin(namespace);
      return this.#taking(name, slice, this.#ifExists(namespace, slice, work));
    }
    this.#rate.settle(size, 0);
    return undefined;
  }

  /**
   * Work that no other reader takes while it runs. Its errors are ignored when the program is stopping. The work itself
   * skips a collection whose table cannot be used: it also saves the position, whose errors are not the table's.
   */
  #taking(what: string, { taken }: Slice, work: Work): Work {
    taken.add(what);
    return async () => {
      try {
        await work();
      } catch (error) {
        if (!this.#deps.signal.aborted) throw error;
      } finally {
        taken.delete(what);
      }
    };
  }

  /** A requeued collection may be dropped, and the stream may not have brought the event yet. */
  #ifExists(namespace: Requeued, { exists }: Slice, work: Work): Work {
    if (!this.#plan.requeued.includes(namespace)) return work;
    return async () => {
      const name = namespaceText(namespace);
      const checked = exists.get(name) ?? this.#deps.causalReader.exists(namespace);
      exists.set(name, checked);
      if (await checked) await work();
      else this.discard(namespace);
    };
  }

  async #begin(namespace: Requeued): Promise<void> {
    const name = namespaceText(namespace);
    const ranges = await this.#deps.splitter.split(namespace);
    const total = await this.#deps.countOf(namespace);
    this.#totals.set(name, total);
    this.#deps.tables.states.beginCount(namespace);
    if (this.#uncounted.delete(name)) {
      this.#total += total;
      this.#report();
    }
    const left = ranges.map(({ after, upTo }) => ({ after: hexOf(after), upTo: hexOf(upTo) }));
    this.#plan = plans.beginCollection(this.#plan, namespace, left);
  }

  /** Reads a chunk while the one before it is written. The first one has `size` documents at most. */
  async #readRange(
    namespace: Namespace,
    { after, upTo }: RangeLeft,
    size: number,
    slice: Slice,
  ): Promise<void> {
    const range = { after: keyOf(after), upTo: keyOf(upTo) };
    let reading: Promise<Chunk> | undefined = this.#read(namespace, range, size);
    try {
      while (reading) {
        const { documents, last, seen, done }: Chunk = await reading;
        const next: number = done || slice.isOver() ? 0 : this.#rate.take();
        reading = next > 0 ? this.#read(namespace, { ...range, after: last }, next) : undefined;
        if (!await this.#write(namespace, documents)) return;
        this.#count(namespace, seen);
        const progress = { last: hexOf(last), seen, done };
        this.#plan = plans.advanceRange(this.#plan, { namespace, upTo }, progress);
        await this.#onProgress();
      }
    } finally {
      await reading?.catch(() => {});
    }
  }

  #count(namespace: Namespace, seen: number): void {
    const { tables: { states }, emit } = this.#deps;
    states.count(namespace, { documents: seen });
    const { documents, name } = states.get(namespace);
    emit({ type: "collectionRead", namespace, documents, total: this.#totals.get(name) ?? null });
  }

  #read(namespace: Namespace, range: KeyRange, atMost: number): Promise<Chunk> {
    const reading = this.#deps.chunks.chunk(namespace, range, { atMost });
    reading.then(({ seen }) => this.#rate.settle(atMost, seen), () => {}); // `reading` rejects with the error.
    return reading;
  }

  /** Resolves to whether the table could be used. */
  #write(namespace: Namespace, documents: Chunk["documents"]): Promise<boolean> {
    const { tables, log } = this.#deps;
    return tables.attempt(namespace, async () => {
      const rows = await (await tables.of(namespace)).apply(documents, "snapshot");
      const collection = namespaceText(namespace);
      if (rows === documents.length || this.#warned.has(collection)) return;
      this.#warned.add(collection);
      log.warn("Documents with the same _id on several shards share a row, which is one of them", {
        collection,
      });
    });
  }

  async #finish(namespace: Requeued, { isOver }: Slice): Promise<void> {
    const name = namespaceText(namespace);
    const isRequeued = this.#plan.requeued.includes(namespace);
    if (isRequeued ? !namespace.keepsStale : this.#plan.removesStale) {
      const rows = this.#staleRows.get(name) ?? new StaleRows(namespace, this.#deps);
      this.#staleRows.set(name, rows);
      let isDone = false;
      await this.#deps.tables.attempt(namespace, async () => isDone = await rows.remove(isOver));
      if (!isDone) return;
    }
    this.#staleRows.delete(name);
    this.#plan = plans.finishCollection(this.#plan, namespace);
    this.#deps.tables.states.move(namespace, { what: "snapshot done" });
    await this.#onProgress();
  }

  #onProgress(): Promise<void> {
    this.#report();
    return this.#saving.run(this.#deps.onChunkApplied);
  }
}

const keyOf = (hex: string | null) => hex === null ? null : bytesFromHex(hex);
const hexOf = (key: Uint8Array | null) => key && bytesToHex(key);

type Work = () => Promise<void>;

interface Slice {
  readonly isOver: () => boolean;
  /** Collections and ranges that a reader works on. */
  readonly taken: Set<string>;
  /** Whether requeued collections exist. */
  readonly exists: Map<string, Promise<boolean>>;
}
