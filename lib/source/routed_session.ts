/** A causal session along a route. */
import type { ClientSession, MongoClient, Timestamp } from "mongodb";
import type { Route } from "./route.ts";

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
  after(clusterTime: Timestamp): void {
    this.#session.advanceOperationTime(clusterTime);
  }

  /** See {@linkcode Route.failed}. */
  failed(client: MongoClient, error: unknown): void {
    this.#route.failed(client, error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.endSession();
  }
}

function startSession(client: MongoClient, before?: ClientSession): ClientSession {
  const session = client.startSession({ causalConsistency: true });
  if (before?.clusterTime) session.advanceClusterTime(before.clusterTime);
  if (before?.operationTime) session.advanceOperationTime(before.operationTime);
  return session;
}
