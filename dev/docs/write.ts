/** `deno task docs` writes what is made from the code: parts of the documentation, and the dashboards. */
import { join } from "node:path";
import { CRATEDB_DASHBOARD } from "../grafana/cratedb_dashboard.ts";
import { dashboardJson } from "../grafana/dashboard.ts";
import { PROMETHEUS_DASHBOARD } from "../grafana/prometheus_dashboard.ts";
import { markdownTable } from "./markdown_table.ts";
import { metricRows } from "./metrics_table.ts";
import { optionTables } from "./options_table.ts";
import { picture } from "./picture.ts";
import { troubles, troublesText } from "./troubleshooting.ts";

const ROOT = join(import.meta.dirname ?? "", "..", "..");
const DOCS = join(ROOT, "docs");
/** The generated tables follow this line. */
const MARK = "<!-- Written by `deno task docs`. -->\n";

/** The ends of pages. */
const ENDS = {
  "options.md": optionTables().map(({ title, rows }) => `### ${title}\n\n${markdownTable(rows)}\n`).join(
    "\n",
  ),
  "metrics.md": `${markdownTable(metricRows())}\n`,
  "troubleshooting.md": troublesText(await troubles()),
};

for (const [page, end] of Object.entries(ENDS)) {
  const path = join(DOCS, page);
  const [head = ""] = (await Deno.readTextFile(path)).split(MARK);
  await Deno.writeTextFile(path, `${head}${MARK}\n${end}`);
}
await Deno.writeTextFile(join(DOCS, "rows.svg"), picture());
for (
  const [name, dashboard] of [["prometheus", PROMETHEUS_DASHBOARD], ["cratedb", CRATEDB_DASHBOARD]] as const
) {
  const path = join(ROOT, "deploy", "grafana", `${name}.json`);
  await Deno.writeTextFile(path, `${JSON.stringify(dashboardJson(dashboard), null, 2)}\n`);
}
