/** A table in Markdown, from rows of cells; the first row has the headings. */

const line = (cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;

/** @example IN: [["a", "b"], ["1", "x|y"]] → OUT: | a | b |\n| --- | --- |\n| 1 | x\|y | */
export function markdownTable([headings = [], ...rows]: readonly (readonly string[])[]): string {
  return [headings, headings.map(() => "---"), ...rows].map(line).join("\n");
}
