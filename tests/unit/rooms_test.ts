/** Which folder may import which: the table of `docs/architecture.md`. */
import assert from "node:assert/strict";
import { dirname, join, normalize, relative } from "node:path";
import deno from "../../deno.json" with { type: "json" };

const ROOT = join(import.meta.dirname ?? "", "..", "..");

const GROUND = ["lib/util", "lib/bson", "lib/key"];
const SOURCE = ["lib/source/connection", "lib/source/documents", "lib/source/stream"];
const SINK = [
  "lib/sink/sql",
  "lib/sink/connection",
  "lib/sink/table",
  "lib/sink/metadata",
  "lib/sink/columns",
];
const BELOW_PIPELINE = [...GROUND, "lib/mapping", ...SOURCE, ...SINK];
const PIPELINE = [
  "lib/pipeline/settings.ts",
  "lib/pipeline/memory_budget.ts",
  "lib/pipeline/collections/collection_state.ts",
  "lib/pipeline/status",
  "lib/pipeline/collections",
  "lib/pipeline/snapshot",
  "lib/pipeline/loop",
  "lib/pipeline/control",
];
const RELAY = [...BELOW_PIPELINE, ...PIPELINE, "lib/relay"];
const COMMANDS = ["lib/monitor", "lib/plan", "lib/workload", "lib/status", "lib/verify"];

/** Of a list in order, what each one may import: the ones before it, and what is below all of them. */
const inOrder = (rooms: readonly string[], below: readonly string[]): Record<string, readonly string[]> =>
  Object.fromEntries(rooms.map((room, at) => [room, [...below, ...rooms.slice(0, at)]]));

/** What a folder may import beside itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  ...inOrder(GROUND, []),
  "lib/mapping": GROUND,
  ...inOrder(SOURCE, GROUND),
  ...inOrder(SINK, [...GROUND, "lib/mapping"]),
  ...inOrder(PIPELINE, BELOW_PIPELINE),
  "lib/pipeline/workers": [...BELOW_PIPELINE, ...PIPELINE],
  "lib/relay": [...BELOW_PIPELINE, ...PIPELINE, "lib/pipeline/workers"],
  "lib/monitor": RELAY,
  "lib/plan": RELAY,
  "lib/workload": RELAY,
  "lib/status": RELAY,
  "lib/verify": RELAY,
  "lib/config": [...RELAY, ...COMMANDS],
  "lib/cli": [...RELAY, ...COMMANDS, "lib/config"],
  dev: [...RELAY, ...COMMANDS, "lib/config", "lib/cli", "lib/mod.ts"],
  "lib/mod.ts": [...RELAY, ...COMMANDS, "lib/config"],
  "mongodb_cdc_cratedb.ts": ["lib/cli", "lib/util"],
};

interface Import {
  readonly from: string;
  readonly to: string;
  /** Whether `to` is a file of this repository. */
  readonly isFile: boolean;
}

async function filesBelow(folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(ROOT, folder))) {
    const path = `${folder}/${name}`;
    if (isDirectory) files.push(...await filesBelow(path));
    else if (name.endsWith(".ts")) files.push(path);
  }
  return files;
}

const IMPORT =
  /(?:^|\n)(?:import|export)\s[^;]*?from\s*"([^"]+)"|(?:^|\n)import\s+"([^"]+)"|\bimport\("([^"]+)"\)/g;

async function importsOf(file: string): Promise<Import[]> {
  const code = await Deno.readTextFile(join(ROOT, file));
  return [...code.matchAll(IMPORT)].map(([, from, bare, dynamic]) => {
    const target = from ?? bare ?? dynamic ?? "";
    const isFile = target.startsWith(".");
    return { from: file, to: isFile ? normalize(join(dirname(file), target)) : target, isFile };
  });
}

const files = [...await filesBelow("lib"), ...await filesBelow("dev"), "mongodb_cdc_cratedb.ts"];
const imports = (await Promise.all(files.map(importsOf))).flat();

const roomOf = (file: string): string => {
  const room = Object.keys(MAY_IMPORT).find((each) => file === each || file.startsWith(`${each}/`));
  assert.ok(room, `${file} is in no room of the table`);
  return room;
};

Deno.test("imports point the way that the table of rooms says", () => {
  const wrong = imports.filter(({ from, to, isFile }) => {
    if (!isFile || to.endsWith(".json")) return false;
    const room = roomOf(from);
    return roomOf(to) !== room && !MAY_IMPORT[room]?.includes(roomOf(to));
  });
  assert.deepEqual(wrong.map(({ from, to }) => `${from} → ${to}`), []);
});

Deno.test("imports go in no circle", () => {
  const next = Map.groupBy(imports.filter(({ isFile }) => isFile), ({ from }) => from);
  const done = new Set<string>();
  const path: string[] = [];
  const circles: string[] = [];
  const visit = (file: string): void => {
    const at = path.indexOf(file);
    if (at >= 0) circles.push([...path.slice(at), file].join(" → "));
    if (at >= 0 || done.has(file)) return;
    path.push(file);
    for (const { to } of next.get(file) ?? []) visit(to);
    path.pop();
    done.add(file);
  };
  files.forEach(visit);
  assert.deepEqual(circles, []);
});

Deno.test("the import map has the packages of the relay and no others", () => {
  const packages = imports.filter(({ from, to, isFile }) =>
    !from.startsWith("dev/") && !isFile && !to.startsWith("node:")
  );
  assert.deepEqual([...new Set(packages.map(({ to }) => to))].sort(), Object.keys(deno.imports).sort());
});

/** Imports of values, which load a module. */
const LOADED = /(?:^|\n)(?:import|export)\s+(?!type\b)([^;]*?)\s*from\s*"([^"]+)"/g;

async function loadedBy(file: string, found = new Set<string>()): Promise<Set<string>> {
  found.add(file);
  if (!file.endsWith(".ts")) return found;
  for (const [, names = "", to = ""] of (await Deno.readTextFile(join(ROOT, file))).matchAll(LOADED)) {
    const isOfTypes = names.replace(/[{}]/g, "").split(",").every((name) => /^\s*(?:type\s.*)?$/s.test(name));
    const target = to.startsWith(".") ? normalize(join(dirname(file), to)) : to;
    if (!isOfTypes && !found.has(target)) await loadedBy(target, found);
  }
  return found;
}

Deno.test("help and config check are fast: they do not load the MongoDB driver, and help no YAML", async () => {
  const [help, check] = await Promise.all(
    ["lib/cli/main.ts", "lib/cli/run_config.ts"].map((each) => loadedBy(each)),
  );
  const slow = (loaded: ReadonlySet<string> = new Set()) =>
    ["mongodb", "mongodb-connection-string-url", "postgres", "yaml", "valibot"].filter((each) =>
      loaded.has(each)
    );
  assert.deepEqual([slow(help), slow(check)], [[], ["yaml", "valibot"]]);
});

Deno.test("the relay does not import the development servers", () => {
  const loaded = imports.filter(({ from, to }) => !from.startsWith("dev/") && to.startsWith("dev/"));
  assert.deepEqual(loaded, []);
});

Deno.test("each unit test is in the folder of what it tests", async () => {
  const tests = await filesBelow("tests/unit");
  const homeless = tests.map((test) => relative("tests/unit", dirname(test)))
    .filter((folder) =>
      !["", "support"].includes(folder) &&
      !files.some((file) => [`lib/${folder}`, `dev/${folder}`].includes(dirname(file)))
    );
  assert.deepEqual(homeless, []);
});
