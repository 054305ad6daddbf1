/** Each example of docs/tables.md prints what the page shows. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Db } from "mongodb";
import { parseYaml } from "../../lib/config/yaml_text.ts";
import { eventually } from "../../dev/servers/eventually.ts";
import { cratedbTest } from "../support/cratedb_harness.ts";
import { relayYaml } from "../support/relay_yaml.ts";

const PAGE = join(import.meta.dirname ?? "", "..", "..", "docs", "tables.md");

interface Block {
  readonly language: string;
  readonly text: string;
}

interface Example {
  readonly heading: string;
  readonly yaml: string;
  /** What a reader types, and what is printed. */
  readonly steps: readonly Block[];
}

async function examples(): Promise<readonly Example[]> {
  const [, text = ""] = (await Deno.readTextFile(PAGE)).split("\n## Examples\n");
  const [, ...sections] = (text.split("\n## ")[0] ?? "").split("\n### ");
  return sections.map((section) => {
    const blocks = section.matchAll(/^```(\w+)\n(.*?)^```$/gms);
    const [first, ...steps] = Array.from(blocks, ([, language = "", text = ""]) => ({ language, text }));
    assert.equal(first?.language, "yaml", section);
    return { heading: section.split("\n")[0] ?? "", yaml: first?.text ?? "", steps };
  });
}

/** Runs what is written for mongosh. */
async function inMongosh(code: string, database: Db): Promise<void> {
  const db = new Proxy(database, { get: (target, name) => target.collection(String(name)) });
  await new Function("db", `return ${code}`)(db);
}

/** @example IN: [{oid: "a", km: 4}] → OUT: oid | km\na | 4\n */
const printed = (rows: readonly Readonly<Record<string, unknown>>[]): string =>
  [Object.keys(rows[0] ?? {}), ...rows.map((row) => Object.values(row).map((each) => each ?? "NULL"))]
    .map((each) => `${each.join(" | ")}\n`).join("");

for (const { heading, yaml, steps } of await examples()) {
  cratedbTest(`the example prints what the page shows: ${heading}`, async (context) => {
    const { mongodb, database, schema, sql } = context;
    const [stream = {}] = Object.values((parseYaml(yaml).value as { streams: object }).streams);
    // A table is in the schema of this test instead of `shop`.
    const table = `${schema}.{collection}`;
    await using file = await relayYaml(context, { shop: { ...stream, database, table } });
    const relay = file.relay();
    await relay.waitForLine(/Ready/);
    let statement = "";
    for (const { language, text } of steps) {
      if (language === "js") await inMongosh(text, mongodb.db(database));
      if (language === "sql") statement = text.replaceAll("shop.", `"${schema}".`).replace(/;\n$/, "");
      if (language === "text") {
        await eventually(async () => assert.equal(printed(await sql(statement)), text));
      }
    }
    const { code, stdout } = await file.run("verify");
    assert.equal(code, 0, stdout);
  });
}

Deno.test("the page has five examples, each with SQL and what it prints", async () => {
  const found = await examples();
  assert.deepEqual(
    found.map(({ steps }) =>
      ["js", "sql", "text"].every((each) => steps.some(({ language }) => language === each))
    ),
    [true, true, true, true, true],
  );
});
