/** Makes Grafana's JSON of a dashboard from a short description of its panels. */

export type PanelKind = "stat" | "timeseries" | "table" | "bargauge";

export interface Query {
  /** PromQL or SQL. */
  readonly text: string;
  /** What a line is called, of PromQL alone. */
  readonly legend?: string;
}

export interface Panel {
  readonly title: string;
  readonly kind: PanelKind;
  readonly queries: readonly Query[];
  /** One sentence: what it shows, or what to look for. */
  readonly description: string;
  /** Grafana's name of it: s, bytes, ops, percentunit. @default {none} */
  readonly unit?: string;
  /** Of 24. */
  readonly width: number;
  /** @default {by kind} */
  readonly height?: number;
  /** From where on it is yellow, and red. */
  readonly limits?: readonly [warning: number, critical: number];
  /** Whether lines are stacked. @default false */
  readonly stacked?: boolean;
  /** Whether a stat shows the name of its line. @default false */
  readonly showsName?: boolean;
  /** Whether rows of SQL are points in time. @default false */
  readonly isSeries?: boolean;
}

export interface Variable {
  readonly name: string;
  readonly label: string;
  /** PromQL that gives its values; a text box where there is none. */
  readonly query?: string;
  readonly default?: string;
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  /** The type of its data source. */
  readonly source: "prometheus" | "grafana-postgresql-datasource";
  readonly variables: readonly Variable[];
  /** Panels by the titles of their rows. */
  readonly rows: Readonly<Record<string, readonly Panel[]>>;
}

const COLUMNS = 24;
const HEIGHTS: Readonly<Record<PanelKind, number>> = { stat: 4, timeseries: 8, table: 8, bargauge: 8 };
/** Grafana's version of the format. */
const SCHEMA_VERSION = 39;

/** @example IN: {title: "Relay", rows: {Now: [{title: "Lag", kind: "stat", …}]}, …} → OUT: {title: "Relay", panels: […], …} */
export function dashboardJson({ uid, title, description, source, variables, rows }: Dashboard) {
  return {
    uid,
    title,
    description,
    tags: ["cdc-relay"],
    schemaVersion: SCHEMA_VERSION,
    version: 1,
    editable: true,
    refresh: "10s",
    time: { from: "now-1h", to: "now" },
    timezone: "browser",
    templating: {
      list: [
        { name: "datasource", label: "Data source", type: "datasource", query: source, refresh: 1 },
        ...variables.map((variable) => variableJson(variable, source)),
      ],
    },
    panels: panelsJson(rows, source),
  };
}

function variableJson({ name, label, query, default: fallback = "" }: Variable, source: Dashboard["source"]) {
  if (query === undefined) {
    return { name, label, type: "textbox", query: fallback, current: { text: fallback, value: fallback } };
  }
  return {
    name,
    label,
    type: "query",
    datasource: sourceJson(source),
    query: { query, refId: name },
    definition: query,
    refresh: 2,
    includeAll: true,
    multi: true,
    allValue: ".*",
    current: { text: "All", value: "$__all" },
  };
}

/** Panels fill rows from left to right. */
function panelsJson(rows: Dashboard["rows"], source: Dashboard["source"]) {
  const panels: unknown[] = [];
  let y = 0;
  for (const [title, members] of Object.entries(rows)) {
    panels.push({
      id: panels.length + 1,
      type: "row",
      title,
      collapsed: false,
      gridPos: { x: 0, y: y++, w: COLUMNS, h: 1 },
      panels: [],
    });
    let x = 0;
    let tallest = 0;
    for (const panel of members) {
      const h = panel.height ?? HEIGHTS[panel.kind];
      if (x + panel.width > COLUMNS) {
        x = 0;
        y += tallest;
        tallest = 0;
      }
      const gridPos = { x, y, w: panel.width, h };
      panels.push({ id: panels.length + 1, ...panelJson(panel, source), gridPos });
      x += panel.width;
      tallest = Math.max(tallest, h);
    }
    y += tallest;
  }
  return panels;
}

function panelJson(panel: Panel, source: Dashboard["source"]) {
  const { title, kind, description, unit = "short", limits, stacked = false } = panel;
  const steps = [
    { color: "green", value: null },
    ...limits ? [{ color: "yellow", value: limits[0] }, { color: "red", value: limits[1] }] : [],
  ];
  const lines = { lineWidth: 1, fillOpacity: 10, stacking: { mode: stacked ? "normal" : "none" } };
  return {
    type: kind,
    title,
    description,
    datasource: sourceJson(source),
    targets: panel.queries.map((query, at) => targetJson(query, { panel, source, at })),
    fieldConfig: {
      defaults: {
        unit,
        thresholds: { mode: "absolute", steps },
        ...kind === "timeseries" && { custom: { ...lines, showPoints: "never" }, min: 0 },
      },
      overrides: [],
    },
    options: optionsJson(panel),
  };
}

function optionsJson({ kind, showsName = false, isSeries = false }: Panel) {
  const reduced = { calcs: ["lastNotNull"], fields: "", values: kind === "bargauge" && !isSeries };
  switch (kind) {
    case "stat":
      return {
        reduceOptions: reduced,
        colorMode: "value",
        graphMode: "none",
        textMode: showsName ? "name" : "auto",
      };
    case "bargauge":
      return { reduceOptions: reduced, orientation: "horizontal", displayMode: "gradient" };
    case "timeseries":
      return {
        legend: { displayMode: "list", placement: "bottom", showLegend: true },
        tooltip: { mode: "multi", sort: "desc" },
      };
    case "table":
      return { showHeader: true };
  }
}

interface TargetOptions {
  readonly panel: Panel;
  readonly source: Dashboard["source"];
  readonly at: number;
}

function targetJson({ text, legend }: Query, { panel, source, at }: TargetOptions) {
  const refId = String.fromCharCode("A".charCodeAt(0) + at);
  if (source === "prometheus") {
    return { refId, expr: text, legendFormat: legend ?? "__auto", instant: panel.kind !== "timeseries" };
  }
  const format = panel.isSeries ? "time_series" : "table";
  return { refId, rawSql: text, rawQuery: true, editorMode: "code", format };
}

const sourceJson = (type: string) => ({ type, uid: "${datasource}" });
