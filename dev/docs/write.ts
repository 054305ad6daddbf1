/** `deno task docs` writes the parts of the documentation that are made from the code. */
import { join } from "node:path";
import { optionsTable } from "./options_table.ts";
import { picture } from "./picture.ts";

const DOCS = join(import.meta.dirname ?? "", "..", "..", "docs");
/** The generated table follows this line. */
const MARK = "<!-- The table is written by `deno task docs`. -->\n";

const options = join(DOCS, "options.md");
const [head = ""] = (await Deno.readTextFile(options)).split(MARK);
await Deno.writeTextFile(options, `${head}${MARK}\n${optionsTable()}\n`);
await Deno.writeTextFile(join(DOCS, "rows.svg"), picture());
