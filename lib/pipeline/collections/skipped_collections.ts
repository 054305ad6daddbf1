/** The collections whose changes are skipped: paused ones, and failed ones with their warnings and retries. */
import type { Clock } from "../../util/clock.ts";
import { messageOf, UserError } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import { describe } from "../status/describe_error.ts";
import type { Collection } from "./collection.ts";
import type { Requeued, StateChange } from "./collection_state.ts";

export interface SkippedDeps {
  readonly log: Logger;
  readonly clock: Pick<Clock, "monotonic">;
}

/** Between two retries of a failed collection, and between two warnings. */
const RETRY_MS = 60_000;
/** Collections that a warning names. */
const NAMED = 5;

export class SkippedCollections {
  readonly #deps: SkippedDeps;
  readonly #collections = new Map<string, Collection>();
  #warnedAt = -Infinity;

  constructor(deps: SkippedDeps) {
    this.#deps = deps;
  }

  /** All of them, as they are saved with the snapshot. */
  get all(): readonly Requeued[] {
    return [...this.#collections.values()].map(({ requeued }) => ({ ...requeued, skipped: true }));
  }

  /** Call it after each change of a collection's state. */
  update(collection: Collection): void {
    const { name, state } = collection;
    if (!collection.isSkipped) return void this.#collections.delete(name);
    const isKnown = this.#collections.has(name);
    this.#collections.set(name, collection);
    this.retryLater(collection);
    if (isKnown || state.name !== "failed") return;
    const { log, clock } = this.#deps;
    this.#warnedAt = clock.monotonic();
    log.warn("A collection failed, because its table cannot be used; the others continue", {
      collection: name,
      reason: state.reason,
      ...state.hint !== undefined && { hint: state.hint },
    });
  }

  /** Makes retries of all failed collections due: a table may have become free. */
  retryNow(): void {
    for (const collection of this.#collections.values()) collection.retryAt = -Infinity;
  }

  /** At most so many failed collections whose retries are due. Warns once a minute while a collection has failed. */
  due(atMost: number): readonly Collection[] {
    if (this.#collections.size === 0) return [];
    const failed = this.#failed;
    const now = this.#deps.clock.monotonic();
    if (failed.length > 0 && now - this.#warnedAt >= RETRY_MS) {
      this.#warnedAt = now;
      this.#deps.log.warn("Collections have failed, because their tables cannot be used", {
        count: failed.length,
        collections: namesOf(failed),
        reason: failed[0]?.state.reason,
      });
    }
    return failed.filter(({ retryAt }) => now >= retryAt).slice(0, atMost);
  }

  /** Postpones the next retry of a collection. */
  retryLater(collection: Collection): void {
    collection.retryAt = this.#deps.clock.monotonic() + RETRY_MS;
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
    return [...this.#collections.values()].filter(({ state }) => state.name === "failed");
  }
}

/** The change of a collection whose table cannot be used. */
export function failure(error: unknown): StateChange {
  const { hint } = describe(error);
  return { what: "failed", reason: messageOf(error), ...hint !== undefined && { hint } };
}

const namesOf = (collections: readonly Collection[]): string =>
  collections.slice(0, NAMED).map(({ name }) => name).join(", ") + (collections.length > NAMED ? ", …" : "");

const sentence = (text: string): string => /[.!?]$/.test(text) ? text : `${text}.`;
