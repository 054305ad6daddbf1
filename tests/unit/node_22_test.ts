/**
 * What is in `lib/` runs under Node.js 22: it is type-checked with the part of the language that this version has, and
 * without Deno's own globals. The package adds `using` and `AsyncDisposableStack`.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import deno from "../../deno.json" with { type: "json" };

const ROOT = join(import.meta.dirname ?? "", "..", "..");

/** Iterator helpers, methods of sets and `Array.fromAsync` are the only ones of the newer parts that it has. */
const LIBRARIES = ["es2024", "es2025.iterator", "es2025.collection", "esnext.array", "esnext.disposable"];

/** Globals of Node.js 22 that Deno leaves out of the types of Node.js. */
const GLOBALS = `
declare var crypto: import("node:crypto").webcrypto.Crypto;
interface ImportMeta {
  resolve(specifier: string): string;
}
`;

async function check(
  folder: string,
  scripts: readonly string[],
): Promise<{ success: boolean; text: string }> {
  const globals = join(folder, "globals.d.ts");
  const config = join(folder, "deno.json");
  const { imports, unstable, nodeModulesDir, compilerOptions } = deno;
  const types = [...compilerOptions.types, globals];
  await Deno.writeTextFile(globals, GLOBALS);
  await Deno.writeTextFile(
    config,
    JSON.stringify({
      imports,
      unstable,
      nodeModulesDir,
      compilerOptions: { ...compilerOptions, types, lib: LIBRARIES },
    }),
  );
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["check", "--quiet", "--config", config, "--lock", join(ROOT, "deno.lock"), "--frozen", ...scripts],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  return { success, text: new TextDecoder().decode(stderr) };
}

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("the program and the library use what Node.js 22 has", () =>
  inFolder(async (folder) => {
    const { success, text } = await check(folder, [
      join(ROOT, "mongodb_cdc_cratedb.ts"),
      join(ROOT, deno.exports["."]),
    ]);
    assert.ok(success, text);
  }));

const NEWER: readonly (readonly [string, string])[] = [
  ["toHex", "new Uint8Array(1).toHex()"],
  ["fromBase64", 'Uint8Array.fromBase64("")'],
  ["try", "Promise.try(() => 1)"],
  ["escape", 'RegExp.escape("a")'],
  ["isError", "Error.isError(1)"],
  ["Deno", "Deno.version"],
];

Deno.test("what Node.js 22 lacks is found", () =>
  inFolder(async (folder) => {
    const script = join(folder, "newer.ts");
    await Deno.writeTextFile(
      script,
      NEWER.map(([, code], at) => `export const value${at}: unknown = ${code};\n`).join(""),
    );
    const { success, text } = await check(folder, [script]);
    assert.ok(!success);
    const found = [...text.matchAll(/(?:Property|name) '(\w+)'/g)].map(([, name]) => name);
    assert.deepEqual(found.slice().sort(), NEWER.map(([name]) => name).sort(), text);
  }));
