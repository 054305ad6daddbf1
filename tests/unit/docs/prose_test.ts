/** Holds comments, texts and docs to plain English: no more idioms of a translation than other projects have. */
import assert from "node:assert/strict";
import { join } from "node:path";

const ROOT = join(import.meta.dirname ?? "", "..", "..", "..");
/** Idioms in a thousand words. */
const LIMIT = 4;

/** What to write instead, and what for. */
const IDIOMS: Readonly<Record<string, RegExp>> = {
  "report, log, show, return": /\b(?:tell(?:s|ing)?|told)\b/gi,
  "report, print, name": /\bsa(?:y|ys|id)\b/gi,
  "has, can find out": /\bknow(?:s|n)?\b/gi,
  "arrive, follow, return": /\b(?:com(?:e|es|ing)|came)\b/gi,
  "if, when": /\bwhere\b/gi,
  "again": /\banew\b/gi,
  "deleted, missing": /\bgone\b/gi,
  "a name for who it is": /\b(?:whoever|nobody|no one|none of)\b/gi,
  "exists, has": /\bthere (?:is|are|was|were)\b/gi,
  "a verb, or nothing": /\bthat (?:is|are) (?:there|gone|left|new|read|told)\b/gi,
  "otherwise, other": /\belse[.,;]/gi,
  "alone, its": /\b(?:by itself|by themselves|of its own|of their own|of one's own)\b/gi,
  "like": /\bas .{1,25} do(?:es)?\b/gi,
  "while, in progress, so": /\b(?:meanwhile|under way|thereby|thus|hence)\b/gi,
  "this, like this": /\bsuch\b(?! as)/gi,
};

/** The lines of Markdown that a person reads: without code. */
function markdownProse(text: string): string[] {
  return text.replaceAll(/^ *```.*?^ *```/gms, "").split("\n").map((line) =>
    line.replaceAll(/`[^`]*`/g, " ")
  );
}

/** Comments, and strings that are long enough to be sentences. */
function codeProse(text: string): string[] {
  const prose: string[] = [];
  let isBlock = false;
  for (const line of text.split("\n").map((line) => line.trim())) {
    if (isBlock || line.startsWith("/*")) {
      isBlock = !line.includes("*/");
      prose.push(line.replaceAll(/[`{][^`}]*[`}]/g, " "));
      continue;
    }
    const [, comment = ""] = /(?<!:)\/\/(?!\/)(.*)/.exec(line) ?? [];
    const strings = line.matchAll(/"((?:[^"\\]|\\.){30,})"|`((?:[^`\\]|\\.){30,})`/g);
    prose.push(comment, ...Array.from(strings, ([, quoted, template]) => quoted ?? template ?? ""));
  }
  return prose;
}

/** The idioms of one line. IN: "It is read anew." → OUT: [{idiom: "anew", plain: "again"}] */
const idiomsOf = (line: string) =>
  Object.entries(IDIOMS).flatMap(([plain, pattern]) =>
    (line.match(pattern) ?? []).map((idiom) => ({ idiom, plain }))
  );

async function filesBelow(folder: string, ending: string): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(ROOT, folder))) {
    const path = `${folder}/${name}`;
    if (isDirectory) files.push(...await filesBelow(path, ending));
    else if (name.endsWith(ending)) files.push(path);
  }
  return files;
}

for (
  const [folder, ending, proseOf] of [["lib", ".ts", codeProse], ["docs", ".md", markdownProse]] as const
) {
  Deno.test(`${folder}/ is written in plain English`, async () => {
    let words = 0;
    const found: string[] = [];
    for (const file of await filesBelow(folder, ending)) {
      for (const line of proseOf(await Deno.readTextFile(join(ROOT, file)))) {
        words += line.match(/[A-Za-z']+/g)?.length ?? 0;
        found.push(
          ...idiomsOf(line).map(({ idiom, plain }) => `${file}: ${idiom} (${plain}): ${line.trim()}`),
        );
      }
    }
    assert.ok(words > 1_000);
    const rate = found.length / words * 1_000;
    assert.ok(rate <= LIMIT, `${rate.toFixed(1)} idioms in 1,000 words:\n${found.join("\n")}`);
  });
}

const idiomsIn = (line: string) => idiomsOf(line).map(({ idiom }) => idiom);

Deno.test("idioms are found in comments and sentences, and not in code", () => {
  const code = ['const where = told("gone"); // It tells nobody.', "/** Where {@link come} is. */"].join(
    "\n",
  );
  assert.deepEqual(codeProse(code).flatMap(idiomsIn), ["tells", "nobody", "Where"]);
  assert.deepEqual(
    codeProse('throw new Error("There is no such table in this database");').flatMap(idiomsIn),
    [
      "There is",
      "such",
    ],
  );
  const page = "Prints `where`.\n\n```shell\necho gone\n```\n\nSuch rows, such as these, are gone.";
  assert.deepEqual(markdownProse(page).flatMap(idiomsIn), ["gone", "Such"]);
});
