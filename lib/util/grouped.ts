/**
 * Splits items into groups of limited count and weight, in order. A heavier item is the only one in its group.
 * @example IN: ["a", "bb", "cccc", "d"], {count: 2, weight: 3, weightOf: length} → OUT: ["a", "bb"], ["cccc"], ["d"]
 */
export function* grouped<T>(
  items: Iterable<T>,
  { count, weight = Infinity, weightOf = () => 0 }: {
    readonly count: number;
    readonly weight?: number;
    readonly weightOf?: (item: T) => number;
  },
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
