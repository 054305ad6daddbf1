/** Rows of a table that documents are written to. */
import type { Shadow } from "../../mapping/designed_types.ts";
import type { Part } from "../../mapping/partition.ts";
import type { SplitDocument } from "../../mapping/split_document.ts";

/** A row of a table; its JSON is as `jsonBytes()` makes it. */
export interface Row extends Pick<SplitDocument, "data" | "overflow">, RowKey {
  /** JSON of the column `cdc`, if the table's is set. */
  readonly cdc?: Uint8Array | undefined;
  /** JSON of the columns beside `data`. @default {null} */
  readonly shadows?: Readonly<Partial<Record<Shadow, Uint8Array | null>>>;
}

export interface RowKey {
  readonly oid: string;
  /** Its partition. @default {not known, or the table has none} */
  readonly part?: Part | undefined;
}

export interface DeletedRow extends RowKey {
  /** JSON of the column `cdc` of a row that stays, marked as deleted. @default {the row is deleted} */
  readonly cdc?: Uint8Array | undefined;
}
