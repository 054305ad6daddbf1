import assert from "node:assert/strict";
import { join } from "node:path";
import { OPTIONS } from "../../../lib/cli/options.ts";
import { optionRows } from "../../../dev/docs/options_table.ts";

const ROOT = join(import.meta.dirname ?? "", "..", "..", "..");
const readme = await Deno.readTextFile(join(ROOT, "README.md"));

/** @example IN: "Options" → OUT: what stands between `## Options` and the next heading of that rank */
function section(heading: string): string {
  const [, text] = readme.split(`\n## ${heading}\n`);
  assert.ok(text, `The README has a section ${heading}`);
  return text.split("\n## ")[0] ?? "";
}

/** Cells by row, without the rule below the headings. */
const cellsOf = (text: string): string[][] =>
  text.split("\n").filter((line) => line.startsWith("|") && !/^[|\s:-]+$/.test(line)).map((line) =>
    line.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim().replaceAll("\\|", "|"))
  );

/** A heading has one message, or several with commas between; one with a backtick in it has two around it. */
const headings = (text: string): string[] =>
  [...text.matchAll(/^### (`.+`)$/gm)].flatMap(([, line = ""]) =>
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

Deno.test("the README's table of options is the one of OPTIONS", () => {
  assert.deepEqual(cellsOf(section("Options")), optionRows());
});

Deno.test("the README's commands use options that there are", () => {
  const calls = [
    ...readme.matchAll(/mongodb_cdc_cratedb\.ts (cdc-relay|db-workload|demo|completion)(.*)$/gm),
  ];
  assert.ok(calls.length > 0);
  for (const [call, command, rest = ""] of calls) {
    const known = OPTIONS[command as keyof typeof OPTIONS].map(({ flag }) => flag);
    for (const [, flag = ""] of rest.matchAll(/--([a-z-]+)/g)) assert.ok(known.includes(flag), call);
  }
});

Deno.test("each message under Troubleshooting is one that the program has", async () => {
  const code = (await sources(join(ROOT, "lib"))).join("\n");
  const messages = headings(section("Troubleshooting"));
  assert.ok(messages.length > 0);
  for (const message of messages) assert.ok(templateOf(message).test(code), message);
});

Deno.test("each failure that describe() knows is under Troubleshooting", async () => {
  const errors = await Deno.readTextFile(join(ROOT, "lib", "cli", "describe_error.ts"));
  const known = [...errors.matchAll(/message: (?:"(.+)"|`(.+?)\$\{.+`),$/gm)];
  assert.ok(known.length > 10);
  const messages = headings(section("Troubleshooting"));
  for (const [, whole = "", start = ""] of known) {
    assert.ok(messages.includes(whole || `${start}…`), whole || start);
  }
});

Deno.test("each error of the program is under Troubleshooting", async () => {
  const code = (await sources(join(ROOT, "lib"))).join("\n");
  const messages = headings(section("Troubleshooting"));
  const thrown = [
    ...code.matchAll(/new (?:UserError|TakenOverError)\(\s*(?:`((?:[^`\\]|\\.)+)`|"([^"]+)")/g),
  ];
  assert.ok(thrown.length > 10);
  for (const [, template = "", text = ""] of thrown) {
    const message = (template || text).replaceAll(/\$\{[^}]*\}/g, "…").replaceAll("\\`", "`");
    assert.ok(messages.includes(message), message);
  }
});
