/** How this program was called, for help and hints. */
import { basename, isAbsolute, relative } from "node:path";
import process from "node:process";
import { INSTALLED_NAME } from "../util/version.ts";

export interface Call {
  /** The running executable: Deno, Node.js, or this program if it was compiled. */
  readonly execPath: string;
  /** The entry script, an absolute path or a URL. */
  readonly script: string;
  /** The current folder. */
  readonly cwd: () => string;
}

const RUNTIME = /^(?:deno|node|nodejs|bun)(?:\.exe)?$/i;

/**
 * Returns the command that calls this program.
 *
 * @example
 * IN: {execPath: "/usr/bin/deno", script: "/src/relay/mongodb_cdc_cratedb.ts", cwd: () => "/src/relay"}
 * OUT: "deno run -A mongodb_cdc_cratedb.ts"
 * IN: {execPath: "/usr/bin/node", script: "/usr/lib/node_modules/@mongodb-cdc/cratedb/mongodb_cdc_cratedb.js", …}
 * OUT: "mongodb-cdc-cratedb"
 * IN: {execPath: "/opt/mongodb-cdc-cratedb-x86_64", …} → OUT: "mongodb-cdc-cratedb-x86_64"
 */
export function callOf({ execPath, script, cwd }: Call): string {
  const executable = basename(execPath);
  if (!RUNTIME.test(executable)) return executable;
  // A clone has TypeScript; the npm package has JavaScript and a command with this name.
  if (!script.endsWith(".ts") || basename(script, ".ts") === INSTALLED_NAME) return INSTALLED_NAME;
  const fromHere = isAbsolute(script) ? relative(cwd(), script) : script;
  return `deno run -A ${fromHere.startsWith("..") ? script : fromHere}`;
}

/** The command that called this program. */
export const CALL = callOf({
  execPath: process.execPath,
  script: process.argv[1] ?? "",
  cwd: process.cwd,
});
