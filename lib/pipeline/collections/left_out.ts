/**
 * Collections whose tables cannot be used, while those of others can. Their changes are not applied, and the position
 * moves on; once a table can be used, its collection is read again. Until then each of them belongs to what is saved of
 * the snapshot, so that a restart does not forget it.
 */
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import type { Clock } from "../../util/clock.ts";
import { messageOf, UserError } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import type { Emit, LeftOutCollection } from "../status/events.ts";
import type { Requeued } from "../snapshot/snapshot_state.ts";

export interface LeftOutDeps {
  readonly log: Logger;
  readonly clock: Pick<Clock, "monotonic">;
  readonly emit: Emit;
}

interface Entry {
  /** How it is read again. */
  readonly requeued: Requeued;
  readonly because: string;
  /** When the table is tried again, by the monotonic clock. */
  readonly dueAt: number;
}

/** Between two tries of a table, and between two warnings. */
const RETRY_MS = 60_000;
/** Collections that a warning names. */
const NAMED = 5;

export class LeftOut {
  readonly #deps: LeftOutDeps;
  readonly #entries = new Map<string, Entry>();
  #warnedAt = -Infinity;

  constructor(deps: LeftOutDeps) {
    this.#deps = deps;
  }

  has(namespace: Namespace): boolean {
    return this.#entries.has(namespaceText(namespace));
  }

  /** How a collection is read again once its table can be used; undefined if it is not left out. */
  get(namespace: Namespace): Requeued | undefined {
    return this.#entries.get(namespaceText(namespace))?.requeued;
  }

  /** All of them, as they are saved with the snapshot. */
  get all(): readonly Requeued[] {
    return [...this.#entries.values()].map(({ requeued }) => ({ ...requeued, leftOut: true }));
  }

  /** @param collection of which the name is kept, and whether rows whose documents are deleted stay */
  add({ database, collection, keepsGone = false }: Requeued, error: unknown): void {
    const requeued = { database, collection, ...keepsGone && { keepsGone } };
    const because = messageOf(error);
    this.#set(requeued, because);
    const { log, clock } = this.#deps;
    this.#warnedAt = clock.monotonic();
    log.warn("A collection is left out, because its table cannot be used; the others go on", {
      collection: namespaceText(requeued),
      because,
      ...error instanceof UserError && error.hint !== undefined && { hint: error.hint },
    });
    this.#report();
  }

  /** The table was tried again. */
  failedAgain(namespace: Namespace, error: unknown): void {
    const entry = this.#entries.get(namespaceText(namespace));
    if (entry) this.#set(entry.requeued, messageOf(error));
    this.#report();
  }

  /** The try failed for another reason than the table: it is tried again later. */
  putOff(namespace: Namespace): void {
    const entry = this.#entries.get(namespaceText(namespace));
    if (entry) this.#set(entry.requeued, entry.because);
  }

  remove(namespace: Namespace): void {
    if (this.#entries.delete(namespaceText(namespace))) this.#report();
  }

  /** Has all of them tried at once: a table may have become free. */
  tryNow(): void {
    for (const [name, entry] of this.#entries) this.#entries.set(name, { ...entry, dueAt: -Infinity });
  }

  /** Those whose tables are to be tried again, at most so many. Warns once a minute until the list is empty. */
  due(atMost: number): readonly Requeued[] {
    const now = this.#deps.clock.monotonic();
    if (this.#entries.size > 0 && now - this.#warnedAt >= RETRY_MS) this.#remind(now);
    return [...this.#entries.values()].filter(({ dueAt }) => now >= dueAt).slice(0, atMost)
      .map(({ requeued }) => requeued);
  }

  /** @throws UserError if a collection is left out */
  failIfAny(): void {
    const [first] = this.#collections;
    if (!first) return;
    throw new UserError(`${this.#entries.size} of the collections were not read: ${this.#names}`, {
      hint: `Their tables cannot be used. Of ${first.collection}: ${first.because}`,
    });
  }

  #set(requeued: Requeued, because: string): void {
    const dueAt = this.#deps.clock.monotonic() + RETRY_MS;
    this.#entries.set(namespaceText(requeued), { requeued, because, dueAt });
  }

  #remind(now: number): void {
    this.#warnedAt = now;
    const collections = this.#collections;
    this.#deps.log.warn("Collections are left out, because their tables cannot be used", {
      count: collections.length,
      collections: this.#names,
      because: collections[0]?.because,
    });
  }

  get #names(): string {
    const names = [...this.#entries.keys()];
    return names.slice(0, NAMED).join(", ") + (names.length > NAMED ? ", …" : "");
  }

  get #collections(): readonly LeftOutCollection[] {
    return [...this.#entries].map(([collection, { because }]) => ({ collection, because }));
  }

  #report(): void {
    this.#deps.emit({ type: "collectionsLeftOut", collections: this.#collections });
  }
}
