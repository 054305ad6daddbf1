/** The name that a person may have meant. Pure. */

/** One letter in so many may be another one. */
const LETTERS_FOR_A_MISTAKE = 3;
/** Longer names are no typing errors of each other, and cost too much to compare. */
const LONGEST = 100;

/**
 * The name that is most like another one; undefined if none is.
 *
 * @example
 * IN: "ordrs", ["orders", "users"] → OUT: "orders"
 * IN: "Orders", ["orders"] → OUT: "orders"
 * IN: "tmp", ["orders", "users"] → OUT: undefined
 */
export function similarName(name: string, names: readonly string[]): string | undefined {
  const wanted = name.toLowerCase();
  const allowed = Math.max(1, Math.floor(wanted.length / LETTERS_FOR_A_MISTAKE));
  let [best, least] = [undefined as string | undefined, allowed + 1];
  for (const each of names) {
    if (Math.abs(each.length - wanted.length) > allowed) continue;
    const count = mistakes(wanted, each.toLowerCase());
    if (count < least) [best, least] = [each, count];
  }
  return best;
}

/** Letters that were added, left out or changed, and neighbours that were swapped. @example IN: "ab", "ba" → OUT: 1 */
function mistakes(one: string, other: string): number {
  if (one.length > LONGEST || other.length > LONGEST) return one === other ? 0 : Infinity;
  let before: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let i = 1; i <= one.length; i++) {
    const row = [i];
    for (let j = 1; j <= other.length; j++) {
      const isSame = one[i - 1] === other[j - 1];
      const isSwapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      row[j] = Math.min(
        (last[j] ?? Infinity) + 1,
        (row[j - 1] ?? Infinity) + 1,
        (last[j - 1] ?? Infinity) + (isSame ? 0 : 1),
        isSwapped ? (before[j - 2] ?? Infinity) + 1 : Infinity,
      );
    }
    [before, last] = [last, row];
  }
  return last[other.length] ?? Infinity;
}
