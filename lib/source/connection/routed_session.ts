/** A causal session along a route. */
import type { ClientSession, ClusterTime, MongoClient, Timestamp } from "mongodb";
import { RouterLeftError } from "./mongodb_errors.ts";
import type { Route } from "./route.ts";

/** The logical time of the deployment, as servers pass it on. */
export interface TimeOfCluster {
  readonly operationTime?: Timestamp | undefined;
  /** With the deployment's signature: a server that is behind takes it and moves its clock on. */
  readonly clusterTime?: ClusterTime | undefined;
}

/** A causal session that goes on when its route leads to another server. */
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
      before.endSession().catch(() => {}); // Its server is gone.
    }
    return { client, session: this.#session };
  }

  /** The time of what was read last. */
  get operationTime(): Timestamp | undefined {
    return this.#session.operationTime;
  }

  /** From now on nothing older than this is read. */
  after(time: TimeOfCluster): void {
    advance(this.#session, time);
  }

  /**
   * See {@linkcode Route.failed}.
   *
   * @returns the error, or RouterLeftError if the route has changed to another server since
   */
  failed(client: MongoClient, error: unknown): unknown {
    this.#route.failed(client, error);
    return client === this.#route.client ? error : new RouterLeftError(error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.endSession();
  }
}

function startSession(client: MongoClient, before?: ClientSession): ClientSession {
  const session = client.startSession({ causalConsistency: true });
  if (before) advance(session, before);
  return session;
}

function advance(session: ClientSession, { operationTime, clusterTime }: TimeOfCluster): void {
  // Not every service signs its time, and the driver refuses one without.
  if (clusterTime?.signature) session.advanceClusterTime(clusterTime);
  if (operationTime) session.advanceOperationTime(operationTime);
}
