/** How this program was called, for help and hints. */
import { basename, isAbsolute, relative } from "node:path";
import process from "node:process";
import { INSTALLED_NAME } from "../util/version.ts";

const RUNTIME = /^(?:deno|node|nodejs|bun)(?:\.exe)?$/i;

/**
 * Returns the command that calls this program. The script is an absolute path or a URL.
 *
 * @example
 * IN: {execPath: "/usr/bin/deno", cwd: () => "/src/relay"}, "/src/relay/mongodb_cdc_cratedb.ts"
 * OUT: "deno run -A mongodb_cdc_cratedb.ts"
 * IN: {execPath: "/opt/mongodb-cdc-cratedb-x86_64", …} → OUT: "mongodb-cdc-cratedb-x86_64"
 */
export function callOf(
  { execPath, cwd }: Pick<typeof process, "execPath" | "cwd">,
  script: string,
): string {
  const executable = basename(execPath);
  if (!RUNTIME.test(executable)) return executable;
  // A clone has TypeScript; the npm package has JavaScript and a command with this name.
  if (!script.endsWith(".ts") || basename(script, ".ts") === INSTALLED_NAME) return INSTALLED_NAME;
  const fromHere = isAbsolute(script) ? relative(cwd(), script) : script;
  return `deno run -A ${fromHere.startsWith("..") ? script : fromHere}`;
}

/** The command that called this program. */
export const CALL = callOf(process, process.argv[1] ?? "");
