/** What a table's `data` takes. */
import type { Column, ColumnPath } from "../../mapping/column_tree.ts";

export interface Columns {
  /** What there is below `data`. */
  readonly columns: Column;
  /** Reads the columns anew, and tells whether they are others than before. */
  load(): Promise<boolean>;
  /** Makes the columns that `shape` asks for and the table lacks. */
  add(shape: Column): Promise<void>;
  /** The columns if there were one at each of `paths` that takes everything. */
  assuming(paths: readonly ColumnPath[]): Column;
}

/** PostgreSQL's JSONB has none. */
export const JSONB: Columns = {
  columns: { kind: "jsonb" },
  load: () => Promise.resolve(false),
  add: () => Promise.resolve(),
  assuming: () => ({ kind: "jsonb" }),
};
