/** A PostgreSQL of this machine's packages, with data of its own. */
import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { parseSinkUrl } from "../../lib/sink/connection/url.ts";
import { WireTransport } from "../../lib/sink/connection/wire.ts";
import { eventually } from "./eventually.ts";
import { freePort } from "./free_port.ts";
import { NoServerError } from "./no_server_error.ts";

export interface InstalledPostgresql extends AsyncDisposable {
  readonly url: string;
}

/** Where Debian keeps the programs, which are not on the `PATH`: a folder a version. */
const DEBIAN = "/usr/lib/postgresql";
const OLDEST = 14;

/** Every test has connections of its own. */
const MOST_CONNECTIONS = 300;

/** PostgreSQL refuses to run as root. */
const NOBODY = { uid: 65534, gid: 65534 } as const;

/** The folder of the newest `postgres` and `initdb`, on the `PATH` or where Debian has them. */
export function installedPostgresql(): string | undefined {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).map(Number).filter((each) => each >= OLDEST) : [];
  const folders = [
    ...(Deno.env.get("PATH") ?? "").split(delimiter),
    ...versions.sort((one, other) => other - one).map((version) => join(DEBIAN, `${version}`, "bin")),
  ];
  return folders.find((folder) =>
    ["initdb", "postgres"].every((program) => existsSync(join(folder, program)))
  );
}

/**
 * Starts it with new data, that are gone when it is stopped.
 *
 * @throws {NoServerError} when the programs refuse
 */
export async function startInstalledPostgresql(folder: string): Promise<InstalledPostgresql> {
  const root = await Deno.makeTempDir({ prefix: "postgresql-" });
  const data = join(root, "data");
  const isRoot = Deno.uid() === 0;
  if (isRoot) await Deno.chown(root, NOBODY.uid, NOBODY.gid);
  const command = (program: string, args: readonly string[]) =>
    new Deno.Command(join(folder, program), {
      args: [...args],
      cwd: root,
      stdin: "null",
      stdout: "null",
      stderr: "null",
      ...isRoot && NOBODY,
    });
  const initialise = ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
  const { success } = await command("initdb", initialise).output();
  if (!success) {
    await Deno.remove(root, { recursive: true });
    throw new NoServerError(`${join(folder, "initdb")} failed`);
  }
  const port = freePort();
  const listen = ["-h", "127.0.0.1", "-p", `${port}`, "-k", root];
  const server = command("postgres", ["-D", data, ...listen, "-F", "-N", `${MOST_CONNECTIONS}`]).spawn();
  const stop = async () => {
    server.kill("SIGINT");
    await server.status;
    await Deno.remove(root, { recursive: true });
  };
  const url = `postgresql://postgres@127.0.0.1:${port}/postgres`;
  try {
    await eventually(async () => await (await WireTransport.open(parseSinkUrl(url)))[Symbol.asyncDispose]());
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, [Symbol.asyncDispose]: stop };
}
