/** `deno task pack [FILE]`: builds the package for npm. Adds a command to the output of `deno pack`, and supports Node.js 22. */
import { dirname, join, normalize } from "node:path";
import deno from "../../deno.json" with { type: "json" };
import { INSTALLED_NAME } from "../../lib/util/runtime.ts";
import { STDOUT } from "../../lib/util/standard_streams.ts";
import { loadEsbuild } from "../deps.ts";

const ROOT = join(import.meta.dirname ?? "", "..", "..");
const ENTRIES = ["mongodb_cdc_cratedb.js", "lib/mod.js"];
/** Pages that the README links and `deno pack` omits. */
const PAGES = ["docs", "CONTRIBUTING.md", "SECURITY.md"];
/** `AsyncDisposableStack` and its symbols, which Node.js lacks before version 24. */
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
    const flags = ["--quiet", "--allow-dirty", "--no-source-maps", "--output", plain];
    await run(Deno.execPath(), ["pack", ...flags], ROOT);
    await run("tar", ["-xzf", plain], folder);
    const content = join(folder, "package");
    await run("cp", ["-R", ...PAGES, content], ROOT);
    for await (const path of filesBelow(content, ".js")) await lower(path);
    for await (const path of filesBelow(content, ".md")) await unlink(path);
    for (const entry of ENTRIES) await polyfill(join(content, entry));
    const manifest = await completeManifest(join(content, "package.json"));
    const { name, version } = manifest;
    const packed = file ?? join(ROOT, `${name.replace("@", "").replace("/", "-")}-${version}.tgz`);
    await run("tar", ["-czf", packed, "--owner=0", "--group=0", "package"], folder);
    return packed;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function* filesBelow(folder: string, ending: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) yield* filesBelow(path, ending);
    else if (name.endsWith(ending)) yield path;
  }
}

/** Rewrites a script without syntax that Node.js 22 lacks. */
async function lower(path: string): Promise<void> {
  const { transform } = await loadEsbuild();
  const { code } = await transform(await Deno.readTextFile(path), { target: "node22", format: "esm" });
  await Deno.writeTextFile(path, code);
}

/** Replaces links to files outside the package by their text. */
async function unlink(path: string): Promise<void> {
  const text = await Deno.readTextFile(path);
  const targets = [...text.matchAll(LINK)].map(([, , target = ""]) => target);
  const found = await Promise.all(targets.map((target) => exists(target, path)));
  const dead = targets.filter((_, at) => !found[at]);
  const plain = (link: string, label: string, target: string) => dead.includes(target) ? label : link;
  await Deno.writeTextFile(path, text.replace(LINK, plain));
}

/** Text and target. */
const LINK = /(?<!!)\[([^\]]+)\]\(([^)\s]+)\)/g;

async function exists(target: string, page: string): Promise<boolean> {
  if (/^(?:https?:|#)/.test(target)) return true;
  const [file = ""] = target.split("#");
  return await Deno.stat(normalize(join(dirname(page), file))).then(() => true, () => false);
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
    ...addresses(Deno.env.get("GITHUB_REPOSITORY")),
    engines: { node: ">=22" },
    dependencies: { ...pinned(manifest.dependencies), [POLYFILL.name]: POLYFILL.version },
  };
  await Deno.writeTextFile(path, `${JSON.stringify(complete, null, 2)}\n`);
  return complete;
}

/** Replaces version ranges by the tested versions. */
const pinned = (dependencies: Manifest["dependencies"]): Manifest["dependencies"] =>
  Object.fromEntries(
    Object.entries<string>(deno.imports)
      .filter(([name]) => name in dependencies)
      .map(([name, target]) => [name, target.slice(target.lastIndexOf("@") + 1)]),
  );

/**
 * Returns the addresses of the repository on GitHub, which a package with provenance needs.
 *
 * @example
 * IN: "owner/name" → OUT: {repository: {type: "git", url: "git+https://github.com/owner/name.git"}, homepage: …, bugs: …}
 */
export function addresses(repository: string | undefined): Readonly<Record<string, unknown>> {
  if (!repository) return {};
  const url = `https://github.com/${repository}`;
  return {
    repository: { type: "git", url: `git+${url}.git` },
    homepage: `${url}#readme`,
    bugs: { url: `${url}/issues` },
  };
}

async function run(command: string, args: readonly string[], cwd: string): Promise<void> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args: [...args], cwd }).output();
  if (success) return;
  const decoder = new TextDecoder();
  throw new Error(`${command} ${args.join(" ")}\n${decoder.decode(stdout)}${decoder.decode(stderr)}`);
}

if (import.meta.main) STDOUT.write(`${await pack(Deno.args[0])}\n`);
