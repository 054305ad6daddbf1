/**
 * Makes the package for npm: what `deno pack` makes, with a command, and for Node.js 22, which lacks a part of the language.
 *
 *     deno task pack [FILE]
 */
import { join } from "node:path";
import { transform } from "esbuild";
import { INSTALLED_NAME } from "../../lib/cli/version.ts";
import { STDOUT } from "../../lib/util/standard_streams.ts";

const ROOT = join(import.meta.dirname ?? "", "..", "..");
const ENTRIES = ["mongodb_cdc_cratedb.js", "lib/mod.js"];
/** `AsyncDisposableStack` and its symbols, which Node.js has since version 24. */
const POLYFILL = {
  name: "core-js",
  version: "3.51.0",
  modules: ["async-disposable-stack", "disposable-stack"],
};

interface Manifest extends Record<string, unknown> {
  readonly name: string;
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
}

/** @returns the path of the package */
export async function pack(file?: string): Promise<string> {
  const folder = await Deno.makeTempDir();
  try {
    const plain = join(folder, "plain.tgz");
    await run(
      Deno.execPath(),
      ["pack", "--quiet", "--allow-dirty", "--no-source-maps", "--output", plain],
      ROOT,
    );
    await run("tar", ["-xzf", plain], folder);
    const content = join(folder, "package");
    for await (const path of scriptsBelow(content)) await lower(path);
    for (const entry of ENTRIES) await polyfill(join(content, entry));
    const manifest = await completeManifest(join(content, "package.json"));
    const packed = file ??
      join(ROOT, `${manifest.name.replace("@", "").replace("/", "-")}-${manifest.version}.tgz`);
    await run("tar", ["-czf", packed, "--owner=0", "--group=0", "package"], folder);
    return packed;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function* scriptsBelow(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) yield* scriptsBelow(path);
    else if (name.endsWith(".js")) yield path;
  }
}

/** Writes a script without the syntax that Node.js 22 does not know. */
async function lower(path: string): Promise<void> {
  const { code } = await transform(await Deno.readTextFile(path), { target: "node22", format: "esm" });
  await Deno.writeTextFile(path, code);
}

async function polyfill(path: string): Promise<void> {
  const [first = "", ...rest] = (await Deno.readTextFile(path)).split("\n");
  const imports = POLYFILL.modules.map((name) => `import "${POLYFILL.name}/actual/${name}/index.js";`);
  const lines = first.startsWith("#!") ? [first, ...imports, ...rest] : [...imports, first, ...rest];
  await Deno.writeTextFile(path, lines.join("\n"));
}

async function completeManifest(path: string): Promise<Manifest> {
  const manifest: Manifest = JSON.parse(await Deno.readTextFile(path));
  const complete = {
    ...manifest,
    description: "Keeps CrateDB tables identical to MongoDB collections: a snapshot, then the change stream",
    bin: { [INSTALLED_NAME]: `./${ENTRIES[0]}` },
    engines: { node: ">=22" },
    dependencies: { ...manifest.dependencies, [POLYFILL.name]: POLYFILL.version },
  };
  await Deno.writeTextFile(path, `${JSON.stringify(complete, null, 2)}\n`);
  return complete;
}

async function run(command: string, args: readonly string[], cwd: string): Promise<void> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args: [...args], cwd }).output();
  if (success) return;
  const decoder = new TextDecoder();
  throw new Error(`${command} ${args.join(" ")}\n${decoder.decode(stdout)}${decoder.decode(stderr)}`);
}

if (import.meta.main) STDOUT.write(`${await pack(Deno.args[0])}\n`);
