import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Cratedb } from "../../dev/servers/start_cratedb.ts";
import type { Mongodb } from "../../dev/servers/start_mongodb.ts";
import type { Postgresql } from "../../dev/servers/start_postgresql.ts";
import { STDERR } from "../../lib/util/standard_streams.ts";
import { lines } from "../../dev/process/lines.ts";

interface Servers {
  readonly mongodb: Mongodb;
  readonly cratedb: Cratedb;
  readonly postgresql: Postgresql;
}

export interface Shared<Server> {
  /** The server, or why none is available. */
  readonly description: string;
  readonly server?: Omit<Server, typeof Symbol.asyncDispose>;
}

/**
 * The one server of this run of `deno test`. It is stopped when the run ends, however it ends.
 *
 * Test files share no modules but run in one process, as threads of it with `--parallel`. So the first file that needs a
 * server starts it and saves its address in the environment; a lock file keeps the others waiting until then.
 *
 * @throws {Error} when a server is available but does not start
 */
export async function sharedServer<Name extends keyof Servers>(name: Name): Promise<Shared<Servers[Name]>> {
  const variable = `TEST_SERVER_${name.toUpperCase()}_${Deno.pid}`;
  const known = () => {
    const found = Deno.env.get(variable);
    return found === undefined ? undefined : JSON.parse(found) as Shared<Servers[Name]>;
  };
  const path = join(tmpdir(), `${variable}.lock`);
  using file = await Deno.open(path, { create: true, write: true });
  await file.lock(true);
  const shared = known() ?? await startHost(name);
  Deno.env.set(variable, JSON.stringify(shared));
  // Those that wait for this file find the variable; later ones lock a new file and find it too.
  await Deno.remove(path).catch(() => {});
  return shared;
}

async function startHost<Name extends keyof Servers>(name: Name): Promise<Shared<Servers[Name]>> {
  const host = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-all",
      "--quiet",
      join(import.meta.dirname ?? "", "server_host.ts"),
      name,
      `${Deno.pid}`,
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    detached: true,
  }).spawn();
  host.unref();
  const { value: line } = await lines(host.stdout).next();
  const { error, ...shared } = JSON.parse(
    line ?? `{"error":"The host of the ${name} server ended without a word"}`,
  );
  if (error) throw new Error(error);
  const note = shared.server ? "" : "; the tests that need it are ignored (start Docker, or set its URL)";
  STDERR.write(`${shared.description}${note}\n`);
  return shared;
}
