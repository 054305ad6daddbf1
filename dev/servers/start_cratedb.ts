import { maskUrl } from "../../lib/util/mask_url.ts";
import { parseSinkUrl } from "../../lib/sink/connection/url.ts";
import { eventually } from "./eventually.ts";
import { firstServer, type Server } from "./first_server.ts";
import { NoServerError } from "./no_server_error.ts";
import { queryCratedb } from "./query_cratedb.ts";
import { startContainer } from "./start_container.ts";

export interface Cratedb extends Server {
  /** `crate://localhost:4200` */
  readonly httpUrl: string;
  /** `postgresql://crate@localhost:5432/doc` */
  readonly wireUrl: string;
  /** When it runs in a container. */
  readonly containerId?: string;
}

export interface CratedbOptions {
  /** PostgreSQL wire of a server that runs already. @default $CRATEDB_URL */
  readonly wireUrl?: string | undefined;
  /** HTTP of a server that runs already. @default $CRATEDB_SQLALCHEMY_URL, else port 4200 of the host in `wireUrl` */
  readonly httpUrl?: string | undefined;
  /** @default $CRATEDB_IMAGE, else crate:5.7 */
  readonly image?: string | undefined;
  /** Of the Java VM in a container. @default {@linkcode QUICK} */
  readonly javaOptions?: string | undefined;
  /** How long a pull of the image may take, in milliseconds. @default 300_000 */
  readonly pullTimeout?: number | undefined;
}

/** Compiles at once and not to the end: a server is up sooner, and faster for its first minutes. */
const QUICK = "-XX:TieredStopAtLevel=1";

/**
 * A CrateDB that answers: the one named by a URL, else in a container.
 *
 * @example
 * await using cratedb = await startCratedb();
 * IN: no CRATEDB_URL, Docker running
 * OUT: {httpUrl: "crate://localhost:32771", wireUrl: "postgresql://crate@localhost:32772/doc", description: "CrateDB: container crate:5.7 on …"}
 *
 * @throws {NoServerError} when there is none to be had
 */
export function startCratedb(options: CratedbOptions = {}): Promise<Cratedb> {
  const {
    wireUrl = Deno.env.get("CRATEDB_URL"),
    httpUrl = Deno.env.get("CRATEDB_SQLALCHEMY_URL"),
    image = Deno.env.get("CRATEDB_IMAGE") || "crate:5.7",
    javaOptions = QUICK,
    pullTimeout,
  } = options;
  return firstServer("CrateDB", [
    () => named(wireUrl, httpUrl),
    () => inContainer(image, { javaOptions, pullTimeout }),
  ]);
}

/** Resolves when the server answers statements. */
export async function cratedbReady(httpUrl: string): Promise<void> {
  await eventually(() => queryCratedb(httpUrl, "SELECT 1"), { timeout: 90_000, interval: 100 });
}

function named(wireUrl: string | undefined, httpUrl: string | undefined): Cratedb {
  if (!wireUrl) throw new NoServerError("CRATEDB_URL is not set");
  const { host, user, password } = parseSinkUrl(wireUrl);
  const login = password ? `${encodeURIComponent(user)}:${encodeURIComponent(password)}@` : "";
  return {
    wireUrl,
    httpUrl: httpUrl || `crate://${login}${host}`,
    description: `${maskUrl(wireUrl)}, as CRATEDB_URL says`,
    async [Symbol.asyncDispose]() {},
  };
}

async function inContainer(
  image: string,
  { javaOptions, pullTimeout }: { javaOptions: string; pullTimeout: number | undefined },
): Promise<Cratedb> {
  const container = await startContainer(image, {
    // Snapshots may be kept in `/tmp`.
    command: () => ["crate", "-Cdiscovery.type=single-node", "-Cpath.repo=/tmp"],
    environment: { CRATE_HEAP_SIZE: "1g", CRATE_JAVA_OPTS: javaOptions },
    ports: [4200, 5432],
    pullTimeout,
  });
  const { host, ports: [http, wire] } = container;
  const httpUrl = `crate://${host}:${http}`;
  try {
    await cratedbReady(httpUrl);
  } catch (error) {
    await container[Symbol.asyncDispose]();
    throw error;
  }
  return {
    httpUrl,
    wireUrl: `postgresql://crate@${host}:${wire}/doc`,
    containerId: container.id,
    description: `container ${image} on ${host}:${http} and ${host}:${wire}`,
    [Symbol.asyncDispose]: container[Symbol.asyncDispose],
  };
}
