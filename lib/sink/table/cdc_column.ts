/** The column `cdc`: the change that wrote a row, and when its document was deleted. Times are milliseconds since 1970. */
import type { DefinedColumn } from "./show_create_table.ts";

export interface CdcSettings {
  /** What a delete does to the row: removes it, marks it, or nothing. @default {"hard"} */
  readonly deletes?: "hard" | "soft" | "keep";
  /** Whether rows have the change that wrote them. @default {"off"} */
  readonly metadata?: "on" | "off";
}

export const needsCdc = ({ deletes, metadata }: CdcSettings): boolean =>
  deletes === "soft" || metadata === "on";

const TIME = "TIMESTAMP WITH TIME ZONE";
const MEMBERS = { op: "TEXT", cluster_time: TIME, written_at: TIME, deleted_at: TIME };
const LINES = Object.entries(MEMBERS).map(([name, type]) => `\n      "${name}" ${type}`);

/** In lines like those of `SHOW CREATE TABLE`. */
export const CDC_COLUMN = `"cdc" OBJECT(STRICT) AS (${LINES}\n   )`;

/** SQL condition for the rows that are not marked as deleted. */
export const IS_LIVE = "cdc['deleted_at'] IS NULL";

export const hasCdc = (columns: readonly DefinedColumn[]): boolean =>
  Object.entries(MEMBERS).every(([name, type]) =>
    columns.some(({ path: [top, member], ...column }) =>
      top === "cdc" && member === name && column.type === type
    )
  );
