import assert from "node:assert/strict";
import { dirname, join, normalize } from "node:path";
import type { Option } from "../../../lib/config/options/option.ts";
import { OPTIONS } from "../../../lib/config/options/options.ts";
import { switchesOf } from "../../../lib/config/options/switches.ts";
import { libraryOptions } from "../../../dev/docs/library_options.ts";
import { metricRows } from "../../../dev/docs/metrics_table.ts";
import { optionTables } from "../../../dev/docs/options_table.ts";

const ROOT = join(import.meta.dirname ?? "", "..", "..", "..");
const read = (path: string): Promise<string> => Deno.readTextFile(join(ROOT, path));

const PAGES = ["README.md", "CONTRIBUTING.md", ...await namesIn("docs")];
const pages = new Map(await Promise.all(PAGES.map(async (path) => [path, await read(path)] as const)));
const page = (path: string): string => pages.get(path) ?? "";

async function namesIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir(join(ROOT, folder))) {
    if (name.endsWith(".md")) found.push(`${folder}/${name}`);
  }
  return found.sort();
}

/** @example IN: docs/architecture.md, "Glossary" → OUT: what stands between `## Glossary` and the next heading of that rank */
function section(path: string, heading: string): string {
  const [, text] = page(path).split(`\n## ${heading}\n`);
  assert.ok(text, `${path} has a section ${heading}`);
  return text.split("\n## ")[0] ?? "";
}

/** Cells by row, without the rule below the headings. */
const cellsOf = (text: string): string[][] =>
  text.split("\n").filter((line) => line.startsWith("|") && !/^[|\s:-]+$/.test(line)).map((line) =>
    line.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim().replaceAll("\\|", "|"))
  );

/** A heading has one message, or several with commas between; one with a backtick in it has two around it. */
const headings = (text: string): string[] =>
  [...text.matchAll(/^##{1,2} (`.+`)$/gm)].flatMap(([, line = ""]) =>
    line.startsWith("``") ? [line.replace(/^`` ?| ?``$/g, "")] : line.slice(1, -1).split("`, `")
  );

async function sources(folder: string): Promise<string[]> {
  const texts: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    texts.push(...isDirectory ? await sources(path) : [await Deno.readTextFile(path)]);
  }
  return texts;
}

/** @example IN: Table … cannot be used: … → OUT: matches "Table ${name} cannot be used: ${why}" */
const templateOf = (message: string): RegExp =>
  new RegExp(
    message.replaceAll("`", "\\`").split("…").map(RegExp.escape).join("\\$\\{[^`\\n]*\\}"),
  );

Deno.test("the tables of options are those of OPTIONS", () => {
  const [, ...tables] = section("docs/options.md", "All options").split(/^### /m);
  assert.deepEqual(
    tables.map((text) => ({ title: text.split("\n")[0], rows: cellsOf(text) })),
    optionTables(),
  );
});

Deno.test("the table of metrics is the one of METRICS", () => {
  assert.deepEqual(cellsOf(section("docs/metrics.md", "All metrics")), metricRows());
});

Deno.test("the options of the library are those of OPTIONS", async () => {
  assert.equal(await read("lib/library/options.ts"), libraryOptions());
});

Deno.test("the README has at most 180 lines", () => {
  assert.ok(page("README.md").split("\n").length <= 180);
});

for (const [path, text] of pages) {
  Deno.test(`the commands of ${path} use options that there are`, () => {
    const calls = text.matchAll(
      /mongodb_cdc_cratedb\.ts (cdc-relay|status|wait|verify|forget|db-workload)(.*)$/gm,
    );
    for (const [call, command, rest = ""] of calls) {
      const options: readonly Option[] = OPTIONS[command as keyof typeof OPTIONS];
      const known = [...options, ...switchesOf(options)].map(({ flag }) => flag);
      for (const [, flag = ""] of rest.matchAll(/--([a-z-]+)/g)) assert.ok(known.includes(flag), call);
    }
  });

  Deno.test(`the links of ${path} lead somewhere`, async () => {
    for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [file = "", anchor] = target.split("#");
      const found = file === "" ? path : normalize(join(dirname(path), file));
      assert.ok(await exists(found), `${target} of ${path}`);
      if (anchor !== undefined) assert.ok(anchorsOf(page(found)).includes(anchor), `${target} of ${path}`);
    }
  });
}

const exists = (path: string): Promise<boolean> => Deno.stat(join(ROOT, path)).then(() => true, () => false);

/** @example IN: ## PostgreSQL as the target → OUT: ["postgresql-as-the-target"] */
const anchorsOf = (text: string): string[] =>
  [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
  );

const troubles = headings(page("docs/troubleshooting.md"));

Deno.test("each message under Troubleshooting is one that the program has", async () => {
  const code = (await sources(join(ROOT, "lib"))).join("\n");
  assert.ok(troubles.length > 0);
  for (const message of troubles) assert.ok(templateOf(message).test(code), message);
});

Deno.test("each failure that describe() knows is under Troubleshooting", async () => {
  const errors = await read("lib/cli/describe_error.ts");
  const known = [...errors.matchAll(/message: (?:"(.+)"|`(.+?)\$\{.+`),$/gm)];
  assert.ok(known.length > 10);
  for (const [, whole = "", start = ""] of known) {
    assert.ok(troubles.includes(whole || `${start}…`), whole || start);
  }
});

Deno.test("each error for users is under Troubleshooting", async () => {
  const code = (await sources(join(ROOT, "lib"))).join("\n");
  const thrown = [
    ...code.matchAll(/(?:new UserError|super)\(\s*(?:`((?:[^`\\]|\\.)+)`|"([^"]+)")/g),
  ];
  assert.ok(thrown.length > 10);
  for (const [, template = "", text = ""] of thrown) {
    const message = (template || text).replaceAll(/\$\{[^}]*\}/g, "…").replaceAll("\\`", "`");
    assert.ok(troubles.includes(message), message);
  }
});

Deno.test("each word of the glossary is in the file that it names", async () => {
  const rows = cellsOf(section("docs/architecture.md", "Glossary")).slice(1);
  assert.ok(rows.length > 15);
  for (const [term = "", , where = ""] of rows) {
    const [, target = ""] = /\]\(\.\.\/([^)]+)\)/.exec(where) ?? [];
    const code = await read(target);
    const word = new RegExp(term.split(" ").map((part) => part.replace(/s$/, "")).join("[ _]?"), "i");
    assert.match(code, word, `${term} in ${target}`);
  }
});

Deno.test("the table of folders is the one that the imports are held to", () => {
  const text = section("docs/architecture.md", "Folders");
  for (
    const folder of [
      "util",
      "bson",
      "key",
      "mapping",
      "source",
      "sink",
      "pipeline",
      "status",
      "metrics",
      "verify",
      "workload",
      "cli",
      "library",
    ]
  ) {
    assert.ok(text.includes(`lib/${folder}/`), folder);
  }
});
