/** What a rebuild makes of a table: another definition, and what its rows become. */
import type { Column } from "../../mapping/column_tree.ts";
import type { StoredRow } from "../../mapping/split_document.ts";
import type { TableName } from "../sql/names.ts";
import type { Row, RowKey } from "../table/row.ts";
import type { TableDesign } from "../table/table_design.ts";

export interface OldRow extends StoredRow, RowKey {
  /** JSON of the column `cdc`. */
  readonly cdc: string | null;
}

export interface Redefinition {
  /** The statement that creates the new table under a name. */
  readonly create: (table: TableName) => string;
  /** The design of the new table if all rows are written again. Without it, rows are copied, and some are changed then. */
  readonly design?: TableDesign;
  /** SQL condition for the rows that may change, or that the new table has. */
  readonly rows: string;
  /** A row of the old table in the new one, which has these columns; undefined if it does not change, or is left out. */
  readonly changed: (row: OldRow, columns: Column) => Row | undefined;
  /** Is called after the swap, with the milliseconds that the rebuild has taken. */
  readonly onDone: (ms: number) => void;
}
