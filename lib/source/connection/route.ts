/**
 * Which server commands are sent to. A cursor lives in the server that opened it, and the driver chooses a server for
 * each command anew. In a replica set it is the primary each time. In a sharded cluster it may be any mongos, and there
 * may be several of them behind one name: so each route is one connection to one mongos, for as long as that works.
 */
import type { MongoClient } from "mongodb";
import { hasCode, isConnectionLost, MongodbCode } from "./mongodb_errors.ts";

export interface Route {
  /** What the next command is sent with. */
  readonly client: MongoClient;
  /** Has the next command go to another server if this error says that the server is gone. */
  failed(client: MongoClient, error: unknown): void;
}

/** A route that lets the driver choose the server. */
export const directRoute = (client: MongoClient): Route => ({ client, failed: () => {} });

/** One connection to one server; to another one when that is gone. */
export class PinnedRoute implements Route {
  readonly #addresses: () => readonly string[];
  readonly #connect: (address: string) => MongoClient;
  readonly #close: (client: MongoClient) => void;
  readonly #clients = new Map<string, MongoClient>();
  #address: string;

  /**
   * @param addresses of the available servers
   * @param connect makes a client of one connection; `close` closes one that is not used any more
   */
  constructor(
    addresses: () => readonly string[],
    { connect, close }: {
      readonly connect: (address: string) => MongoClient;
      readonly close: (client: MongoClient) => void;
    },
  ) {
    this.#addresses = addresses;
    this.#connect = connect;
    this.#close = close;
    this.#address = oneOf(addresses()) ?? "";
  }

  get client(): MongoClient {
    let client = this.#clients.get(this.#address);
    if (!client) this.#clients.set(this.#address, client = this.#connect(this.#address));
    return client;
  }

  failed(client: MongoClient, error: unknown): void {
    if (client !== this.#clients.get(this.#address) || !isServerGone(error)) return;
    const next = oneOf(this.#addresses().filter((each) => each !== this.#address));
    if (next === undefined) return;
    this.#clients.delete(this.#address);
    this.#address = next;
    this.#close(client);
  }
}

/** Relays spread over the servers. */
const oneOf = <T>(values: readonly T[]): T | undefined => values[Math.floor(Math.random() * values.length)];

const isServerGone = (error: unknown): boolean =>
  isConnectionLost(error) ||
  hasCode(error, MongodbCode.ShutdownInProgress, MongodbCode.InterruptedAtShutdown);
