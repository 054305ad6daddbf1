/** Runs the program with a standard output that is closed, like after head(1). */
import { join } from "node:path";

const SETTINGS = /^(?:MONGODB|CRATEDB|CDC)_/;
const PROGRAM = join(import.meta.dirname ?? "", "..", "..", "mongodb_cdc_cratedb.ts");

/** @returns the exit code */
export async function runUnread(args: readonly string[], env: Record<string, string>): Promise<number> {
  const inherited = Object.entries(Deno.env.toObject()).filter(([name]) => !SETTINGS.test(name));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--quiet", PROGRAM, ...args],
    clearEnv: true,
    env: { ...Object.fromEntries(inherited), ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    signal: AbortSignal.timeout(60_000),
  }).spawn();
  await child.stdout.cancel();
  return (await child.status).code;
}
