/** One collection that a relay follows. */
import type { ColumnPolicy } from "../../sink/columns/column_policy.ts";
import type { TableName } from "../../sink/sql/names.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import type { Clock } from "../../util/clock.ts";
import {
  type CollectionState,
  isSkipped,
  nextState,
  type Requeued,
  type StateChange,
} from "./collection_state.ts";
import type { TableApplier } from "./table_applier.ts";

/** The table of a collection while it is open. */
export interface OpenTable {
  readonly applier: TableApplier;
  readonly columns: ColumnPolicy;
  /** Whether the collection had rows before, and its table was missing. */
  readonly wasDropped: boolean;
  /** Whether another relay was changing the columns at the opening. */
  readonly isUnrecovered: boolean;
}

/** Changes after which only a snapshot leads to `following`. */
const PLANNING: readonly StateChange["what"][] = ["snapshot planned", "resumed", "usable again"];

export interface CollectionDeps {
  readonly tableOf: (namespace: Namespace) => TableName;
  readonly open: (namespace: Namespace) => Promise<OpenTable>;
  /** Called when the table is closed, or could not be opened. */
  readonly onClosed: (collection: Collection) => void;
  /** Called after each change of the state. */
  readonly onChange: (collection: Collection) => void;
  readonly clock: Pick<Clock, "now">;
}

export class Collection {
  readonly namespace: Namespace;
  /** The namespace as text. */
  readonly name: string;
  readonly table: TableName;
  /** Documents that its last snapshot has read. */
  documents = 0;
  /** Rows that were written or deleted since the start. */
  rows = 0;
  /** Whether stale rows stay when the collection is read again. */
  keepsStale = false;
  /** When a failed collection is retried, by the monotonic clock. */
  retryAt = Infinity;
  readonly #deps: CollectionDeps;
  #state: CollectionState = { name: "waiting" };
  #since: number;
  #needsSnapshot = false;
  #opening: Promise<OpenTable> | undefined;
  #open: OpenTable | undefined;

  constructor({ database, collection }: Namespace, deps: CollectionDeps) {
    this.namespace = { database, collection };
    this.name = namespaceText(this.namespace);
    this.table = deps.tableOf(this.namespace);
    this.#deps = deps;
    this.#since = deps.clock.now();
  }

  get state(): CollectionState {
    return this.#state;
  }

  /** When it got into its state, in milliseconds since 1970. */
  get since(): number {
    return this.#since;
  }

  /** Whether its changes are skipped. */
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
    if (PLANNING.includes(what)) this.#needsSnapshot = true;
    if (what === "snapshot done" || what === "dropped") this.#needsSnapshot = false;
    const next = nextState(this.#state, change);
    if (next === this.#state) return;
    if (next.name === "snapshot") this.documents = 0;
    this.#state = next;
    this.#since = this.#deps.clock.now();
    this.#deps.onChange(this);
  }

  /** Moves an open collection that needs no snapshot to `following`. */
  follow(): void {
    if (this.#open && !this.#needsSnapshot) this.move({ what: "followed without snapshot" });
  }

  /** The table while it is open. */
  get opened(): OpenTable | undefined {
    return this.#open;
  }

  /** Opens the table. Concurrent calls get the same result; the call after a failure tries again. */
  open(): Promise<OpenTable> {
    return this.#opening ??= this.#openNow();
  }

  async #openNow(): Promise<OpenTable> {
    try {
      return this.#open = await this.#deps.open(this.namespace);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Closes the table. The next use opens it again. */
  close(): void {
    this.#opening = undefined;
    this.#open = undefined;
    this.#deps.onClosed(this);
  }
}
