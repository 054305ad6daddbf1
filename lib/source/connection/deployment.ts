import { type MongoClient, type MongoClientOptions, ReadPreference, type ServerDescription } from "mongodb";
import { ConnectionString } from "mongodb-connection-string-url";
import type { LogFields, Logger } from "../../util/log.ts";
import { CausalReader, type CausalReaderOptions } from "./causal_reader.ts";
import { clientOf, closeMongodb, connectMongodb } from "./mongodb.ts";
import { directRoute, isSecondaryAway, pinnedRoute, type Route } from "./route.ts";

/** The driver's types of servers that a cursor must stay on. */
const ROUTERS = ["Mongos", "LoadBalancer"];

export interface Deployment extends AsyncDisposable {
  /** A new route, with a connection that no other route uses: its disposal closes it. */
  route(): Route & Disposable;
  /**
   * A route to one secondary; to the primary if none answers in time. In a sharded cluster, to a mongos. Calls `onConnect`
   * with the address of each member.
   */
  secondaryRoute(onConnect: (address: string) => void): Promise<Route & Disposable>;
}

/** @throws UsageError for a URL that the driver refuses; MongoError when the servers cannot be reached */
export async function connectDeployment(url: string): Promise<Deployment> {
  let servers: readonly ServerDescription[] = [];
  const main = await connectMongodb(url, (client) => {
    client.on("topologyDescriptionChanged", ({ newDescription }) => {
      servers = [...newDescription.servers.values()];
    });
  });
  const addresses = () => servers.filter(({ type }) => ROUTERS.includes(type)).map(({ address }) => address);
  const pinned = new Set<MongoClient>();
  const connect = (address: string, options: Readonly<MongoClientOptions>): MongoClient => {
    const authSource = main.options.credentials?.source;
    const client = clientOf(pinnedUrl(url, address, authSource), { ...options, minPoolSize: 0 });
    pinned.add(client);
    return client;
  };
  const close = async (client: MongoClient): Promise<void> => {
    await closeMongodb(client).catch(() => {}); // Its server may be down.
    pinned.delete(client);
  };
  const members = (left?: string): readonly string[] => {
    const others = (kind: string) => servers.filter(({ type, address }) => type === kind && address !== left);
    const secondaries = others("RSSecondary");
    const nearest = Math.min(...secondaries.map(({ roundTripTime }) => roundTripTime));
    const near = secondaries.filter((each) => each.roundTripTime <= nearest + main.options.localThresholdMS);
    return (near.length > 0 ? near : others("RSPrimary")).map(({ address }) => address).sort().slice(0, 1);
  };
  const route = () =>
    addresses().length === 0
      ? directRoute(main)
      : pinnedRoute({ addresses, connect: (address) => connect(address, { maxPoolSize: 1 }), close });
  return {
    route,
    async secondaryRoute(onConnect) {
      if (addresses().length > 0 || main.options.directConnection) return route();
      // When the driver has found the primary, it may not know the secondaries yet.
      const hello = main.db("admin").command({ hello: 1 }, { readPreference: ReadPreference.secondary });
      await hello.catch(() => {}); // There may be none.
      if (members().length === 0) return route();
      return pinnedRoute({
        addresses: members,
        connect(address) {
          onConnect(address);
          return connect(address, { directConnection: true });
        },
        close,
        isToBeLeft: isSecondaryAway,
      });
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([main, ...pinned].map(closeMongodb));
    },
  };
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
  const address = new ConnectionString(url).hosts.join(",");
  return { address, version, replica_set: setName, sharded: msg === "isdbgrid" || undefined };
}

/**
 * Reads whole collections: like `reader`, or from a secondary and never older than what `reader` has read.
 * @example IN: a reader, {preference: "primary", …} → OUT: the same reader
 */
export async function openBulkReader(
  reader: CausalReader,
  { deployment, preference, log, closing, ...options }: CausalReaderOptions & {
    readonly deployment: Pick<Deployment, "secondaryRoute">;
    readonly preference: "primary" | "secondary";
    readonly log: Logger;
    /** Closes what is opened. */
    readonly closing: AsyncDisposableStack;
  },
): Promise<CausalReader> {
  if (preference === "primary") return reader;
  const onConnect = (server: string) => log.info("Reading whole collections from one member", { server });
  const route = closing.use(await options.shutdown.limit(deployment.secondaryRoute(onConnect)));
  const readPreference = ReadPreference.secondaryPreferred;
  return closing.use(new CausalReader(route, { ...options, readPreference, beside: reader }));
}
