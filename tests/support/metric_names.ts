/** The metrics that queries and rules name, checked against those that the program has. */
import assert from "node:assert/strict";
import { type MetricDefinition, METRICS } from "../../lib/monitor/definitions.ts";

/** What Prometheus adds to a metric, and to the program's labels. */
const SUFFIXES = ["_bucket", "_sum", "_count"];
const OWN_LABELS = ["instance", "job", "le"];

function definitionOf(name: string): MetricDefinition | undefined {
  const metrics: Readonly<Record<string, MetricDefinition>> = METRICS;
  const suffix = SUFFIXES.find((each) => name.endsWith(each));
  const histogram = suffix === undefined ? undefined : metrics[name.slice(0, -suffix.length)];
  return metrics[name] ?? (histogram?.kind === "histogram" ? histogram : undefined);
}

/**
 * Asserts that all metrics and labels of a text in PromQL are there.
 *
 * @returns the metrics
 */
export function assertMetrics(promql: string): string[] {
  const names = promql.match(/\b(?:cdc_relay|process|nodejs)_\w+/g) ?? [];
  const labels = new Set(OWN_LABELS);
  for (const name of names) {
    const definition = definitionOf(name);
    assert.ok(definition, `no metric ${name} exists: ${promql}`);
    for (const label of definition.labels ?? []) labels.add(label);
  }
  const grouped = [...promql.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, list = ""]) =>
    list.split(/,\s*/)
  );
  const matched = [...promql.matchAll(/(\w+)\s*(?:=~|!=|=)\s*"/g)].map(([, label = ""]) => label);
  for (const label of [...grouped, ...matched]) assert.ok(labels.has(label), `no label ${label}: ${promql}`);
  return names;
}
