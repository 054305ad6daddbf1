/** `deno task docs`: writes the generated parts of the documentation and the options of the library. */
import { join } from "node:path";
import { libraryOptions } from "./library_options.ts";
import { markdownTable, metricRows } from "./metrics_table.ts";
import { optionTables } from "./options_table.ts";

const ROOT = join(import.meta.dirname ?? "", "..", "..");
/** Generated tables follow this line. */
const MARK = "<!-- Written by `deno task docs`. -->\n";

const GENERATED = {
  "options.md": optionTables().map(({ title, rows }) => `### ${title}\n\n${markdownTable(rows)}\n`).join(
    "\n",
  ),
  "metrics.md": `${markdownTable(metricRows())}\n`,
};

for (const [page, tables] of Object.entries(GENERATED)) {
  const path = join(ROOT, "docs", page);
  const [head = ""] = (await Deno.readTextFile(path)).split(MARK);
  await Deno.writeTextFile(path, `${head}${MARK}\n${tables}`);
}
await Deno.writeTextFile(join(ROOT, "lib", "library", "options.ts"), libraryOptions());
