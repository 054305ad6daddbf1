/** The metrics as `docs/metrics.md` shows them. */
import { type MetricDefinition, METRICS } from "../../lib/monitor/definitions.ts";

/** @example OUT: [["Metric", …], ["`cdc_relay_rows_total`", "counter", "`collection`, `operation`", "…"], …] */
export const metricRows = (): string[][] => [
  ["Metric", "Kind", "Labels", "Meaning"],
  ...Object.entries<MetricDefinition>(METRICS).map(([name, { kind, labels = [], help }]) => [
    `\`${name}\``,
    kind,
    labels.map((label) => `\`${label}\``).join(", "),
    help,
  ]),
];
