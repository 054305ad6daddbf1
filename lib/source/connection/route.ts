/**
 * The server that commands are sent to, and a causal session with it. A cursor exists only on the server that opened
 * it, but the driver selects a server for each command. In a replica set that is always the primary, unless secondaries
 * are wanted. In a sharded cluster it may be any mongos, even behind one host name. So each route keeps to one mongos, by
 * one connection, or to one secondary, while it works.
 */
import type { ClientSession, ClusterTime, MongoClient, Timestamp } from "mongodb";
import { hasCode, isConnectionLost, MongodbCode, RouterLeftError } from "./mongodb_errors.ts";

export interface Route {
  readonly client: MongoClient;
  /** Switches to another server if the error means that this one is down. */
  failed(client: MongoClient, error: unknown): void;
}

/** Its disposal leaves the client open for others. */
export const directRoute = (client: MongoClient): Route & Disposable => ({
  client,
  failed: () => {},
  [Symbol.dispose]() {},
});

export interface Servers {
  /** The servers to choose from, after `left` was left. */
  readonly addresses: (left?: string) => readonly string[];
  /** Makes a client of this server alone. */
  readonly connect: (address: string) => MongoClient;
  readonly close: (client: MongoClient) => void;
  /** @default {whether the error means that the server is down} */
  readonly isToBeLeft?: (error: unknown) => boolean;
}

/** Pins one server; fails over when it goes down. */
export function pinnedRoute(
  { addresses, connect, close, isToBeLeft = isServerDown }: Servers,
): Route & Disposable {
  let address = oneOf(addresses()) ?? "";
  let client: MongoClient | undefined;
  return {
    get client() {
      return client ??= connect(address);
    },
    failed(failed, error) {
      if (failed !== client || !isToBeLeft(error)) return;
      const next = oneOf(addresses(address).filter((each) => each !== address));
      if (next === undefined) return;
      [client, address] = [undefined, next];
      close(failed);
    },
    [Symbol.dispose]() {
      if (client) close(client);
      client = undefined;
    },
  };
}

/** Random, so that relays spread over the servers. */
const oneOf = <T>(values: readonly T[]): T | undefined => values[Math.floor(Math.random() * values.length)];

const isServerDown = (error: unknown): boolean =>
  isConnectionLost(error) ||
  hasCode(error, MongodbCode.ShutdownInProgress, MongodbCode.InterruptedAtShutdown);

/** Whether a secondary is down, or too far behind for a read after a time, or recovering. */
export const isSecondaryAway = (error: unknown): boolean =>
  isServerDown(error) || hasCode(error, MongodbCode.MaxTimeMSExpired, MongodbCode.NotPrimaryOrSecondary);

/** The logical time of the deployment, as servers exchange it. */
export interface TimeOfCluster {
  readonly operationTime?: Timestamp | undefined;
  /** Signed by the deployment: a server that is behind advances its clock to it. */
  readonly clusterTime?: ClusterTime | undefined;
}

/** The client for the next command, and the session in it. */
interface Current {
  readonly client: MongoClient;
  readonly session: ClientSession;
}

/** A causal session that survives the failover of its route. */
export class RoutedSession implements AsyncDisposable {
  #current: Current;

  constructor(private readonly route: Route) {
    this.#current = startSession(route);
  }

  current(): Current {
    const before = this.#current;
    if (this.route.client !== before.client) {
      this.#current = startSession(this.route);
      this.after(before.session);
      before.session.endSession().catch(() => {}); // Its server is down.
    }
    return this.#current;
  }

  get operationTime(): Timestamp | undefined {
    return this.#current.session.operationTime;
  }

  after({ operationTime, clusterTime }: TimeOfCluster): void {
    const { session } = this.#current;
    // Some services do not sign their time, and the driver refuses an unsigned one.
    if (clusterTime?.signature) session.advanceClusterTime(clusterTime);
    if (operationTime) session.advanceOperationTime(operationTime);
  }

  /** The error, or RouterLeftError if the route has switched to another server. */
  failed(client: MongoClient, error: unknown): unknown {
    this.route.failed(client, error);
    return client === this.route.client ? error : new RouterLeftError(error);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#current.session.endSession();
  }
}

const startSession = ({ client }: Route): Current => ({
  client,
  session: client.startSession({ causalConsistency: true }),
});
