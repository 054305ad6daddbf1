/**
 * Shares the columns that a table has room for among its objects, so that none takes them from the others: one with ever
 * new names stops when the table has room for only twice as many columns as it has. Pure.
 */
import { type Column, type ColumnPath, emptied, innermost } from "./column_tree.ts";

export interface ColumnBudget {
  /** How many columns the table may have. */
  readonly limit: number;
  /** How many more it takes. */
  readonly room: number;
}

/** An object that takes no further columns. */
export interface FullObject {
  /** Where it is; empty for the root, which has a column for as long as the table takes any. */
  readonly path: ColumnPath;
  /** A path that has got no column for that. */
  readonly newcomer: ColumnPath;
}

export interface SharedColumns {
  /** Those of the wanted columns that are to be made, and the objects around them. */
  readonly columns: Column;
  readonly full: readonly FullObject[];
}

/** The part of the limit that each object may have, whatever the others take. */
const GUARANTEED_PART = 1 / 20;

const guaranteed = ({ limit }: ColumnBudget): number => Math.floor(limit * GUARANTEED_PART);

/**
 * How many columns an object has. One below it counts for no more than the guaranteed part: a map is not charged to the
 * objects around it, but all small objects of a map are charged to the map.
 *
 * @example
 * IN: {a: bigint, o: {b: bigint}} → OUT: 3
 */
export function weightOf(object: Column, budget: ColumnBudget): number {
  const cap = guaranteed(budget);
  return [...innermost(object).children?.values() ?? []].reduce(
    (sum, child) => sum + 1 + Math.min(cap, weightOf(child, budget)),
    0,
  );
}

/**
 * How many more columns an object of this weight may have.
 *
 * @example
 * IN: 0, {limit: 1000, room: 900} → OUT: 300
 * IN: 300, {limit: 1000, room: 600} → OUT: 0
 * IN: 20, {limit: 1000, room: 40} → OUT: 30
 */
export function furtherColumns(weight: number, budget: ColumnBudget): number {
  const share = Math.floor((budget.room - 2 * weight) / 3);
  return Math.max(share, Math.min(guaranteed(budget) - weight, budget.room), 0);
}

/** An object on the way through the wanted columns. */
interface Visited {
  readonly path: ColumnPath;
  readonly existing: Column | undefined;
  readonly wanted: Column;
  /** Takes the columns that are to be made. */
  readonly made: Map<string, Column>;
  /** The objects around it, from the inside out. */
  readonly around: readonly Visited[];
  weight: number;
}

/**
 * The wanted columns that fit, breadth first.
 *
 * @param columns those that are there
 *
 * @example
 * IN: {}, wanted {likes: {ann: bigint, bob: bigint, …}, status: text}, {limit: 100, room: 12}
 * OUT: {columns: {likes: {ann: bigint, … 5 of them}, status: text}, full: [{path: ["likes"], newcomer: ["likes", "fay"]}]}
 */
export function shareColumns(columns: Column, wanted: Column, budget: ColumnBudget): SharedColumns {
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

/**
 * The object in a line, from the inside out, that takes the fewest columns. One in the middle takes any number if the
 * object in it is so large that more is not counted.
 */
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

/** Adds new columns to the weight of their object and of those around it, from the inside out. */
function charge(line: readonly Visited[], count: number, budget: ColumnBudget): void {
  const cap = guaranteed(budget);
  line.reduce((added, object) => {
    const before = object.weight;
    object.weight += added;
    return Math.min(cap, object.weight) - Math.min(cap, before);
  }, count);
}

const childrenOf = (column: Column) => innermost(column).children ?? new Map<string, Column>();

/** Whether both are objects in as many arrays. */
const isAlike = (one: Column, other: Column): boolean =>
  one.kind === other.kind && (!one.element || !other.element || isAlike(one.element, other.element));
