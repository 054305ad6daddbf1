/**
 * The snapshot of what was there before the change stream was opened, chunk by chunk, in several lanes. A chunk is always
 * newer than what the stream has brought, and every later change comes after it, so the end state is right without
 * tombstones. That holds for all lanes at once, because nothing of the stream is applied while one of them is at work, and
 * no two of them have the same key.
 */
import { bytesFromHex, bytesToHex } from "../../bson/bson.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import type { CausalReader } from "../../source/connection/causal_reader.ts";
import type { Chunk } from "../../source/documents/chunk.ts";
import type { DocumentReader } from "../../source/documents/documents.ts";
import type { KeyRange, RangeSplitter } from "../../source/documents/key_ranges.ts";
import type { OwnKeys } from "../../source/documents/own_keys.ts";
import type { Clock } from "../../util/clock.ts";
import type { Logger } from "../../util/log.ts";
import { Semaphore } from "../../util/semaphore.ts";
import { GoneRows } from "./stale_rows.ts";
import { runLanes } from "./lanes.ts";
import type { Emit } from "../status/events.ts";
import type { RelaySettings } from "../settings.ts";
import { SnapshotRate } from "./snapshot_rate.ts";
import {
  advanceRange,
  beginCollection,
  collectionsLeft,
  finishCollection,
  type RangeLeft,
  rangesLeft,
  requeue,
  type Requeued,
  requeueLeftOut,
  type SnapshotPlan,
  type SnapshotState,
  startAgain,
  stateOf,
  withoutCollection,
} from "./snapshot_state.ts";
import type { TableRegistry } from "../collections/table_registry.ts";

export interface SnapshotDeps {
  readonly causalReader: CausalReader;
  readonly reader: DocumentReader;
  readonly splitter: Pick<RangeSplitter, "split">;
  readonly ownKeys: Pick<OwnKeys, "among">;
  readonly tables: TableRegistry;
  readonly onDrop: RelaySettings["onDrop"];
  /** Ranges that are read at once. */
  readonly lanes: number;
  /** Documents a second at most; 0 for no limit. */
  readonly rate: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly clock: Pick<Clock, "monotonic">;
  readonly emit: Emit;
  /** Whether the start takes a snapshot, even if no collection exists. */
  readonly isDue: boolean;
  /** Estimated documents of the plan, including those read earlier. */
  readonly total: number;
  /** Estimates the documents of a collection that is added to the plan. */
  readonly countOf: (namespace: Namespace) => Promise<number>;
  /** Seconds that the change stream is behind. */
  readonly lagSeconds: () => number;
  /** Called after each chunk, once at a time. */
  readonly onChunkApplied: () => Promise<void>;
}

/** A slice ends after this, so that the stream has its turn. */
const SLICE_MS = 1_000;

/**
 * Reports its own beginning, progress and end. It begins at the start if it is due, or as soon as the plan has a
 * collection, and ends with {@linkcode end}, which is due when the plan is empty, whatever has emptied it.
 */
export class Snapshot {
  readonly #deps: SnapshotDeps;
  readonly #rate: SnapshotRate;
  #plan: SnapshotPlan;
  /** Of collections that are read to their ends. */
  readonly #goneRows = new Map<string, GoneRows>();
  /** Collections that were warned of. */
  readonly #told = new Set<string>();
  readonly #telling = new Semaphore(1);
  /** Collections of the plan that the total lacks. */
  readonly #uncounted = new Set<string>();
  #total: number;
  /** By the monotonic clock; undefined between snapshots. */
  #begunAt: number | undefined;

  constructor(plan: SnapshotPlan, deps: SnapshotDeps) {
    this.#plan = plan;
    this.#deps = deps;
    this.#total = deps.total;
    this.#rate = new SnapshotRate(deps);
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

  /** Documents read so far. */
  get documents(): number {
    return this.#plan.documents;
  }

  /** To be saved with the position; null when all is done. Collections left out are still to be read. */
  get state(): SnapshotState | null {
    const { tables, onDrop } = this.#deps;
    return stateOf(requeueLeftOut(this.#plan, tables.leftOut.all, onDrop));
  }

  /** The collections that can be read now. */
  get #left(): IteratorObject<Requeued> {
    const { leftOut } = this.#deps.tables;
    return collectionsLeft(this.#plan).filter((each) => !leftOut.has(each));
  }

  /** Has a collection read once more from its start, for example if its name belongs to another collection now. */
  requeue(namespace: Requeued): void {
    this.#add(namespace, requeue(this.#plan, namespace, namespace));
  }

  /** The same of a collection that was left out, and whose table can be used. */
  requeueLeftOut(namespace: Requeued): void {
    this.#add(namespace, requeueLeftOut(this.#plan, [namespace], this.#deps.onDrop));
  }

  /** The same of a collection whose table has rows of a dropped one, which follow `--on-drop`. */
  requeueAfterDrop(namespace: Namespace): void {
    this.#add(namespace, requeue(this.#plan, namespace, { keepsGone: this.#deps.onDrop === "keep" }));
  }

  #add(namespace: Namespace, plan: SnapshotPlan): void {
    this.#forget(namespace);
    this.#plan = plan;
    this.#uncounted.add(namespaceText(namespace));
    if (this.#begunAt === undefined) this.#start();
  }

  /** Reads a collection no further that is gone. One that is made again under its name comes with the stream. */
  discard(namespace: Namespace): void {
    this.#forget(namespace);
    this.#plan = withoutCollection(this.#plan, namespace);
  }

  #forget(namespace: Namespace): void {
    this.#goneRows.delete(namespaceText(namespace));
  }

  /** Reports the end. Call it when rows are visible and the position is saved. */
  end(): void {
    const { clock, emit } = this.#deps;
    if (this.#begunAt === undefined) return;
    const seconds = Math.round((clock.monotonic() - this.#begunAt) / 100) / 10;
    emit({ type: "snapshotDone", documents: this.documents, seconds });
    this.#begunAt = undefined;
    this.#plan = startAgain(this.#plan);
    this.#total = 0;
  }

  #start(): void {
    this.#begunAt = this.#deps.clock.monotonic();
    this.#report();
  }

  #report(): void {
    const { emit, lagSeconds } = this.#deps;
    const { documents } = this;
    // The total is estimated.
    const total = Math.max(this.#total, documents);
    emit({ type: "snapshotProgress", documents, total, lagSeconds: lagSeconds() });
  }

  /**
   * Reads and applies for a while. Nothing of the stream may be applied meanwhile.
   *
   * @throws UserError, SinkError, MongoError
   */
  async runSlice(): Promise<void> {
    if (this.#begunAt === undefined && this.pending) this.#start();
    const { clock, signal, lanes } = this.#deps;
    const until = clock.monotonic() + SLICE_MS;
    const slice: Slice = {
      isOver: () => clock.monotonic() >= until || signal.aborted,
      taken: new Set(),
      there: new Map(),
    };
    await runLanes(lanes, () => slice.isOver() ? undefined : this.#nextWork(slice));
  }

  /** Of the first collection that has something to do which no lane does. */
  #nextWork(slice: Slice): Work | undefined {
    const size = this.#rate.take();
    if (size === 0) return undefined;
    for (const namespace of this.#left) {
      const name = namespaceText(namespace);
      const ranges = rangesLeft(this.#plan, namespace);
      if (ranges && ranges.length > 0) {
        const range = ranges.find(({ upTo }) => !slice.taken.has(`${name}\0${upTo}`));
        if (!range) continue;
        const read = () => this.#readRange(range, { namespace, size, slice });
        const work = this.#ifThere(namespace, slice, read);
        return this.#taking(`${name}\0${range.upTo}`, { slice, work });
      }
      if (slice.taken.has(name)) continue;
      this.#rate.settle(size, 0);
      const work = ranges ? () => this.#finish(namespace, slice) : () => this.#begin(namespace);
      return this.#taking(name, { slice, work: this.#ifThere(namespace, slice, work) });
    }
    this.#rate.settle(size, 0);
    return undefined;
  }

  /**
   * Work that no other lane takes as long as it runs. Ignores errors once the program is stopping. The work itself leaves
   * out a collection whose table cannot be used: an error of the position, which it saves, is not one of the table.
   */
  #taking(what: string, { slice: { taken }, work }: Taking): Work {
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

  /** Work on a collection that may be gone, and the stream has still to tell of that. */
  #ifThere(namespace: Requeued, { there }: Slice, work: Work): Work {
    if (!this.#plan.requeued.includes(namespace)) return work;
    return async () => {
      const name = namespaceText(namespace);
      const looked = there.get(name) ?? this.#deps.causalReader.exists(namespace);
      there.set(name, looked);
      if (await looked) await work();
      else this.discard(namespace);
    };
  }

  async #begin(namespace: Requeued): Promise<void> {
    const { splitter, countOf } = this.#deps;
    const ranges = await splitter.split(namespace);
    if (this.#uncounted.delete(namespaceText(namespace))) {
      const count = await countOf(namespace);
      this.#total += count;
      this.#report();
    }
    this.#plan = beginCollection(
      this.#plan,
      namespace,
      ranges.map(({ after, upTo }) => ({
        after: after && bytesToHex(after),
        upTo: upTo && bytesToHex(upTo),
      })),
    );
  }

  /** While one chunk is written, the next is read. */
  async #readRange({ after, upTo }: RangeLeft, { namespace, size, slice }: Reading): Promise<void> {
    const { tables } = this.#deps;
    const range = {
      after: after === null ? null : bytesFromHex(after),
      upTo: upTo === null ? null : bytesFromHex(upTo),
    };
    let reading: Promise<Chunk> | undefined = this.#read(namespace, range, size);
    try {
      while (reading) {
        const { documents, last, seen, done }: Chunk = await reading;
        const next: number = done || slice.isOver() ? 0 : this.#rate.take();
        reading = next > 0 ? this.#read(namespace, { ...range, after: last }, next) : undefined;
        const isApplied = await tables.attempt(namespace, async () => {
          const rows = await (await tables.of(namespace)).apply(documents);
          if (rows < documents.length) this.#warnOfSharedRows(namespace);
        });
        if (!isApplied) return;
        const progress = { last: last && bytesToHex(last), seen, done };
        this.#plan = advanceRange(this.#plan, { namespace, upTo }, progress);
        await this.#tellOfProgress();
      }
    } finally {
      await reading?.catch(() => {});
    }
  }

  #read(namespace: Namespace, range: KeyRange, atMost: number): Promise<Chunk> {
    const reading = this.#deps.reader.chunk(namespace, range, { atMost });
    reading.then(({ seen }) => this.#rate.settle(atMost, seen), () => {}); // It is awaited later, if at all.
    return reading;
  }

  /** Rows whose documents are gone are removed in one lane. */
  async #finish(namespace: Requeued, { isOver }: Slice): Promise<void> {
    const isRequeued = this.#plan.requeued.includes(namespace);
    if (isRequeued ? !namespace.keepsGone : this.#plan.removesGone) {
      const name = namespaceText(namespace);
      const rows = this.#goneRows.get(name) ?? new GoneRows(namespace, this.#deps);
      this.#goneRows.set(name, rows);
      let isDone = false;
      await this.#deps.tables.attempt(namespace, async () => isDone = await rows.remove(isOver));
      if (!isDone) return;
    }
    this.#forget(namespace);
    this.#plan = finishCollection(this.#plan, namespace);
    await this.#tellOfProgress();
  }

  #tellOfProgress(): Promise<void> {
    this.#report();
    return this.#telling.run(this.#deps.onChunkApplied);
  }

  #warnOfSharedRows(namespace: Namespace): void {
    const collection = namespaceText(namespace);
    if (this.#told.has(collection)) return;
    this.#told.add(collection);
    this.#deps.log.warn("Documents with the same _id on several shards share a row, which is one of them", {
      collection,
    });
  }
}

type Work = () => Promise<void>;

interface Taking {
  readonly slice: Slice;
  readonly work: Work;
}

interface Slice {
  readonly isOver: () => boolean;
  /** Collections and ranges that a lane is at work on. */
  readonly taken: Set<string>;
  /** Whether the collections are there that may be gone. */
  readonly there: Map<string, Promise<boolean>>;
}

interface Reading {
  readonly namespace: Namespace;
  /** Documents that the first chunk may have. */
  readonly size: number;
  readonly slice: Slice;
}
