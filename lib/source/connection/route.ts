/**
 * The server that commands are sent to, and a causal session with it. A cursor exists only on the server that opened
 * it, but the driver selects a server for each command. In a replica set that is always the primary. In a sharded
 * cluster it may be any mongos, even behind one host name, so each route keeps one connection to one mongos while it works.
 */
import type { ClientSession, ClusterTime, MongoClient, Timestamp } from "mongodb";
import { hasCode, isConnectionLost, MongodbCode, RouterLeftError } from "./mongodb_errors.ts";

export interface Route {
  readonly client: MongoClient;
  /** Switches to another server if the error means that this one is down. */
  failed(client: MongoClient, error: unknown): void;
}

export const directRoute = (client: MongoClient): Route => ({ client, failed: () => {} });

export interface Servers {
  readonly addresses: () => readonly string[];
  /** Makes a client with one connection. */
  readonly connect: (address: string) => MongoClient;
  readonly close: (client: MongoClient) => void;
}

/** Pins one mongos; fails over when it goes down. */
export class PinnedRoute implements Route {
  readonly #servers: Servers;
  #client: MongoClient | undefined;
  #address: string;

  constructor(servers: Servers) {
    this.#servers = servers;
    this.#address = oneOf(servers.addresses()) ?? "";
  }

  get client(): MongoClient {
    return this.#client ??= this.#servers.connect(this.#address);
  }

  failed(client: MongoClient, error: unknown): void {
    if (client !== this.#client || !isServerDown(error)) return;
    const next = oneOf(this.#servers.addresses().filter((each) => each !== this.#address));
    if (next === undefined) return;
    this.#client = undefined;
    this.#address = next;
    this.#servers.close(client);
  }
}

/** Random, so that relays spread over the servers. */
const oneOf = <T>(values: readonly T[]): T | undefined => values[Math.floor(Math.random() * values.length)];

const isServerDown = (error: unknown): boolean =>
  isConnectionLost(error) ||
  hasCode(error, MongodbCode.ShutdownInProgress, MongodbCode.InterruptedAtShutdown);

/** The logical time of the deployment, as servers exchange it. */
export interface TimeOfCluster {
  readonly operationTime?: Timestamp | undefined;
  /** Signed by the deployment: a server that is behind advances its clock to it. */
  readonly clusterTime?: ClusterTime | undefined;
}

/** A causal session that survives the failover of its route. */
export class RoutedSession implements AsyncDisposable {
  readonly #route: Route;
  #client: MongoClient;
  #session: ClientSession;

  constructor(route: Route) {
    this.#route = route;
    this.#client = route.client;
    this.#session = startSession(route.client);
  }

  /** The client for the next command, and the session in it. */
  current(): { readonly client: MongoClient; readonly session: ClientSession } {
    const { client } = this.#route;
    if (client !== this.#client) {
      const before = this.#session;
      this.#session = startSession(client, before);
      this.#client = client;
      before.endSession().catch(() => {}); // Its server is down.
    }
    return { client, session: this.#session };
  }

  get operationTime(): Timestamp | undefined {
    return this.#session.operationTime;
  }

  /** Later reads return nothing older than this time. */
  after(time: TimeOfCluster): void {
    advance(this.#session, time);
  }

  /** The error, or RouterLeftError if the route has switched to another server. */
  failed(client: MongoClient, error: unknown): unknown {
    this.#route.failed(client, error);
    return client === this.#route.client ? error : new RouterLeftError(error);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#session.endSession();
  }
}

function startSession(client: MongoClient, before?: ClientSession): ClientSession {
  const session = client.startSession({ causalConsistency: true });
  if (before) advance(session, before);
  return session;
}

function advance(session: ClientSession, { operationTime, clusterTime }: TimeOfCluster): void {
  // Some services do not sign their time, and the driver refuses an unsigned one.
  if (clusterTime?.signature) session.advanceClusterTime(clusterTime);
  if (operationTime) session.advanceOperationTime(operationTime);
}
