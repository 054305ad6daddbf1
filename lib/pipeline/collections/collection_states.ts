/** The states of a stream's collections: changed, emitted and saved here. */
import type { SavedCollections } from "../../sink/metadata/saved_collections.ts";
import { quoteTable } from "../../sink/sql/names.ts";
import type { Clock } from "../../util/clock.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import type { Emit } from "../status/events.ts";
import { Collection, type CollectionDeps } from "./collection.ts";
import type { CollectionState, StateChange } from "./collection_state.ts";
import type { SkippedCollections } from "./skipped_collections.ts";

export interface CollectionStatesDeps extends Omit<CollectionDeps, "onChange"> {
  readonly saved: Pick<SavedCollections, "list" | "remove" | "save">;
  readonly skipped: Pick<SkippedCollections, "update">;
  readonly emit: Emit;
  readonly clock: Pick<Clock, "now" | "monotonic">;
}

/** Between two saves. */
const SAVE_INTERVAL_MS = 1_000;
/** Between two saves of counts alone. */
const COUNT_INTERVAL_MS = 10_000;

export class CollectionStates {
  readonly #deps: CollectionStatesDeps;
  readonly #collections = new Map<string, Collection>();
  readonly #unsaved = new Set<Collection>();
  /** Collections of which only the counts have changed. */
  readonly #counted = new Set<Collection>();
  #countsSavedAt = -Infinity;
  #savedAt = -Infinity;
  /** Whether collections are followed as soon as they are open. */
  hasStarted = false;

  constructor(deps: CollectionStatesDeps) {
    this.#deps = deps;
  }

  get all(): IteratorObject<Collection> {
    return this.#collections.values();
  }

  find(namespace: Namespace): Collection | undefined {
    return this.#collections.get(namespaceText(namespace));
  }

  /** The collection; a new one is `waiting`. */
  get(namespace: Namespace): Collection {
    const known = this.find(namespace);
    if (known) return known;
    const collection = new Collection(namespace, { ...this.#deps, onChange: (each) => this.#onChange(each) });
    this.#collections.set(collection.name, collection);
    return collection;
  }

  /** Loads what an earlier run has saved: paused collections stay paused, those that MongoDB no longer has wait. */
  async load(existing: readonly Namespace[]): Promise<void> {
    if (this.hasStarted) return;
    const names = new Set(existing.map(namespaceText));
    for (const { hasTable, state, reason, ...namespace } of await this.#deps.saved.list()) {
      if (!names.has(namespaceText(namespace))) {
        if (!hasTable) await this.#deps.saved.remove(namespace);
        else if (state !== "waiting") this.saveLater(this.get(namespace));
      } else if (state === "paused") {
        const collection = this.get(namespace);
        collection.keepsStale = !hasTable;
        collection.move({ what: "paused", ...reason !== undefined && { reason } });
      }
    }
  }

  /** Begins to follow open collections. Those with a planned snapshot wait for it. */
  start(planned: Iterable<Namespace>): void {
    this.hasStarted = true;
    const waiting = new Set(Iterator.from(planned).map(namespaceText));
    for (const collection of this.all) {
      if (waiting.has(collection.name)) collection.move({ what: "snapshot planned" });
      else collection.follow();
      if (collection.state.name === "waiting") this.#onChange(collection);
    }
  }

  /** Changes the state of a collection. */
  move(namespace: Namespace, change: StateChange): void {
    this.get(namespace).move(change);
  }

  /** Counts documents that a snapshot has read. */
  countRead(namespace: Namespace, documents: number): void {
    const collection = this.get(namespace);
    collection.documents += documents;
    this.countsChanged(collection);
  }

  /** Saves the counts of a collection within ten seconds. */
  countsChanged(collection: Collection): void {
    this.#counted.add(collection);
  }

  saveLater(collection: Collection): void {
    this.#unsaved.add(collection);
  }

  /** Saves changed states. A saved position does not depend on them: it contains which collections are skipped. */
  async save(): Promise<void> {
    const changed = [...this.#unsaved.union(this.#counted)];
    this.#unsaved.clear();
    this.#counted.clear();
    this.#countsSavedAt = this.#savedAt = this.#deps.clock.monotonic();
    await this.#deps.saved.save(changed);
  }

  /** The same, once a second at most. */
  async saveIfDue(): Promise<void> {
    const now = this.#deps.clock.monotonic();
    const isDue = now - this.#savedAt >= SAVE_INTERVAL_MS && this.#unsaved.size > 0 ||
      now - this.#countsSavedAt >= COUNT_INTERVAL_MS;
    if (isDue) await this.save();
  }

  /** Removes a collection, and what is saved of it. */
  async remove(collection: Collection): Promise<void> {
    await this.#deps.saved.remove(collection.namespace);
    this.#unsaved.delete(collection);
    this.#counted.delete(collection);
    if (this.#collections.delete(collection.name)) this.#emit(collection, undefined);
  }

  #onChange(collection: Collection): void {
    this.#deps.skipped.update(collection);
    this.saveLater(collection);
    this.#emit(collection, collection.state);
  }

  #emit({ namespace, table, since }: Collection, state: CollectionState | undefined): void {
    this.#deps.emit({ type: "collectionChanged", namespace, table: quoteTable(table), state, since });
  }
}
