/** The column `cdc`: the change that wrote a row, and when its document was deleted. */
import { jsonBytes } from "../../util/json_writer.ts";
import { quoteTable, type TableName } from "../sql/names.ts";
import type { DefinedColumn } from "./show_create_table.ts";
import { UnusableTableError } from "./unusable_table.ts";

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

export function otherCdc(table: TableName): UnusableTableError {
  const name = quoteTable(table);
  return new UnusableTableError(
    `Table ${name} cannot be used with --deletes soft or --metadata on: it has another column \`cdc\`.`,
    {
      hint: `The relay's is ${CDC_COLUMN}. Name another table with --table, or rename the column:\n` +
        `  ALTER TABLE ${name} RENAME COLUMN cdc TO cdc_old`,
    },
  );
}

/**
 * Makes the column's JSON for the rows of one batch, few of which differ. Times are in milliseconds since 1970; null for
 * an unknown one. A delete has the time of its event, so that a repetition writes the same.
 *
 * @param readAt the time of changes without an event
 * @example
 * IN: 1793491200250; "update", 1793491200000
 * OUT: {"op":"update","cluster_time":1793491200000,"written_at":1793491200250}
 */
export function cdcOfBatch(
  writtenAt: number,
  readAt?: number,
): (op: string, clusterTime?: number | null) => Uint8Array {
  const made = new Map<string, Uint8Array>();
  return (op, clusterTime = readAt) => {
    const key = `${op} ${clusterTime}`;
    const json = made.get(key) ?? jsonBytes(JSON.stringify({
      op,
      cluster_time: clusterTime,
      written_at: writtenAt,
      ...op === "delete" && { deleted_at: clusterTime ?? writtenAt },
    }));
    made.set(key, json);
    return json;
  };
}
