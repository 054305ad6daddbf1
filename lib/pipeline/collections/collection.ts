/** One collection that a relay follows. */
import { isUnusableTable } from "../../sink/table/unusable_table.ts";
import type { TableName } from "../../sink/sql/names.ts";
import type { Clock } from "../../util/clock.ts";
import { messageOf, undefinedIf } from "../../util/errors.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import { describe } from "../status/describe_error.ts";
import type { CollectionOpener, OpenTable } from "./collection_opener.ts";
import {
  type CollectionState,
  isSkipped,
  nextState,
  type Requeued,
  type StateChange,
} from "./collection_state.ts";

/** Changes after which only a snapshot leads to `following`. */
const PLANNING: readonly StateChange["what"][] = ["snapshot planned", "resumed", "usable again"];

/** Changes after which no snapshot is needed. */
const ENDING: readonly StateChange["what"][] = ["snapshot done", "snapshot cancelled", "dropped"];

export interface CollectionDeps {
  readonly opener: Pick<CollectionOpener, "tableOf" | "open" | "release">;
  readonly onChange: (collection: Collection, before: CollectionState) => void;
  readonly clock: Pick<Clock, "now">;
}

export class Collection {
  readonly namespace: Namespace;
  readonly name: string;
  readonly table: TableName;
  /** Documents that its last snapshot has read. */
  documents = 0;
  /** Rows that were written or deleted since the start. */
  rows = 0;
  /** Whether its last snapshot was cancelled. */
  wasCancelled = false;
  /** Whether stale rows stay when the collection is read again. */
  keepsStale = false;
  /** When a failed collection is retried, by the monotonic clock. */
  retryAt = Infinity;
  /** When it got into its state, in milliseconds since 1970. */
  since: number;
  opened: OpenTable | undefined;
  #state: CollectionState = { name: "waiting" };
  #needsSnapshot = false;
  #opening: Promise<OpenTable> | undefined;

  constructor({ database, collection }: Namespace, private readonly deps: CollectionDeps) {
    this.namespace = { database, collection };
    this.name = namespaceText(this.namespace);
    this.table = deps.opener.tableOf(this.namespace);
    this.since = deps.clock.now();
  }

  get state(): CollectionState {
    return this.#state;
  }

  get isSkipped(): boolean {
    return isSkipped(this.#state);
  }

  /** How it is read again. */
  get requeued(): Requeued {
    return { ...this.namespace, ...this.keepsStale && { keepsStale: true } };
  }

  /** Changes the state by {@linkcode nextState}. */
  move(change: StateChange): void {
    const { what } = change;
    if (PLANNING.includes(what)) {
      this.#needsSnapshot = true;
      this.wasCancelled = false;
    }
    if (ENDING.includes(what)) this.#needsSnapshot = false;
    if (what === "snapshot cancelled") this.wasCancelled = true;
    const before = this.#state;
    const next = nextState(before, change);
    if (next === before) return;
    this.#state = next;
    this.since = this.deps.clock.now();
    this.deps.onChange(this, before);
  }

  /** Moves an open collection that needs no snapshot to `following`. */
  follow(): void {
    if (this.opened && !this.#needsSnapshot) this.move({ what: "followed without snapshot" });
  }

  /** Opens the table. Concurrent calls get the same result; the call after a failure tries again. */
  open(): Promise<OpenTable> {
    return this.#opening ??= this.#openNow();
  }

  async #openNow(): Promise<OpenTable> {
    try {
      return this.opened = await this.deps.opener.open(this.namespace);
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  /** Makes the rows visible and closes the table. The next use opens it again. */
  async close(): Promise<void> {
    const applier = this.opened?.applier;
    if (applier?.dirty) await unlessUnusable(() => applier.refresh());
    this.abandon();
  }

  /** Closes a table that cannot be used. */
  abandon(): void {
    if (this.opened) this.#release();
  }

  #release(): void {
    this.#opening = undefined;
    this.opened = undefined;
    this.deps.opener.release(this.namespace);
  }

  /** Removes rows of a dropped collection. If the table cannot be used, the collection fails until it can. */
  async removeRows(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isUnusableTable(error)) throw error;
      this.abandon();
      this.keepsStale = false;
      this.move(failure(error));
    }
  }
}

/** The change of a collection whose table cannot be used. */
export function failure(error: unknown): StateChange {
  const { hint } = describe(error);
  return { what: "failed", reason: messageOf(error), ...hint !== undefined && { hint } };
}

/** The result of the work; undefined if it fails because the table cannot be used. */
export const unlessUnusable = async <T>(work: () => Promise<T>): Promise<T | undefined> =>
  await work().catch(undefinedIf(isUnusableTable));
