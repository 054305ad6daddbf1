/** The table of metrics in `docs/metrics.md`. */
import { type MetricDefinition, METRICS } from "../../lib/monitor/definitions.ts";

/** Metrics that other programs have, too. */
const COMMON = /^(process|nodejs)_/;

/** @example OUT: [["Metric", …], ["`cdc_relay_rows_total{collection,operation}`", "counter", "…"], …] */
export const metricRows = (): string[][] => [
  ["Metric", "Kind", "Meaning"],
  ...Object.entries<MetricDefinition>(METRICS).filter(([name]) => !COMMON.test(name)).map((
    [name, { kind, labels = [], help }],
  ) => [
    `\`${name}${labels.length > 0 ? `{${labels.join(",")}}` : ""}\``,
    kind,
    help,
  ]),
];

const line = (cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;

/**
 * Formats rows of cells, the first with the headings, as a Markdown table.
 *
 * @example
 * IN: [["a", "b"], ["1", "x|y"]] → OUT: | a | b |\n| --- | --- |\n| 1 | x\|y |
 */
export function markdownTable([headings = [], ...rows]: readonly (readonly string[])[]): string {
  return [headings, headings.map(() => "---"), ...rows].map(line).join("\n");
}
