/** Changes of rows: reduced to one per key, and split into `data` and `overflow`. Pure. */
import { documentValue } from "../../bson/bson.ts";
import { rowKeyOf, type ShardKey } from "../../key/document_key.ts";
import { ifStorable, UnstorableError } from "../../util/errors.ts";
import { jsonOfBytes } from "../../util/json_writer.ts";
import { jsonOf } from "../../mapping/bson_to_json.ts";
import type { ColumnPath } from "../../mapping/column_tree.ts";
import {
  isExpired,
  isFixed,
  type PartitionBy,
  partOf,
  partOfId,
  unfitPart,
} from "../../mapping/partition.ts";
import { shadowOf } from "../../mapping/shadows.ts";
import { splitDocument } from "../../mapping/split_document.ts";
import type { ColumnPolicy, KeyedRow } from "../../sink/columns/column_policy.ts";
import type { DeadLetter } from "../../sink/metadata/dead_letters.ts";
import type { TargetTable } from "../../sink/table/target_table.ts";
import type { Row, RowKey } from "../../sink/table/row.ts";
import type { CollectionSettings } from "../settings.ts";

/** A change of one row: its document, or null if it is deleted. */
export interface RowChange {
  readonly oid: string;
  readonly document: Uint8Array | null;
  /** Why MongoDB does not return the document, although it is not deleted. */
  readonly refusal?: string | undefined;
  /** Whether an insert is all that has happened: no other partition has its row. @default {false} */
  readonly isNew?: boolean;
  /** JSON of the column `cdc`, if it is to change. */
  readonly cdc?: Uint8Array | undefined;
  /** The last change before a delete that is to mark its row. */
  readonly before?: RowChange | undefined;
}

export interface Partitioning extends PartitionBy {
  /** The first partition that is kept. @default {all are} */
  readonly firstKept?: () => number;
}

/**
 * The last change of each key, in the order of these. With `marks`, a delete has the change before it.
 *
 * @example
 * IN: [a → {t: 1}, b → {t: 2}, a → null] → OUT: [b → {t: 2}, a → null]
 */
export function coalesce(changes: Iterable<RowChange>, { marks = false } = {}): RowChange[] {
  const last = new Map<string, RowChange>();
  for (const change of changes) {
    const before = last.get(change.oid);
    // A repeated key moves to the end.
    last.delete(change.oid);
    last.set(change.oid, before ? repeated(change, before, marks) : change);
  }
  return [...last.values()];
}

function repeated(change: RowChange, before: RowChange, marks: boolean): RowChange {
  if (change.isNew) return { ...change, isNew: false };
  if (!marks || !isDelete(change)) return change;
  return { ...change, before: before.document === null ? before.before : before };
}

export const isDelete = ({ document, refusal }: RowChange): boolean =>
  document === null && refusal === undefined;

/** A dead letter with its error for the log: without values of the document. */
export type Unstorable = DeadLetter & { readonly reason: string };

/** Documents split for one version of the columns. */
export interface Split {
  readonly version: number;
  readonly rows: Row[];
  readonly letters: Unstorable[];
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
  upserts: readonly (KeyedRow & Pick<RowChange, "cdc">)[],
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
    const { oid, document, cdc } = upsert;
    try {
      const found = partitioning && partOf(document, partitioning);
      if (isExpired(found, firstKept)) {
        result.expired.push(oid);
        continue;
      }
      const part = partitioning && (found ?? unfitPart(partitioning));
      const { data, overflow, overflowed, needsColumns, needsWidening } = splitDocument(document, columns);
      if (needsColumns) result.needColumns.push({ oid, document, part });
      for (const path of needsWidening) result.needWidening.push(path);
      if (overflowed && !hasOverflow) {
        const values = overflow ? jsonOfBytes(overflow) : "";
        throw new UnstorableError("The table has no column for overflow", { values });
      }
      if (overflowed) result.overflowed.push(oid);
      const beside = shadows && shadowsIn(document, shadows);
      if (beside?.isUnfit) result.unshadowed++;
      if (partitioning && found === undefined) result.unfit++;
      result.rows.push({
        oid,
        data,
        overflow,
        ...beside && { shadows: beside.values },
        ...part !== undefined && { part },
        ...cdc && { cdc },
      });
    } catch (error) {
      if (!(error instanceof UnstorableError)) throw error;
      const { message: reason, values } = error;
      const whole = values === undefined ? reason : `${reason}: ${values}`;
      result.letters.push({ oid, document, error: whole, reason });
    }
  }
  return result;
}

/** What determines the partition of each row of a table. */
export interface Place {
  readonly partitioning?: Partitioning | undefined;
  readonly shardKey: ShardKey;
}

export interface MovingDeps extends Place {
  readonly settings: Pick<CollectionSettings, "deletes" | "onDrop">;
  /** Whether the table has the rows of all documents, and no stale ones. @default {yes} */
  readonly isFollowing?: (() => boolean) | undefined;
}

/** Rows that may have one in another partition. */
export function mayHaveMoved(
  rows: readonly Row[],
  upserts: readonly RowChange[],
  { partitioning, settings: { deletes, onDrop }, isFollowing = () => true }: MovingDeps,
): readonly Row[] {
  if (!partitioning || isFixed(partitioning)) return [];
  // The row of a deleted document may have stayed.
  const areAlone = deletes === "hard" && onDrop !== "keep" && isFollowing();
  const isNew = new Set(upserts.flatMap(({ oid, isNew }) => isNew && areAlone ? [oid] : []));
  return rows.filter(({ oid }) => !isNew.has(oid));
}

/** A row's key, with its partition if that follows from it. */
export function placeOf(oid: string, { partitioning, shardKey }: Place): RowKey {
  if (!partitioning || !isFixed(partitioning)) return { oid };
  const { id } = rowKeyOf(oid, shardKey);
  return { oid, part: id && (partOfId(id, partitioning) ?? unfitPart(partitioning)) };
}

function shadowsIn(document: Uint8Array, shadows: NonNullable<TargetTable["shadows"]>) {
  const made = Object.entries(shadows).map(([name, columns]) => [name, shadowOf(document, columns)] as const);
  return {
    values: Object.fromEntries(made.map(([name, { json }]) => [name, json])),
    isUnfit: made.some(([, { isUnfit }]) => isUnfit),
  };
}

export const isStorable = (document: Uint8Array): boolean =>
  ifStorable(() => jsonOf(documentValue(document))) !== undefined;
