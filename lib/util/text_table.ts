/** Formats rows of text as a table of a limited width. */

/** Between two columns. */
export const GAP = "  ";
const NARROWEST = 4;

export interface TextTable {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/**
 * Leaves empty columns out, and cuts the widest columns until the table fits.
 *
 * @example
 * IN: {header: ["field", "data", "overflow"], rows: [["_id", "1", ""], ["t", "20.5", ""]]}, 80
 * OUT: ["field  data", "_id    1", "t      20.5"]
 */
export function textTable({ header, rows }: TextTable, width: number): string[] {
  const used = header.map((_, at) => rows.some((row) => row[at]));
  const lines = [header, ...rows].map((row) => row.filter((_, at) => used[at]));
  const widths = fitted(widthsOf(lines), width);
  return lines.map((cells) =>
    cells.map((cell, at) => cut(cell, widths[at] ?? 0).padEnd(widths[at] ?? 0)).join(GAP).trimEnd()
  );
}

const widthsOf = (lines: readonly (readonly string[])[]): number[] =>
  (lines[0] ?? []).map((_, at) => Math.max(...lines.map((cells) => cells[at]?.length ?? 0)));

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

const cut = (text: string, width: number): string =>
  text.length > width ? `${text.slice(0, width - 1)}…` : text;
