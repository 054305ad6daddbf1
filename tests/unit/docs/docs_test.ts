import assert from "node:assert/strict";
import { dirname, join, normalize } from "node:path";
import { flagOf, type OptionTable, switchesOf } from "../../../lib/config/option.ts";
import { OPTIONS } from "../../../lib/config/options.ts";
import { metricRows } from "../../../dev/docs/metrics_table.ts";
import { optionLists } from "../../../dev/docs/options_list.ts";
import { thrownIn, troubles, troublesText } from "../../../dev/docs/troubleshooting.ts";

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

async function sources(folder: string): Promise<string[]> {
  const texts: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    texts.push(...isDirectory ? await sources(path) : [await Deno.readTextFile(path)]);
  }
  return texts;
}

Deno.test("the lists of options are those of OPTIONS", () => {
  const words = (text: string) => text.split(/\s+/).filter(Boolean);
  const [, lists = ""] = page("docs/options.md").split("-->\n");
  assert.deepEqual(words(lists), words(optionLists()));
});

Deno.test("the table of metrics is the one of METRICS", () => {
  assert.deepEqual(cellsOf(section("docs/metrics.md", "All metrics")), metricRows());
});

Deno.test("the README has at most 180 lines", () => {
  assert.ok(page("README.md").split("\n").length <= 180);
});

for (const [path, text] of pages) {
  Deno.test(`the commands of ${path} use options that there are`, () => {
    const calls = text.matchAll(
      /mongodb_cdc_cratedb\.ts (config \w+|cdc-relay|check|plan|status|wait|verify|forget|rebuild|db-workload)(.*)$/gm,
    );
    for (const [call, command, rest = ""] of calls) {
      const options: OptionTable = OPTIONS[command as keyof typeof OPTIONS];
      const known = [
        ...Object.entries(options).flatMap(([name, { secret }]) =>
          secret ? [flagOf(name), `${flagOf(name)}-file`] : [flagOf(name)]
        ),
        ...switchesOf(options).map(({ flag }) => flag),
      ];
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

/** Without the line breaks of a formatter. */
const flat = (text: string): string => text.replace(/\s+/g, " ").trim();

Deno.test("docs/troubleshooting.md has the errors and hints of the code", async () => {
  const [, text = ""] = page("docs/troubleshooting.md").split("<!-- Written by `deno task docs`. -->");
  assert.ok(flat(text) === flat(troublesText(await troubles())), "It is outdated: run deno task docs");
});

Deno.test("each error for users has a hint, and is in docs/troubleshooting.md", async () => {
  const code = (await sources(join(ROOT, "lib"))).join("\n");
  const thrown = [...code.matchAll(/new (?:User|UnusableTable)Error\(\s*["'`]|extends UserError \{\n/g)];
  assert.ok(thrown.length > 10);
  for (const { index } of thrown) {
    const text = code.slice(index, index + 600);
    assert.ok(thrownIn(text).length > 0, text);
  }
});

Deno.test("thrownIn() reads messages and hints", () => {
  const code =
    'throw new UserError(`No ${a.map(({ b }) => b)} of ${c}.`, {\n hint:\n "Make " +\n `"${d}".`,\n})';
  assert.deepEqual(thrownIn(code), [{ message: "No … of ….", hint: 'Make "…".' }]);
});

Deno.test("troublesText() has one entry for messages with the same text", () => {
  const hint = "Run once:\n  init <name>\nThen <wait>.";
  const errors = [{ message: "a", hint }, { message: "b `c`", why: "", hint }];
  assert.equal(
    troublesText([{ title: "T", errors }]),
    "## T\n\n### `a`, ``b `c```\n\nRun once:\n\n```\ninit <name>\n```\n\nThen \\<wait>.\n",
  );
});

Deno.test("each word of the glossary is in the file that it names", async () => {
  const rows = cellsOf(section("docs/architecture.md", "Glossary")).slice(1);
  assert.ok(rows.length > 10);
  for (const [term = "", , where = ""] of rows) {
    const [, target = ""] = /\]\(\.\.\/([^)]+)\)/.exec(where) ?? [];
    const code = await read(target);
    const word = new RegExp(term.split(" ").map((part) => part.replace(/s$/, "")).join("[ _]?"), "i");
    assert.match(code, word, `${term} in ${target}`);
  }
});

Deno.test("the table of folders has each folder of lib/", async () => {
  const text = section("docs/architecture.md", "Folders");
  for await (const { name, isDirectory } of Deno.readDir(join(ROOT, "lib"))) {
    if (isDirectory) assert.ok(text.includes(`lib/${name}/`), name);
  }
});
