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
  /** What the server is, or why there is none. */
  readonly description: string;
  readonly server?: Omit<Server, typeof Symbol.asyncDispose>;
}

/**
 * The one server of this run of `deno test`. It is stopped when the run is over, however it ended.
 *
 * Test files share no modules, but they share the process, and so its environment: the first file that needs a server starts it
 * and leaves its whereabouts there.
 *
 * @throws {Error} when a server is to be had but does not start
 */
export async function sharedServer<Name extends keyof Servers>(name: Name): Promise<Shared<Servers[Name]>> {
  const known = Deno.env.get(variable(name));
  if (known) return JSON.parse(known);
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
  Deno.env.set(variable(name), JSON.stringify(shared));
  const note = shared.server ? "" : "; the tests that need it are ignored (start Docker, or set its URL)";
  STDERR.write(`${shared.description}${note}\n`);
  return shared;
}

const variable = (name: keyof Servers): string => `TEST_SERVER_${name.toUpperCase()}_${Deno.pid}`;
