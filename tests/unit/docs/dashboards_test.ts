/** The dashboards in `deploy/grafana` use metrics, tables and columns that exist. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { METRICS } from "../../../lib/monitor/definitions.ts";
import { STATUS_COLUMNS } from "../../../lib/sink/metadata/status_view.ts";
import { assertMetrics } from "../../support/metric_names.ts";

const FOLDER = join(import.meta.dirname ?? "", "..", "..", "..", "deploy", "grafana");

interface Target {
  /** PromQL. */
  readonly expr?: string;
  readonly legendFormat?: string;
  readonly rawSql?: string;
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly Target[];
}

const panelsOf = async (name: string): Promise<readonly Panel[]> =>
  JSON.parse(await Deno.readTextFile(join(FOLDER, `${name}.json`))).panels;

const targetsOf = (panels: readonly Panel[]) => panels.flatMap(({ targets = [] }) => targets);

const dashboards = { prometheus: await panelsOf("prometheus"), cratedb: await panelsOf("cratedb") };

for (const [name, panels] of Object.entries(dashboards)) {
  Deno.test(`the panels of ${name}.json do not overlap and stay within 24 columns`, () => {
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
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  });

  Deno.test(`each panel of ${name}.json has a description`, () => {
    for (const { type, title, description = "" } of panels) {
      if (type !== "row") assert.match(description, /\.$/, title);
    }
  });
}

Deno.test("prometheus.json uses existing metrics and labels", () => {
  for (const { expr = "", legendFormat = "" } of targetsOf(dashboards.prometheus)) {
    assertMetrics(expr);
    for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
      assert.ok(expr.includes(label) || label === "instance" || label === "phase", `${label}: ${expr}`);
    }
  }
});

Deno.test("prometheus.json shows all metrics of the relay", () => {
  const shown = new Set(targetsOf(dashboards.prometheus).flatMap(({ expr = "" }) => assertMetrics(expr)));
  const isShown = (name: string) => [name, `${name}_sum`, `${name}_bucket`].some((each) => shown.has(each));
  // The lag shows the same relative to the clock.
  const others = ["cdc_relay_applied_timestamp_seconds"];
  for (const name of Object.keys(METRICS).filter((each) => each.startsWith("cdc_relay"))) {
    assert.ok(isShown(name) || others.includes(name), name);
  }
});

/** Columns of the tables that cratedb.json reads. */
const TABLES: Readonly<Record<string, readonly string[]>> = {
  cdc_status: [...Object.keys(STATUS_COLUMNS), "stream", "owner", "saved_at"],
  cdc_dead_letter: ["stream", "oid", "document", "error", "time"],
  cdc_events: ["at", "stream", "kind", "severity", "message", "details"],
  cdc_control: [
    ...[
      "id",
      "stream",
      "verb",
      "arguments",
      "asked_at",
      "asked_by",
      "expires_at",
      "state",
      "progress",
      "message",
    ],
    ...["started_at", "ended_at"],
  ],
  cdc_verify: [
    ...["stream", "collection", "mode", "outcome", "differences", "started_at", "finished_at"],
    ...["cluster_time", "documents", "rows", "missing", "extra", "different", "overflowed"],
    ...["dead_letters", "repaired"],
  ],
};

/** Returns the lower-case words of SQL, without functions and names of results. */
function columnsOf(sql: string): string[] {
  const bare = sql
    .replaceAll(/'[^']*'|"[^"]*"|\$__\w+/g, "")
    .replaceAll(/\bAS [a-z_]+/g, "")
    .replaceAll(/\bFROM \.[a-z_]+/g, "")
    .replaceAll(/\b[a-z_]+\(/g, "(");
  return bare.match(/\b[a-z_]+\b/g) ?? [];
}

Deno.test("cratedb.json uses existing tables and columns", () => {
  const statements = targetsOf(dashboards.cratedb).flatMap(({ rawSql }) => rawSql ?? []);
  assert.ok(statements.length > 0);
  for (const sql of statements) {
    const [, table = ""] = /FROM "\$schema"\.(\w+)/.exec(sql) ?? [];
    const columns = TABLES[table];
    assert.ok(columns, sql);
    for (const column of columnsOf(sql)) assert.ok(columns.includes(column), `${column}: ${sql}`);
  }
});
