/**
 * The snapshot of what was there before the change stream was opened, chunk by chunk. A chunk is always newer than what
 * the stream has brought, and every later change comes after it, so the end state is right without tombstones.
 */
import { bytesFromHex, bytesToHex } from "../bson/bson.ts";
import { idOfDocumentKey } from "../key/document_key.ts";
import { idOfKey } from "../key/key_to_id.ts";
import { type Namespace, namespaceText } from "../namespace.ts";
import type { CausalReader } from "../source/causal_reader.ts";
import type { Chunk } from "../source/chunk.ts";
import type { DocumentReader } from "../source/documents.ts";
import type { Clock } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import type { RelaySettings } from "./settings.ts";
import {
  currentCollection,
  finishCollection,
  requeue,
  type SnapshotPlan,
  type SnapshotState,
  stateOf,
  withoutCollection,
} from "./snapshot_state.ts";
import type { TableApplier } from "./table_applier.ts";
import type { TableRegistry } from "./table_registry.ts";

export interface SnapshotDeps {
  readonly causalReader: CausalReader;
  readonly reader: DocumentReader;
  readonly tables: TableRegistry;
  readonly onDrop: RelaySettings["onDrop"];
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly clock: Clock;
  /** Called after each chunk. */
  readonly onChunkApplied: () => Promise<void>;
}

/** A slice ends after this, so that the stream has its turn. */
const SLICE_MS = 1_000;
/** Rows looked at in one step when rows are removed whose documents are gone. */
const REMOVAL_ROWS = 2_000;

export class Snapshot {
  readonly #deps: SnapshotDeps;
  #plan: SnapshotPlan;
  /** Keys of rows whose documents may be gone; undefined until the collection is read to its end. */
  #unchecked: AsyncGenerator<string[]> | undefined;
  /** Collections that were warned of. */
  readonly #told = new Set<string>();

  constructor(plan: SnapshotPlan, deps: SnapshotDeps) {
    this.#plan = plan;
    this.#deps = deps;
  }

  get pending(): boolean {
    return currentCollection(this.#plan) !== undefined;
  }

  /** Documents read so far. */
  get documents(): number {
    return this.#plan.documents;
  }

  /** To be saved with the position; null when all is done. */
  get state(): SnapshotState | null {
    return stateOf(this.#plan);
  }

  /** Has a collection read once more from its start, since its name belongs to another collection now. */
  requeue(namespace: Namespace): void {
    this.#change(requeue(this.#plan, namespace));
  }

  /** The same of a collection whose table has rows of a dropped one, which follow `--on-drop`. */
  requeueAfterDrop(namespace: Namespace): void {
    this.#change(requeue(this.#plan, namespace, { keepsGone: this.#deps.onDrop === "keep" }));
  }

  /** Reads a collection no further that is gone. One that is made again under its name comes with the stream. */
  discard(namespace: Namespace): void {
    this.#change(withoutCollection(this.#plan, namespace));
  }

  #change(plan: SnapshotPlan): void {
    const before = currentCollection(this.#plan);
    this.#plan = plan;
    if (before !== currentCollection(plan)) this.#unchecked = undefined;
  }

  /**
   * Reads and applies for a while. Nothing of the stream may be applied meanwhile.
   *
   * @throws UserError, SinkError, MongoError
   */
  async runSlice(): Promise<void> {
    const { clock, signal, causalReader, tables, onChunkApplied } = this.#deps;
    const until = clock.now() + SLICE_MS;
    while (clock.now() < until && !signal.aborted) {
      const namespace = currentCollection(this.#plan);
      if (!namespace) return;
      const isRequeued = this.#plan.pending.length === 0;
      // It may be gone, and the stream has still to tell of that.
      if (isRequeued && !await causalReader.exists(namespace)) {
        this.discard(namespace);
        continue;
      }
      const removesGone = isRequeued ? !namespace.keepsGone : this.#plan.removesGone;
      const applier = await tables.of(namespace);
      if (!this.#unchecked && !await this.#readAndApply({ namespace, applier, until })) return;
      if (removesGone && !await this.#removeGone({ namespace, applier, until })) return;
      this.#change(finishCollection(this.#plan));
      this.#unchecked = undefined;
      await onChunkApplied();
    }
  }

  /** While one chunk is written, the next is read. @returns whether the collection is at its end */
  async #readAndApply({ namespace, applier, until }: Slice): Promise<boolean> {
    const { reader, signal, clock, onChunkApplied } = this.#deps;
    const read = (last: Uint8Array | null): Promise<Chunk> => {
      const reading = reader.chunk(namespace, last);
      reading.catch(() => {}); // It is awaited later, if at all.
      return reading;
    };
    const { lastKey } = this.#plan;
    let reading: Promise<Chunk> | undefined = read(lastKey === null ? null : bytesFromHex(lastKey));
    try {
      while (reading) {
        const { documents, last, seen, done }: Chunk = await reading;
        reading = !done && clock.now() < until && !signal.aborted ? read(last) : undefined;
        const rows = await applier.apply(documents);
        if (rows < documents.length) this.#tellOfSharedRows(namespace);
        this.#plan = {
          ...this.#plan,
          lastKey: last && bytesToHex(last),
          documents: this.#plan.documents + seen,
        };
        if (done) return true;
        await onChunkApplied();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await reading?.catch(() => {});
    }
    return false;
  }

  #tellOfSharedRows(namespace: Namespace): void {
    const collection = namespaceText(namespace);
    if (this.#told.has(collection)) return;
    this.#told.add(collection);
    this.#deps.log.warn("Documents with the same _id on several shards share a row, which is one of them", {
      collection,
    });
  }

  /**
   * Removes rows whose documents are gone. The stream cannot bring a document back between the look-up and the removal.
   *
   * @returns whether all rows have been looked at
   */
  async #removeGone({ namespace, applier, until }: Slice): Promise<boolean> {
    const { tables, log, signal, clock } = this.#deps;
    if (!this.#unchecked) {
      const other = await tables.sharer(namespace);
      if (other) {
        log.warn("Rows of documents that are gone stay: another stream writes to the table too", {
          stream: other,
        });
        return true;
      }
      await applier.refresh();
      await applier.remove(await this.#goneKeys(applier.deadKeys, { namespace, applier }));
      this.#unchecked = applier.keys(REMOVAL_ROWS);
    }
    while (clock.now() < until && !signal.aborted) {
      const { value: keys, done } = await this.#unchecked.next();
      if (done) return true;
      const gone = await this.#goneKeys(keys, { namespace, applier });
      await applier.remove(gone);
      if (gone.length > 0) log.info("Removed rows whose documents are gone", { rows: gone.length });
    }
    return false;
  }

  /** The keys that no document has, or none that matches; of a collection that is gone, as `--on-drop` says. */
  async #goneKeys(
    keys: readonly string[],
    { namespace, applier }: Pick<Slice, "namespace" | "applier">,
  ): Promise<string[]> {
    const { causalReader, reader, onDrop } = this.#deps;
    const { shardKey } = applier;
    const ids = keys.map(shardKey.length > 0 ? idOfDocumentKey : idOfKey);
    const there = await reader.keysOf(namespace, ids.filter((id) => id !== undefined), shardKey);
    const unclear = new Set(keys.filter((_, index) => ids[index] === undefined));
    if (unclear.size > 0) {
      for (const key of await reader.keysAmong(namespace, unclear, shardKey)) there.add(key);
    }
    const gone = keys.filter((key) => !there.has(key));
    const stay = gone.length > 0 && onDrop === "keep" && !await causalReader.exists(namespace);
    return stay ? [] : gone;
  }
}

interface Slice {
  readonly namespace: Namespace;
  readonly applier: TableApplier;
  /** When the slice ends, in milliseconds since 1970. */
  readonly until: number;
}
