/** Which of the columns that documents need a table gets, and the columns that it has then. */
import {
  type ColumnBudget,
  type FullObject,
  recogniseMaps,
  shareColumns,
} from "../../mapping/column_shares.ts";
import {
  type Addition,
  additions,
  type Column,
  type ColumnPath,
  mapObjects,
  pathsWhere,
  replaceColumn,
  setColumn,
} from "../../mapping/column_tree.ts";

export interface ColumnPlan {
  readonly missing: readonly Addition[];
  /** Objects that have used up their share of the columns. */
  readonly full: readonly FullObject[];
  /** Objects with columns in which ids occur, too. */
  readonly withIds: readonly ColumnPath[];
}

export function planColumns(columns: Column, wanted: Column, budget: ColumnBudget): ColumnPlan {
  const recognised = recogniseMaps(wanted, columns);
  const { columns: shared, full } = shareColumns(columns, recognised, budget);
  const withIds = pathsWhere(recognised, (object) => object.hasIds === true);
  return { missing: additions(columns, shared), full, withIds };
}

/** The columns of a table once the missing ones are created. */
export function columnsAfter(columns: Column, { missing, full, withIds }: ColumnPlan): Column {
  const after = copied(columns);
  for (const { path, column } of missing) setColumn(after, path, copied(column));
  return restricted(after, { withIds, full: full.map(({ path }) => path) });
}

const copied = (column: Column): Column => mapObjects(column, (object) => object);

/** Marks the objects that take no further columns, or none for ids. `columns` may change. */
export function restricted(
  columns: Column,
  { withIds, full }: { readonly withIds: Iterable<ColumnPath>; readonly full: Iterable<ColumnPath> },
): Column {
  let marked = columns;
  for (const path of withIds) marked = replaceColumn(marked, path, keepIdsOut);
  for (const path of full) marked = replaceColumn(marked, path, closed);
  return marked;
}

const closed = (columns: Column): Column => mapObjects(columns, (object) => ({ ...object, closed: true }));

const keepIdsOut = (columns: Column): Column =>
  columns.element ? { ...columns, element: keepIdsOut(columns.element) } : { ...columns, hasIds: true };
