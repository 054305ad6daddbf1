/** The columns below a table's `data` as a tree of names. */
import type { Kind } from "./column_types.ts";
import type { Precision } from "./decimal.ts";

/** A column: objects have children by name, arrays have an element. */
export interface Column {
  readonly kind: Kind;
  readonly children?: Map<string, Column>;
  readonly element?: Column;
  /** The characters of a `varchar` or `char`, in units of UTF-16, or the numbers of a `float_vector`. */
  readonly length?: number;
  /** Of a `numeric`. */
  readonly numeric?: Precision;
  /** Whether the object takes no further columns. */
  readonly closed?: boolean;
  /** Whether names in the object that look like ids get no column. */
  readonly hasIds?: boolean;
}

/** Names below `data`; an array's element has the array's path. */
export type ColumnPath = readonly string[];

export interface Addition {
  readonly path: ColumnPath;
  readonly column: Column;
}

export const objectColumn = (): Column & { children: Map<string, Column> } => ({
  kind: "object",
  children: new Map(),
});

/** The topmost columns that are new. @example IN: {a: bigint}, {a: bigint, o: {b: text}} → OUT: [{path: ["o"], column: {b: text}}] */
export function additions(columns: Column, wanted: Column, path: ColumnPath = []): Addition[] {
  if (columns.kind !== wanted.kind) return [];
  if (columns.element && wanted.element) return additions(columns.element, wanted.element, path);
  return [...wanted.children ?? []].flatMap(([name, child]) => {
    const here = [...path, name];
    const existing = columns.children?.get(name);
    if (existing) return additions(existing, child, here);
    return columns.closed ? [] : [{ path: here, column: child }];
  });
}

/** An array's element, however deep it is nested; else the column itself. */
export const innermost = (column: Column): Column => column.element ? innermost(column.element) : column;

/** How many arrays around the innermost element. */
export const arraysOf = (column: Column | undefined): number =>
  column?.element ? 1 + arraysOf(column.element) : 0;

export function emptied(column: Column): Column {
  if (column.element) return { kind: column.kind, element: emptied(column.element) };
  return column.children ? objectColumn() : column;
}

/** The column at a path, below the root. A path skips arrays, like CrateDB's subscripts. */
export const columnAt = (root: Column, path: ColumnPath): Column | undefined =>
  path.reduce<Column | undefined>((at, name) => at && innermost(at).children?.get(name), root);

export function setColumn(root: Column, path: ColumnPath, column: Column): void {
  const parent = columnAt(root, path.slice(0, -1));
  const name = path.at(-1);
  if (parent && name !== undefined) innermost(parent).children?.set(name, column);
}

/** Changes the column at a path, if one exists. `root` may change. */
export function replaceColumn(root: Column, path: ColumnPath, change: (column: Column) => Column): Column {
  const column = columnAt(root, path);
  if (path.length === 0) return change(root);
  if (column) setColumn(root, path, change(column));
  return root;
}

/** A copy of the column with each object in it changed. */
export function mapObjects(column: Column, change: (object: Column) => Column): Column {
  const { element, children } = column;
  if (element) return { ...column, element: mapObjects(element, change) };
  if (!children) return column;
  const changed = [...children].map(([name, child]) => [name, mapObjects(child, change)] as const);
  return change({ ...column, children: new Map(changed) });
}

/** Paths of columns, or of arrays of them, that pass a test. @example IN: {a: text, o: {b: text}}, is text? → OUT: [["a"], ["o", "b"]] */
export function pathsWhere(
  root: Column,
  test: (column: Column) => boolean,
  path: ColumnPath = [],
): readonly ColumnPath[] {
  const column = innermost(root);
  const below = [...column.children ?? []].flatMap(([name, child]) =>
    pathsWhere(child, test, [...path, name])
  );
  return test(column) ? [path, ...below] : below;
}
