/** The open tables: refreshes them, closes them, and finishes column changes that another relay has begun. */
import type { ColumnPolicy } from "../../sink/columns/column_policy.ts";
import { isUnusableTable } from "../../sink/table/unusable_table.ts";
import { concurrently } from "../../util/concurrency.ts";
import type { OutageTracker } from "../../util/outage.ts";
import type { Collection, OpenTable } from "./collection.ts";

export type Attempt = (collection: Collection, work: () => Promise<unknown>) => Promise<unknown>;

/** Tables that are worked on at once. */
export const TABLES_AT_ONCE = 4;

export class OpenTables {
  readonly #collections: () => IteratorObject<Collection>;
  /** Collections with rows that queries may not see yet. */
  readonly #dirty = new Set<Collection>();
  /** Columns that another relay was changing when they were opened. */
  readonly #unrecovered = new Set<ColumnPolicy>();

  constructor(collections: () => IteratorObject<Collection>) {
    this.#collections = collections;
  }

  /** Call it for each table that was opened. */
  opened(table: OpenTable): OpenTable {
    if (table.isUnrecovered) this.#unrecovered.add(table.columns);
    return table;
  }

  /** Call it after each write to the table of a collection. */
  written(collection: Collection): void {
    this.#dirty.add(collection);
  }

  /** Makes written rows visible to queries. */
  async refresh(attempt: Attempt): Promise<void> {
    await concurrently([...this.#dirty], TABLES_AT_ONCE, async (collection) => {
      const { opened } = collection;
      if (opened?.applier.dirty) await attempt(collection, () => opened.applier.refresh());
      if (!opened?.applier.dirty) this.#dirty.delete(collection);
    });
  }

  /** Tries again what waits for a backup of CrateDB. */
  async retryPutOff(attempt: Attempt): Promise<void> {
    for (const collection of [...this.#collections()]) {
      const { opened } = collection;
      if (opened) await attempt(collection, () => opened.columns.retryPutOff());
    }
  }

  /** Makes the rows visible and closes the table. */
  async close(collection: Collection): Promise<void> {
    const applier = collection.opened?.applier;
    if (!applier) return;
    if (applier.dirty) await unlessUnusable(() => applier.refresh());
    this.#dirty.delete(collection);
    collection.close();
  }

  /** Closes a table that cannot be used. */
  abandon(collection: Collection): void {
    const { opened } = collection;
    if (!opened) return;
    this.#dirty.delete(collection);
    this.#unrecovered.delete(opened.columns);
    collection.close();
  }

  /**
   * Finishes column changes of relays that have died, in intervals: while statements fail, for example in a table that is
   * closed to writing, and while another relay was changing columns at the opening.
   */
  recoverDuring(outages: OutageTracker, { every, fail }: RecoverOptions): Disposable {
    let isBusy = false;
    const run = async () => {
      if (isBusy || !outages.active && this.#unrecovered.size === 0) return;
      isBusy = true;
      try {
        const open = outages.active ? [...this.#collections()].map(({ opened }) => opened?.columns) : [];
        for (const columns of new Set([...this.#unrecovered, ...open.filter((each) => each !== undefined)])) {
          if (!await unlessUnusable(() => columns.recover())) this.#unrecovered.delete(columns);
        }
      } catch (error) {
        fail(error);
      } finally {
        isBusy = false;
      }
    };
    const timer = setInterval(run, every);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }
}

interface RecoverOptions {
  /** Milliseconds. */
  readonly every: number;
  readonly fail: (error: unknown) => void;
}

/** The result of the work; undefined if it fails because the table cannot be used. */
export async function unlessUnusable<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!isUnusableTable(error)) throw error;
    return undefined;
  }
}
