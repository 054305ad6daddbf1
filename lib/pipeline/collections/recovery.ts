/** Column changes of open tables that are still to be finished: after a relay that died, or after a backup of CrateDB. */
import type { ColumnPolicy } from "../../sink/columns/column_policy.ts";
import { isUnusableTable } from "../../sink/table/unusable_table.ts";
import type { OutageTracker } from "../../util/outage.ts";
import type { OpenTable } from "./collection.ts";

export class Recovery {
  readonly #opened: () => Iterable<OpenTable>;
  /** Columns that another relay was changing when they were opened. */
  readonly #unrecovered = new Set<ColumnPolicy>();

  /** @param opened lists the open tables */
  constructor(opened: () => Iterable<OpenTable>) {
    this.#opened = opened;
  }

  add({ columns, isUnrecovered }: OpenTable): void {
    if (isUnrecovered) this.#unrecovered.add(columns);
  }

  delete({ columns }: OpenTable): void {
    this.#unrecovered.delete(columns);
  }

  /**
   * Cleans up in intervals while statements fail, as they do in a table that is closed to writing, and while another
   * relay that was changing columns may have died.
   */
  runDuring(outages: OutageTracker, { every, fail }: RunOptions): Disposable {
    let isBusy = false;
    const run = async () => {
      if (isBusy || !outages.active && this.#unrecovered.size === 0) return;
      isBusy = true;
      try {
        const open = outages.active ? Iterator.from(this.#opened()).map(({ columns }) => columns) : [];
        for (const columns of new Set([...this.#unrecovered, ...open])) {
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

interface RunOptions {
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
