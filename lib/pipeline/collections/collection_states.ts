/** The states of a stream's collections: changed, emitted and saved here; also the warnings and retries of failed ones. */
import type { SavedCollections } from "../../sink/metadata/saved_collections.ts";
import { quoteTable } from "../../sink/sql/names.ts";
import type { Clock } from "../../util/clock.ts";
import { UserError } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import type { Emit } from "../status/events.ts";
import { Collection, type CollectionDeps } from "./collection.ts";
import { type CollectionState, isSkipped, type StateChange } from "./collection_state.ts";

export interface CollectionStatesDeps extends Pick<CollectionDeps, "opener"> {
  readonly saved: Pick<SavedCollections, "list" | "remove" | "save">;
  readonly log: Logger;
  readonly emit: Emit;
  readonly clock: Pick<Clock, "now" | "monotonic">;
}

/** Between two saves, and between two saves of counts alone. */
const SAVE_INTERVAL_MS = 1_000;
const COUNT_INTERVAL_MS = 10_000;
/** Between two retries of a failed collection, and between two warnings. */
const RETRY_MS = 60_000;
/** Collections that a warning names. */
const NAMED = 5;

export class CollectionStates {
  readonly #collections = new Map<string, Collection>();
  readonly #unsaved = new Set<Collection>();
  readonly #skipped = new Set<Collection>();
  #savedAt = -Infinity;
  #saveDueAt = Infinity;
  #warnedAt = -Infinity;
  /** Whether collections are followed as soon as they are open. */
  hasStarted = false;

  constructor(private readonly deps: CollectionStatesDeps) {}

  get all(): IteratorObject<Collection> {
    return this.#collections.values();
  }

  /** Collections whose changes are skipped: few, if any. */
  get skipped(): readonly Collection[] {
    return [...this.#skipped];
  }

  find(namespace: Namespace): Collection | undefined {
    return this.#collections.get(namespaceText(namespace));
  }

  /** The collection; a new one is `waiting`. */
  get(namespace: Namespace): Collection {
    const known = this.find(namespace);
    if (known) return known;
    const onChange: CollectionDeps["onChange"] = (each, before) => this.#onChange(each, before);
    const collection = new Collection(namespace, { ...this.deps, onChange });
    this.#collections.set(collection.name, collection);
    return collection;
  }

  /**
   * Loads what an earlier run has saved: paused collections stay paused, those that MongoDB no longer has wait, and an
   * unfinished snapshot goes on counting.
   */
  async load(existing: readonly Namespace[]): Promise<void> {
    if (this.hasStarted) return;
    const names = new Set(existing.map(namespaceText));
    for (const { table, state, reason, documents, ...namespace } of await this.deps.saved.list()) {
      if (!names.has(namespaceText(namespace))) {
        if (!table) await this.deps.saved.remove(namespace);
        else if (state !== "waiting") this.saveLater(this.get(namespace));
        continue;
      }
      const collection = this.get(namespace);
      collection.documents = documents;
      if (state !== "paused") continue;
      collection.keepsStale = !table;
      collection.move({ what: "paused", ...reason !== undefined && { reason } });
    }
  }

  /** Begins to follow open collections. Those with a planned snapshot wait for it. */
  start(planned: Iterable<Namespace>): void {
    this.hasStarted = true;
    const waiting = new Set(Iterator.from(planned).map(namespaceText));
    for (const collection of this.all) {
      if (waiting.has(collection.name)) collection.move({ what: "snapshot planned" });
      else collection.follow();
      if (collection.state.name === "waiting") this.#onChange(collection, collection.state);
    }
  }

  move(namespace: Namespace, change: StateChange): void {
    this.get(namespace).move(change);
  }

  /** Counts the documents of a snapshot from 0. */
  beginCount(namespace: Namespace): void {
    this.get(namespace).documents = 0;
  }

  /** Adds documents that a snapshot has read, and rows that were written or deleted. */
  count(namespace: Namespace, { documents = 0, rows = 0 }): void {
    const collection = this.get(namespace);
    collection.documents += documents;
    collection.rows += rows;
    this.saveLater(collection, COUNT_INTERVAL_MS);
  }

  saveLater(collection: Collection, interval = SAVE_INTERVAL_MS): void {
    this.#unsaved.add(collection);
    this.#saveDueAt = Math.min(this.#saveDueAt, this.#savedAt + interval);
  }

  /** Saves changed states. A saved position does not depend on them: it contains which collections are skipped. */
  async save(): Promise<void> {
    const changed = [...this.#unsaved];
    this.#unsaved.clear();
    this.#saveDueAt = Infinity;
    this.#savedAt = this.deps.clock.monotonic();
    await this.deps.saved.save(changed);
  }

  async saveIfDue(): Promise<void> {
    if (this.deps.clock.monotonic() >= this.#saveDueAt) await this.save();
  }

  /** Removes a collection, and what is saved of it. */
  async remove(collection: Collection): Promise<void> {
    await this.deps.saved.remove(collection.namespace);
    this.#unsaved.delete(collection);
    this.#skipped.delete(collection);
    if (this.#collections.delete(collection.name)) this.#emit(collection, undefined);
  }

  /** Makes retries of all failed collections due: a table may have become free. */
  retryNow(): void {
    for (const collection of this.#skipped) collection.retryAt = -Infinity;
  }

  /** At most so many failed collections whose retries are due. Warns once a minute while a collection has failed. */
  due(atMost: number): readonly Collection[] {
    const failed = this.#failed;
    const now = this.deps.clock.monotonic();
    if (failed.length > 0 && now - this.#warnedAt >= RETRY_MS) {
      this.#warnedAt = now;
      this.deps.log.warn("Collections have failed, because their tables cannot be used", {
        count: failed.length,
        collections: namesOf(failed),
        reason: failed[0]?.state.reason,
      });
    }
    return failed.filter(({ retryAt }) => now >= retryAt).slice(0, atMost);
  }

  /** Postpones the next retry of a collection. */
  retryLater(collection: Collection): void {
    collection.retryAt = this.deps.clock.monotonic() + RETRY_MS;
  }

  /** @throws UserError if a collection has failed */
  failIfAny(): void {
    const failed = this.#failed;
    if (failed.length === 0) return;
    const reasons = failed.slice(0, NAMED).map(({ name, state: { reason, hint } }) =>
      `${name}: ${[reason, hint].filter((each) => each !== undefined).map(sentence).join(" ")}`
    );
    throw new UserError(
      `Not all collections were read, because tables cannot be used: ${namesOf(failed)}`,
      { hint: reasons.join("\n") },
    );
  }

  get #failed(): readonly Collection[] {
    return this.skipped.filter(({ state }) => state.name === "failed");
  }

  #onChange(collection: Collection, before: CollectionState): void {
    const { name, state } = collection;
    const { log, clock } = this.deps;
    this.retryLater(collection);
    if (isSkipped(state)) this.#skipped.add(collection);
    else this.#skipped.delete(collection);
    if (state.name === "failed" && !isSkipped(before)) {
      this.#warnedAt = clock.monotonic();
      log.warn("A collection failed, because its table cannot be used; the others continue", {
        collection: name,
        reason: state.reason,
        ...state.hint !== undefined && { hint: state.hint },
      });
    }
    this.saveLater(collection);
    this.#emit(collection, state);
  }

  #emit({ namespace, table, since }: Collection, state: CollectionState | undefined): void {
    this.deps.emit({ type: "collectionChanged", namespace, table: quoteTable(table), state, since });
  }
}

const namesOf = (collections: readonly Collection[]): string =>
  collections.slice(0, NAMED).map(({ name }) => name).join(", ") + (collections.length > NAMED ? ", …" : "");

const sentence = (text: string): string => /[.!?]$/.test(text) ? text : `${text}.`;
