import assert from "node:assert/strict";
import { join } from "node:path";
import { CRATEDB_DASHBOARD } from "../../../dev/grafana/cratedb_dashboard.ts";
import { type Dashboard, dashboardJson } from "../../../dev/grafana/dashboard.ts";
import { PROMETHEUS_DASHBOARD } from "../../../dev/grafana/prometheus_dashboard.ts";
import { METRICS } from "../../../lib/monitor/definitions.ts";
import { STATUS_COLUMNS } from "../../../lib/sink/metadata/status_columns.ts";
import { assertMetrics } from "../../support/metric_names.ts";

const DEPLOY = join(import.meta.dirname ?? "", "..", "..", "..", "deploy", "grafana");
const DASHBOARDS = { prometheus: PROMETHEUS_DASHBOARD, cratedb: CRATEDB_DASHBOARD };

const panelsOf = ({ rows }: Dashboard) => Object.values(rows).flat();
const queriesOf = (dashboard: Dashboard) => panelsOf(dashboard).flatMap(({ queries }) => queries);

for (const [name, dashboard] of Object.entries(DASHBOARDS)) {
  Deno.test(`deploy/grafana/${name}.json is what dev/grafana makes`, async () => {
    const text = await Deno.readTextFile(join(DEPLOY, `${name}.json`));
    assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(dashboardJson(dashboard))));
  });

  Deno.test(`the panels of ${name}.json cover no other, and are within 24 columns`, () => {
    const { panels } = JSON.parse(JSON.stringify(dashboardJson(dashboard)));
    const taken = new Set<string>();
    for (const { gridPos: { x, y, w, h }, title } of panels) {
      assert.ok(x + w <= 24, title);
      for (let column = x; column < x + w; column++) {
        for (let line = y; line < y + h; line++) {
          assert.ok(!taken.has(`${column},${line}`), title);
          taken.add(`${column},${line}`);
        }
      }
    }
    const ids = panels.map(({ id }: { id: number }) => id);
    assert.equal(new Set(ids).size, ids.length);
  });
}

Deno.test("the dashboard over Prometheus names metrics and labels that there are", () => {
  for (const { text, legend = "" } of queriesOf(PROMETHEUS_DASHBOARD)) {
    assertMetrics(text);
    for (const [, label] of legend.matchAll(/\{\{(\w+)\}\}/g)) {
      assert.ok(text.includes(`${label}`) || label === "instance" || label === "phase", `${label}: ${text}`);
    }
  }
});

Deno.test("the dashboard over Prometheus shows all of the relay's metrics", () => {
  const shown = new Set(queriesOf(PROMETHEUS_DASHBOARD).flatMap(({ text }) => assertMetrics(text)));
  const isShown = (name: string) => [name, `${name}_sum`, `${name}_bucket`].some((each) => shown.has(each));
  // The lag tells the same by the clock.
  const others = ["cdc_relay_applied_timestamp_seconds"];
  for (const name of Object.keys(METRICS).filter((each) => each.startsWith("cdc_relay"))) {
    assert.ok(isShown(name) || others.includes(name), name);
  }
});

/** The columns of what the dashboard over CrateDB reads. */
const TABLES: Readonly<Record<string, readonly string[]>> = {
  cdc_status: [...Object.keys(STATUS_COLUMNS), "stream", "owner", "saved_at"],
  cdc_dead_letter: ["stream", "oid", "document", "error", "time"],
  cdc_verify: [
    ...[
      "stream",
      "collection",
      "mode",
      "outcome",
      "differences",
      "started_at",
      "finished_at",
      "cluster_time",
    ],
    ...["documents", "rows", "missing", "extra", "different", "overflowed", "dead_letters", "repaired"],
  ],
};

/** Lower-case words of SQL that are neither functions nor names of results. */
function columnsOf(sql: string): string[] {
  const bare = sql
    .replaceAll(/'[^']*'|"[^"]*"|\$__\w+/g, "")
    .replaceAll(/\bAS [a-z_]+/g, "")
    .replaceAll(/\bFROM \.[a-z_]+/g, "")
    .replaceAll(/\b[a-z_]+\(/g, "(");
  return bare.match(/\b[a-z_]+\b/g) ?? [];
}

Deno.test("the dashboard over CrateDB names tables and columns that there are", () => {
  for (const { text } of queriesOf(CRATEDB_DASHBOARD)) {
    const [, table = ""] = /FROM "\$schema"\.(\w+)/.exec(text) ?? [];
    const columns = TABLES[table];
    assert.ok(columns, text);
    for (const column of columnsOf(text)) assert.ok(columns.includes(column), `${column}: ${text}`);
  }
});

Deno.test("each panel says what it shows", () => {
  for (const dashboard of Object.values(DASHBOARDS)) {
    for (const { title, description } of panelsOf(dashboard)) assert.match(description, /\.$/, title);
  }
});
