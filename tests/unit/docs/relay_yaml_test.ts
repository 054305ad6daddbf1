/** Each `relay.yaml` of the documentation and of `deploy/` is one that the program reads. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { checkFile } from "../../../lib/cli/run_config.ts";
import { parseYaml } from "../../../lib/config/yaml_text.ts";

const ROOT = join(import.meta.dirname ?? "", "..", "..", "..");
const SECRET = await Deno.makeTempFile();
await Deno.writeTextFile(SECRET, "crate://db");
const SOURCE = await Deno.makeTempFile();
await Deno.writeTextFile(SOURCE, "mongodb://db");
globalThis.addEventListener("unload", () => [SECRET, SOURCE].forEach((each) => Deno.removeSync(each)));

async function* filesBelow(folder: string, ending: RegExp): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(join(ROOT, folder))) {
    if (isDirectory) yield* filesBelow(`${folder}/${name}`, ending);
    else if (ending.test(name)) yield `${folder}/${name}`;
  }
}

const isRelayFile = (text: string): boolean => /^version: 1$/m.test(text);

const EXAMPLES = [
  "docs/configuration.md",
  "docs/tables.md",
  "docs/atlas-to-cratedb-cloud.md",
  "deploy/relay/relay.yaml",
  "deploy/kubernetes/base/relay.yaml",
  "deploy/kubernetes/helm/values.yaml",
];

/** Texts that other files contain, such as a ConfigMap. */
function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return value !== null && typeof value === "object" ? Object.values(value).flatMap(textsIn) : [];
}

async function examples(): Promise<(readonly [name: string, text: string])[]> {
  const found: (readonly [string, string])[] = [];
  for (const page of ["README.md", ...await Array.fromAsync(filesBelow("docs", /\.md$/))]) {
    const text = await Deno.readTextFile(join(ROOT, page));
    for (const [, block = ""] of text.matchAll(/^```ya?ml\n(.*?)^```$/gms)) found.push([page, block]);
  }
  for await (const path of filesBelow("deploy", /\.ya?ml$/)) {
    const text = await Deno.readTextFile(join(ROOT, path));
    found.push([path, text], ...textsIn(parseYaml(text).value).map((each) => [path, each] as const));
  }
  return found.filter(([, text]) => isRelayFile(text));
}

/** Runs `config check`: all variables are set, and all files have a URL. */
async function check(example: string): Promise<{ code: number; printed: string[] }> {
  const path = await Deno.makeTempFile({ suffix: ".yaml" });
  const withFiles = example.replace(
    /(mongodb: { url: { )?\bfile: [^\s,}]+/g,
    (_, start: string | undefined) => start ? `${start}file: ${SOURCE}` : `file: ${SECRET}`,
  );
  await Deno.writeTextFile(path, withFiles);
  const variables = example.matchAll(/\benv: (\w+)/g);
  const env = Object.fromEntries(
    Array.from(
      variables,
      ([, name = ""]) => [name, name.startsWith("CRATEDB") ? "crate://db" : "mongodb://db"],
    ),
  );
  const printed: string[] = [];
  const code = checkFile({ flags: { config: path }, env }, { print: (text) => printed.push(text) > 0 });
  await Deno.remove(path);
  return { code, printed };
}

Deno.test("config check accepts each relay.yaml of the documentation and deploy/, without a warning", async () => {
  const found = await examples();
  for (const [path, example] of found) {
    const { code, printed } = await check(example);
    assert.ok(code === 0 && printed.length === 1, [path, ...printed].join("\n"));
  }
  const paths = found.map(([path]) => path);
  for (const path of EXAMPLES) assert.ok(paths.includes(path), path);
});

Deno.test("docs/tables.md shows what config check prints", async () => {
  const page = await Deno.readTextFile(join(ROOT, "docs/tables.md"));
  const [, example = ""] = /^```yaml\n(.*?)^```$/ms.exec(page) ?? [];
  const { printed } = await check(example.replace(/^ +partitionBy.*\n/m, ""));
  const [, shown] = /^```text\nrelay\.yaml(:6:.*)$/m.exec(page) ?? [];
  assert.deepEqual(printed.map((line) => line.replace(/^.*\.yaml/, "")), [shown]);
});

Deno.test("an example with a mistake would be found", async () => {
  const example = "version: 1\nmongodb: { url: { env: A } }\nstreams:\n  a: { shard: 1 }\n";
  assert.ok(isRelayFile(example));
  const { code, printed } = await check(example);
  assert.equal(code, 2);
  assert.match(printed.join("\n"), /:4:8: Unknown key: shard\. Did you mean shards\?$/);
});
