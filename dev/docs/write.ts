/** `deno task docs`: writes the generated parts of the documentation, and the schema of `relay.yaml`. */
import { join } from "node:path";
import { markdownTable, metricRows } from "./metrics_table.ts";
import { relaySchemaJson } from "./relay_schema_json.ts";
import { optionLists } from "./options_list.ts";
import { troubles, troublesText } from "./troubleshooting.ts";

const ROOT = join(import.meta.dirname ?? "", "..", "..");
/** Generated text follows this line. */
const MARK = "<!-- Written by `deno task docs`. -->\n";

const GENERATED = {
  "options.md": optionLists(),
  "metrics.md": `${markdownTable(metricRows())}\n`,
  "troubleshooting.md": troublesText(await troubles()),
};

for (const [page, text] of Object.entries(GENERATED)) {
  const path = join(ROOT, "docs", page);
  const [head = ""] = (await Deno.readTextFile(path)).split(MARK);
  await Deno.writeTextFile(path, `${head}${MARK}\n${text}`);
}

await Deno.writeTextFile(
  join(ROOT, "relay.schema.json"),
  `${JSON.stringify(await relaySchemaJson(), null, 2)}\n`,
);
