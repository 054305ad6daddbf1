/** The largest unit first; `from` is the shortest duration for which it is used. */
const UNITS: readonly (readonly [from: number, unit: number, name: string])[] = [
  [172_800_000, 86_400_000, "d"],
  [7_200_000, 3_600_000, "h"],
  [120_000, 60_000, "min"],
  [10_000, 1_000, "s"],
];

/** @example IN: 205 → OUT: 205 ms; IN: 2_350 → OUT: 2.4 s; IN: 90_000 → OUT: 90 s; IN: 5_400_000 → OUT: 90 min */
export function durationText(milliseconds: number): string {
  if (milliseconds < 0) return `-${durationText(-milliseconds)}`;
  for (const [from, unit, name] of UNITS) {
    if (milliseconds >= from) return `${Math.round(milliseconds / unit)} ${name}`;
  }
  return milliseconds < 1_000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1_000).toFixed(1)} s`;
}

/** Escapes control characters, which keys, names and values of documents may have. @example IN: a, a newline, b → OUT: a\\u000ab */
export const visible = (text: string): string =>
  text.replace(/\p{Cc}/gu, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);

export const GAP = "  ";
const NARROWEST = 4;

export interface TextTable {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/**
 * Formats a table. Omits empty columns, and cuts the widest columns until the table fits.
 * @example
 * IN: {header: ["field", "data", "overflow"], rows: [["_id", "1", ""], ["t", "20.5", ""]]}, 80
 * OUT: ["field  data", "_id    1", "t      20.5"]
 */
export function textTable({ header, rows }: TextTable, width: number): string[] {
  const used = header.map((_, at) => rows.some((row) => row[at]));
  const lines = [header, ...rows].map((row) => row.filter((_, at) => used[at]));
  const natural = (lines[0] ?? []).map((_, at) => Math.max(...lines.map((cells) => cells[at]?.length ?? 0)));
  const widths = fitted(natural, width);
  return lines.map((cells) =>
    cells.map((cell, at) => cut(cell, widths[at] ?? 0).padEnd(widths[at] ?? 0)).join(GAP).trimEnd()
  );
}

function fitted(natural: readonly number[], width: number): number[] {
  const widths = [...natural];
  const room = width - GAP.length * (widths.length - 1);
  while (widths.reduce((sum, each) => sum + each, 0) > room) {
    const widest = Math.max(...widths);
    if (widest <= NARROWEST) break;
    widths[widths.indexOf(widest)] = widest - 1;
  }
  return widths;
}

export const cut = (text: string, width: number): string =>
  text.length > width ? `${text.slice(0, width - 1)}…` : text;

/** Letters of a name per typing error. */
const LETTERS_FOR_A_MISTAKE = 3;
/** Longer names cost too much to compare. */
const LONGEST = 100;

/** The most similar name, for "did you mean"; undefined if none is similar. @example IN: "ordrs", ["orders"] → OUT: "orders" */
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

/** The number of letters added, removed, changed or swapped with a neighbour. */
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

/** What may be shown of the message of a request: further lines may have values of documents. */
export const firstLine = (text: string): string => text.replace(/\n.*/s, "");
