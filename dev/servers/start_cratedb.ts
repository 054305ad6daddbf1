import { parseSinkUrl } from "../../lib/sink/connection/url.ts";
import { eventually } from "./eventually.ts";
import { firstServer, named, type Server, type StartOptions } from "./first_server.ts";
import { queryCratedb } from "./query_cratedb.ts";
import { startContainer } from "./start_container.ts";

export interface Cratedb extends Server {
  /** `crate://localhost:4200` */
  readonly httpUrl: string;
  /** `postgresql://crate@localhost:5432/doc` */
  readonly wireUrl: string;
  /** Set if it runs in a container. */
  readonly containerId?: string;
}

export interface CratedbOptions extends StartOptions {
  /** PostgreSQL wire of a running server. @default $CRATEDB_URL */
  readonly wireUrl?: string | undefined;
  /** HTTP of a running server. @default $CRATEDB_SQLALCHEMY_URL, else port 4200 of the host in `wireUrl` */
  readonly httpUrl?: string | undefined;
  /** @default $CRATEDB_IMAGE, else crate:5.7 */
  readonly image?: string | undefined;
  /** Options of the Java VM in a container. @default {@linkcode QUICK} */
  readonly javaOptions?: string | undefined;
}

/** Compiles early and without full optimization: a quicker start, and faster during the first minutes. */
const QUICK = "-XX:TieredStopAtLevel=1";

/**
 * Returns the CrateDB that `CRATEDB_URL` names, or starts one in a container.
 *
 * @example
 * await using cratedb = await startCratedb();
 * IN: no CRATEDB_URL, Docker running
 * OUT: {httpUrl: "crate://localhost:32771", wireUrl: "postgresql://crate@localhost:32772/doc", description: "CrateDB: container crate:5.7 on …"}
 *
 * @throws {NoServerError} if none is available
 */
export function startCratedb(options: CratedbOptions = {}): Promise<Cratedb> {
  const { wireUrl = Deno.env.get("CRATEDB_URL"), httpUrl = Deno.env.get("CRATEDB_SQLALCHEMY_URL") } = options;
  return firstServer<Cratedb>("CrateDB", [
    () => {
      const server = named("CRATEDB_URL", { url: wireUrl ?? "" });
      return { ...server, wireUrl: server.url, httpUrl: httpUrl || httpOf(server.url) };
    },
    () => inContainer(options),
  ]);
}

/** Resolves when the server answers statements. */
export async function cratedbReady(httpUrl: string): Promise<void> {
  await eventually(() => queryCratedb(httpUrl, "SELECT 1"), { timeout: 90_000, interval: 100 });
}

function httpOf(wireUrl: string): string {
  const { host, user, password } = parseSinkUrl(wireUrl);
  const login = password ? `${encodeURIComponent(user)}:${encodeURIComponent(password)}@` : "";
  return `crate://${login}${host}`;
}

async function inContainer(options: CratedbOptions): Promise<Cratedb> {
  const { image = Deno.env.get("CRATEDB_IMAGE") || "crate:5.7", javaOptions = QUICK } = options;
  const container = await startContainer(image, {
    ...options,
    // Backups may be stored in `/tmp`.
    command: () => ["crate", "-Cdiscovery.type=single-node", "-Cpath.repo=/tmp"],
    data: "/data",
    environment: { CRATE_HEAP_SIZE: "1g", CRATE_JAVA_OPTS: javaOptions },
    ports: [4200, 5432],
    ready: ({ host, ports: [http] }) => cratedbReady(`crate://${host}:${http}`),
  });
  const { host, ports: [http, wire] } = container;
  return {
    httpUrl: `crate://${host}:${http}`,
    wireUrl: `postgresql://crate@${host}:${wire}/doc`,
    containerId: container.id,
    description: `container ${image} on ${host}:${http} and ${host}:${wire}`,
    [Symbol.asyncDispose]: container[Symbol.asyncDispose],
  };
}
