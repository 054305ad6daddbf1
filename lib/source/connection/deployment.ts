/** The connections to a deployment: a replica set or a sharded cluster. */
import type { MongoClient, ServerDescription } from "mongodb";
import { ConnectionString } from "mongodb-connection-string-url";
import { clientOf, closeMongodb, connectMongodb } from "./mongodb.ts";
import { directRoute, PinnedRoute, type Route } from "./route.ts";

/** Types of servers, as the driver names them, that cursors stay with. */
const ROUTERS = ["Mongos", "LoadBalancer"];

export class Deployment implements AsyncDisposable {
  readonly #url: string;
  readonly #client: MongoClient;
  /** Addresses of the servers that cursors stay with and that answer; none in a replica set. */
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

  /** A route of its own for whoever needs one. */
  route(): Route {
    return this.#routers().length > 0
      ? new PinnedRoute(this.#routers, {
        connect: (address) => this.#pin(address),
        close: (client) => void this.#unpin(client),
      })
      : directRoute(this.#client);
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
 * The URL of one of the servers that a URL stands for.
 *
 * @param authSource what the DNS may have said about an SRV URL
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
