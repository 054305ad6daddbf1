/** Changes of rows: reduced to one per key, and split into `data` and `overflow`. Pure. */
import { BsonType } from "../../bson/bson.ts";
import { UnstorableError } from "../../util/errors.ts";
import { jsonOfBytes } from "../../util/json_writer.ts";
import { jsonOf } from "../../mapping/bson_to_json.ts";
import type { ColumnPath } from "../../mapping/column_tree.ts";
import { type PartitionBy, partOf, unfitPart } from "../../mapping/partition.ts";
import { shadowOf } from "../../mapping/shadows.ts";
import { splitDocument } from "../../mapping/split_document.ts";
import type { ColumnPolicy, KeyedRow } from "../../sink/columns/column_policy.ts";
import type { DeadLetter } from "../../sink/metadata/dead_letters.ts";
import type { TargetTable } from "../../sink/table/target_table.ts";
import type { Row } from "../../sink/table/writer.ts";

/** A change of one row: its document, or null if it is deleted. */
export interface RowChange {
  readonly oid: string;
  readonly document: Uint8Array | null;
  /** Why MongoDB does not return the document, although it is not deleted. */
  readonly refusal?: string | undefined;
  /** Whether an insert is all that has happened: no other partition has its row. @default {false} */
  readonly isNew?: boolean;
}

/** How the rows of a table are divided. */
export interface Partitioning extends PartitionBy {
  /** The first partition that is kept. @default {all are} */
  readonly firstKept?: () => number;
}

/**
 * The last change of each key, in the order of these.
 *
 * @example
 * IN: [a → {t: 1}, b → {t: 2}, a → null] → OUT: [b → {t: 2}, a → null]
 */
export function coalesce(changes: Iterable<RowChange>): RowChange[] {
  const last = new Map<string, RowChange>();
  for (const change of changes) {
    // A repeated key moves to the end.
    const isRepeated = last.delete(change.oid);
    last.set(change.oid, isRepeated && change.isNew ? { ...change, isNew: false } : change);
  }
  return [...last.values()];
}

/** Documents split for one version of the columns. */
export interface Split {
  /** The version of the columns. */
  readonly version: number;
  readonly rows: Row[];
  readonly letters: DeadLetter[];
  /** Keys of rows with values in `overflow`. */
  readonly overflowed: string[];
  /** Documents with values that have no column yet. */
  readonly needColumns: KeyedRow[];
  /** Columns that are too narrow for a value. */
  readonly needWidening: ColumnPath[];
  /** Keys of documents whose partitions are no longer kept. */
  readonly expired: string[];
  /** Rows whose document has no value for its partition. */
  unfit: number;
  /** Rows that lack a value beside `data`, because it does not fit there. */
  unshadowed: number;
}

export function splitRows(
  upserts: readonly KeyedRow[],
  { columns, version }: Pick<ColumnPolicy, "columns" | "version">,
  { hasOverflow, shadows }: TargetTable,
  partitioning?: Partitioning,
): Split {
  const result: Split = {
    version,
    rows: [],
    letters: [],
    overflowed: [],
    needColumns: [],
    needWidening: [],
    expired: [],
    unfit: 0,
    unshadowed: 0,
  };
  const firstKept = partitioning?.firstKept?.() ?? -Infinity;
  for (const upsert of upserts) {
    const { oid, document } = upsert;
    try {
      const found = partitioning && partOf(document, partitioning);
      if (found !== undefined && Number(found) < firstKept) {
        result.expired.push(oid);
        continue;
      }
      if (partitioning && found === undefined) result.unfit++;
      const part = partitioning && (found ?? unfitPart(partitioning));
      const { data, overflow, overflowed, needsColumns, needsWidening } = splitDocument(document, columns);
      if (needsColumns) result.needColumns.push(upsert);
      for (const path of needsWidening) result.needWidening.push(path);
      if (overflowed && !hasOverflow) {
        throw new UnstorableError(
          `The table has no column for overflow: ${overflow && jsonOfBytes(overflow)}`,
        );
      }
      if (overflowed) result.overflowed.push(oid);
      const beside = shadows && shadowsIn(document, shadows);
      if (beside?.isUnfit) result.unshadowed++;
      const row = part === undefined ? { oid, data, overflow } : { oid, data, overflow, part };
      result.rows.push(beside ? { ...row, shadows: beside.values } : row);
    } catch (error) {
      if (!(error instanceof UnstorableError)) throw error;
      result.letters.push({ oid, document, error: error.message });
    }
  }
  return result;
}

function shadowsIn(document: Uint8Array, shadows: NonNullable<TargetTable["shadows"]>) {
  const made = Object.entries(shadows).map(([name, columns]) => [name, shadowOf(document, columns)] as const);
  return {
    values: Object.fromEntries(made.map(([name, { json }]) => [name, json])),
    isUnfit: made.some(([, { isUnfit }]) => isUnfit),
  };
}

/** Whether a row can store the document. */
export function isStorable(document: Uint8Array): boolean {
  try {
    jsonOf({ type: BsonType.document, bytes: document, offset: 0, length: document.length });
    return true;
  } catch (error) {
    if (error instanceof UnstorableError) return false;
    throw error;
  }
}
