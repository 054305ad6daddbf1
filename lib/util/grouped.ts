export interface GroupLimits<T> {
  /** The most items of a group. */
  readonly count: number;
  /** The most that a group weighs, unless one item alone weighs more. */
  readonly weight: number;
  readonly weightOf: (item: T) => number;
}

/**
 * The items in groups, in their order.
 *
 * @example
 * IN: ["a", "bb", "cccc", "d"], {count: 2, weight: 3, weightOf: length} → OUT: ["a", "bb"], ["cccc"], ["d"]
 */
export function* grouped<T>(
  items: Iterable<T>,
  { count, weight, weightOf }: GroupLimits<T>,
): Generator<T[]> {
  let group: T[] = [];
  let total = 0;
  for (const item of items) {
    const own = weightOf(item);
    if (group.length > 0 && (group.length >= count || total + own > weight)) {
      yield group;
      group = [];
      total = 0;
    }
    group.push(item);
    total += own;
  }
  if (group.length > 0) yield group;
}
