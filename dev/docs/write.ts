/** `deno task docs` writes the parts of the documentation that are made from the code. */
import { join } from "node:path";
import { markdownTable } from "./markdown_table.ts";
import { metricRows } from "./metrics_table.ts";
import { optionRows } from "./options_table.ts";
import { picture } from "./picture.ts";

const DOCS = join(import.meta.dirname ?? "", "..", "..", "docs");
/** The generated table follows this line. */
const MARK = "<!-- The table is written by `deno task docs`. -->\n";

/** Tables at the ends of pages. */
const TABLES = { "options.md": optionRows, "metrics.md": metricRows };

for (const [page, rows] of Object.entries(TABLES)) {
  const path = join(DOCS, page);
  const [head = ""] = (await Deno.readTextFile(path)).split(MARK);
  await Deno.writeTextFile(path, `${head}${MARK}\n${markdownTable(rows())}\n`);
}
await Deno.writeTextFile(join(DOCS, "rows.svg"), picture());
