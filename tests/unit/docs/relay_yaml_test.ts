/** Each `relay.yaml` of the documentation and of `deploy/` is one that the program reads. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { parseYaml } from "../../../lib/config/yaml_text.ts";
import { readRelayFile } from "../../../lib/config/relay_file.ts";

const ROOT = join(import.meta.dirname ?? "", "..", "..", "..");
const SECRET = await Deno.makeTempFile();
await Deno.writeTextFile(SECRET, "crate://db");
globalThis.addEventListener("unload", () => Deno.removeSync(SECRET));

async function* filesBelow(folder: string, ending: RegExp): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(join(ROOT, folder))) {
    if (isDirectory) yield* filesBelow(`${folder}/${name}`, ending);
    else if (ending.test(name)) yield `${folder}/${name}`;
  }
}

const isRelayFile = (text: string): boolean => /^version: 1$/m.test(text) && /^streams:/m.test(text);

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

/** All variables are set, and all files have a URL. */
const everything = (text: string) => ({
  text: text.replace(/\bfile: [^\s,}]+/g, `file: ${SECRET}`),
  env: Object.fromEntries([...text.matchAll(/\benv: (\w+)/g)].map(([, name = ""]) => [name, "crate://db"])),
});

Deno.test("the examples of relay.yaml in the documentation and deploy/ are right", async () => {
  for (const [path, example] of await examples()) {
    const { text, env } = everything(example);
    assert.doesNotThrow(() => readRelayFile(text, { path, env }), path);
  }
});

Deno.test("an example with a mistake would be found", () => {
  const { text, env } = everything(
    "version: 1\nmongodb: { url: { env: A } }\nstreams:\n  a: { file: /x, shard: 1 }\n",
  );
  assert.ok(isRelayFile(text));
  assert.throws(() => readRelayFile(text, { path: "x", env }), /Unknown key: shard\. Did you mean shards\?/);
});
