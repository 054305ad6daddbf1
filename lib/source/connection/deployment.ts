import type { MongoClient, ServerDescription } from "mongodb";
import { ConnectionString } from "mongodb-connection-string-url";
import type { LogFields } from "../../util/log.ts";
import type { CausalReader } from "./causal_reader.ts";
import { clientOf, closeMongodb, connectMongodb } from "./mongodb.ts";
import { directRoute, PinnedRoute, type Route } from "./route.ts";

/** The driver's types of servers that a cursor must stay on. */
const ROUTERS = ["Mongos", "LoadBalancer"];

export class Deployment implements AsyncDisposable {
  readonly #url: string;
  readonly #client: MongoClient;
  readonly #routers: () => readonly string[];
  readonly #pinned = new Set<MongoClient>();

  private constructor(url: string, client: MongoClient, routers: () => readonly string[]) {
    this.#url = url;
    this.#client = client;
    this.#routers = routers;
  }

  /** @throws UsageError for a URL that the driver refuses; MongoError when the servers cannot be reached */
  static async connect(url: string): Promise<Deployment> {
    let servers: readonly ServerDescription[] = [];
    const client = await connectMongodb(url, (client) => {
      client.on("topologyDescriptionChanged", ({ newDescription }) => {
        servers = [...newDescription.servers.values()];
      });
    });
    const routers = () => servers.filter(({ type }) => ROUTERS.includes(type)).map(({ address }) => address);
    return new Deployment(url, client, routers);
  }

  /** A new route, with a connection that no other route uses. */
  route(): Route {
    if (this.#routers().length === 0) return directRoute(this.#client);
    return new PinnedRoute({
      addresses: this.#routers,
      connect: (address) => this.#pin(address),
      close: (client) => void this.#unpin(client),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#client, ...this.#pinned].map(closeMongodb));
  }

  #pin(address: string): MongoClient {
    const authSource = this.#client.options.credentials?.source;
    const client = clientOf(pinnedUrl(this.#url, address, authSource), { maxPoolSize: 1, minPoolSize: 0 });
    this.#pinned.add(client);
    return client;
  }

  async #unpin(client: MongoClient): Promise<void> {
    await closeMongodb(client).catch(() => {}); // Its server may be down.
    this.#pinned.delete(client);
  }
}

/**
 * The URL of one server of a deployment. An SRV record may name the `authSource`.
 * @example
 * IN: mongodb+srv://u:p@shop.example.net/?w=1, a.example.net:27017, admin →
 * OUT: mongodb://u:p@a.example.net:27017/?w=1&tls=true&authSource=admin
 */
export function pinnedUrl(url: string, address: string, authSource?: string): string {
  const pinned = new ConnectionString(url);
  const parameters = pinned.searchParams;
  const has = (name: string) => [...parameters.keys()].some((key) => key.toLowerCase() === name);
  if (pinned.isSRV) {
    if (!has("tls") && !has("ssl")) parameters.set("tls", "true");
    for (const name of ["srvServiceName", "srvMaxHosts"]) parameters.delete(name);
    pinned.protocol = "mongodb:";
  }
  if (authSource !== undefined && !has("authsource")) parameters.set("authSource", authSource);
  pinned.hosts = [address];
  return pinned.href;
}

/** Describes the deployment for the log. Needs no privileges. */
export async function serverDescription(reader: Pick<CausalReader, "read">, url: string): Promise<LogFields> {
  const admin = (command: Record<string, 1>) =>
    reader.read((client, options) => client.db("admin").command(command, options));
  const [{ version }, { setName, msg }] = await Promise.all([admin({ buildInfo: 1 }), admin({ hello: 1 })]);
  return {
    address: new ConnectionString(url).hosts.join(","),
    version,
    replica_set: setName,
    sharded: msg === "isdbgrid" ? true : undefined,
  };
}
