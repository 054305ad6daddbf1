/**
 * Chooses the columns to create from those that documents need: maps get one column, and objects share the columns that
 * the table has room for. An object that keeps getting new names stops when the table has room for only twice as many
 * columns as the object has.
 */
import { isId } from "./classify.ts";
import { type Column, type ColumnPath, emptied, innermost } from "./column_tree.ts";

/** The most columns of a table, and how many more fit. */
export interface ColumnBudget {
  readonly limit: number;
  readonly room: number;
}

/** An object that takes no further columns, and a path that got none. The root is full only if the table is. */
export interface FullObject {
  readonly path: ColumnPath;
  readonly newcomer: ColumnPath;
}

/** The columns that each object may have in any case. */
const guaranteed = ({ limit }: ColumnBudget): number => Math.floor(limit / 20);

/**
 * How many columns an object has. An object below it counts for no more than the guaranteed part: a map is not charged to
 * the objects around it, but all small objects of a map are charged to the map.
 * @example IN: {a: bigint, o: {b: bigint}} → OUT: 3
 */
export function weightOf(object: Column, budget: ColumnBudget): number {
  const cap = guaranteed(budget);
  return [...innermost(object).children?.values() ?? []].reduce(
    (sum, child) => sum + 1 + Math.min(cap, weightOf(child, budget)),
    0,
  );
}

/** @example IN: 0, {limit: 1000, room: 900} → OUT: 300; IN: 20, {limit: 1000, room: 40} → OUT: 30 */
export function furtherColumns(weight: number, budget: ColumnBudget): number {
  const share = Math.floor((budget.room - 2 * weight) / 3);
  return Math.max(share, Math.min(guaranteed(budget) - weight, budget.room), 0);
}

interface Visited {
  readonly path: ColumnPath;
  readonly existing: Column | undefined;
  readonly wanted: Column;
  /** Collects the columns to create. */
  readonly made: Map<string, Column>;
  /** The objects around it, the innermost first. */
  readonly around: readonly Visited[];
  weight: number;
}

/**
 * The wanted columns that fit beside the existing ones, breadth first, and the objects that take no further columns.
 * @example
 * IN: {}, wanted {likes: {ann: bigint, bob: bigint, …}, status: text}, {limit: 100, room: 12}
 * OUT: {columns: {likes: {ann: bigint, … 5 of them}, status: text}, full: [{path: ["likes"], newcomer: ["likes", "fay"]}]}
 */
export function shareColumns(
  columns: Column,
  wanted: Column,
  budget: ColumnBudget,
): { readonly columns: Column; readonly full: readonly FullObject[] } {
  const { limit } = budget;
  let { room } = budget;
  const further = ({ path, weight }: Visited): number =>
    path.length === 0 ? room : furtherColumns(weight, { limit, room });
  const root = emptied(wanted);
  const visited: Visited[] = [
    { path: [], existing: columns, wanted, made: childrenOf(root), around: [], weight: 0 },
  ];
  const short: { readonly object: Visited; readonly newcomer: ColumnPath }[] = [];
  for (const object of visited) {
    const { path, existing, wanted, made, around } = object;
    const line = [object, ...around];
    const tightest = tightestOf(line, further, budget);
    const missing = existing?.closed
      ? []
      : [...childrenOf(wanted).keys()].filter((name) => !existing?.children?.has(name));
    const taken = new Set(missing.slice(0, further(tightest)));
    const left = missing[taken.size];
    room -= taken.size;
    charge(line, taken.size, budget);
    if (left !== undefined) short.push({ object: tightest, newcomer: [...path, left] });
    for (const [name, child] of childrenOf(wanted)) {
      const before = existing?.children?.get(name);
      if (before ? !isAlike(before, child) : !taken.has(name)) continue;
      const column = emptied(child);
      made.set(name, column);
      visited.push({
        path: [...path, name],
        existing: before && innermost(before),
        wanted: innermost(child),
        made: childrenOf(column),
        around: line,
        weight: before ? weightOf(before, budget) : 0,
      });
    }
  }
  const full = short.filter(({ object }) => room === 0 || further(object) === 0)
    .map(({ object, newcomer }) => ({ path: room === 0 ? [] : object.path, newcomer }));
  return { columns: root, full: [...new Map(full.map((each) => [each.path.join("\0"), each])).values()] };
}

/** The object in a line with room for the fewest columns, unless it is so large that more columns are not counted. */
function tightestOf(
  line: readonly Visited[],
  further: (object: Visited) => number,
  budget: ColumnBudget,
): Visited {
  const bounds = line.map((object, at) => {
    const counted = line.slice(0, at).map(({ weight }) => Math.max(guaranteed(budget) - weight, 0));
    const bound = further(object);
    return { object, bound: at < line.length - 1 && bound >= Math.min(...counted) ? Infinity : bound };
  });
  return bounds.reduce((one, other) => other.bound < one.bound ? other : one).object;
}

/** Adds new columns to the weight of their object and of those around it. */
function charge(line: readonly Visited[], count: number, budget: ColumnBudget): void {
  const cap = guaranteed(budget);
  line.reduce((added, object) => {
    const before = object.weight;
    object.weight += added;
    return Math.min(cap, object.weight) - Math.min(cap, before);
  }, count);
}

const childrenOf = (column: Column) => innermost(column).children ?? new Map<string, Column>();

/** Whether both are objects in the same number of arrays. */
const isAlike = (one: Column, other: Column): boolean =>
  one.kind === other.kind && (!one.element || !other.element || isAlike(one.element, other.element));

/** An object with more names that differ only in their digits is a map, too. */
const MAX_NUMBERED_NAMES = 100;

/**
 * The wanted columns with one for each map, and none for ids among other names. An object that has a column already
 * cannot become a map, nor can the root.
 * @example
 * IN: {likes: {507f1f77bcf86cd799439011: bigint}, days: {2026-11-26: text, last: text}}
 * OUT: {likes: ignored, days: {last: text}, which has ids}
 */
export function recogniseMaps(wanted: Column, existing: Column | undefined): Column {
  if (wanted.element) return { ...wanted, element: recogniseMaps(wanted.element, existing?.element) };
  const { kind, children } = wanted;
  if (!children) return wanted;
  if (!existing && isMap([...children.keys()])) return { kind: "ignored" };
  const known = existing?.children;
  const plain = [...children].filter(([name]) => known?.has(name) || !isId(name));
  const kept = new Map(plain.map(([name, child]) => [name, recogniseMaps(child, known?.get(name))]));
  return kept.size < children.size ? { kind, children: kept, hasIds: true } : { kind, children: kept };
}

const isMap = (names: readonly string[]): boolean =>
  names.length > 0 && (names.every(isId) || names.length > MAX_NUMBERED_NAMES && areNumbered(names));

/** @example IN: [u1, u23] → OUT: true; IN: [u1, v1] → OUT: false */
const areNumbered = (names: readonly string[]): boolean =>
  new Set(names.map((name) => name.replaceAll(/\d+/g, "0"))).size === 1;
