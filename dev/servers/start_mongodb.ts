import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { MongoClient } from "mongodb";
import { loadMongodbServers } from "../deps.ts";
import { messageOf } from "../../lib/util/errors.ts";
import { eventually } from "./eventually.ts";
import { firstServer, named, NoServerError, type Server, type StartOptions } from "./first_server.ts";
import { packagedMongod } from "./packaged_mongod.ts";
import { startContainer } from "./start_container.ts";

const REPLICA_SET = "rs0";
/** Of a binary, on a busy machine. */
export const LAUNCH_TIMEOUT_MS = 60_000;

export interface Mongodb extends Server {
  readonly url: string;
  /** Set if it runs in a container. */
  readonly containerId?: string;
}

export interface MongodbOptions extends StartOptions {
  /** Of a running server. @default $MONGODB_URL */
  readonly url?: string | undefined;
}

/**
 * Returns the MongoDB that `MONGODB_URL` names, or starts a replica set of one node: in a container of `MONGODB_IMAGE`, else
 * as a child process of `MONGOMS_SYSTEM_BINARY`, of a `mongod` on the PATH or of one that is downloaded.
 *
 * @example
 * await using mongodb = await startMongodb();
 * IN: no MONGODB_URL, Docker running
 * OUT: {url: "mongodb://localhost:32771/?replicaSet=rs0", description: "MongoDB: container mongo:7 on localhost:32771 (…)"}
 *
 * @throws {NoServerError} if none is available
 */
export function startMongodb(options: MongodbOptions = {}): Promise<Mongodb> {
  const { url = Deno.env.get("MONGODB_URL") ?? "" } = options;
  return firstServer<Mongodb>("MongoDB", [
    () => named("MONGODB_URL", { url }),
    () => inContainer(options),
    asChildProcess,
  ]);
}

/** Resolves when the server has a primary that accepts writes. */
export async function mongodbReady(url: string): Promise<void> {
  await eventually(async () => {
    await using client = new MongoClient(url, { serverSelectionTimeoutMS: 1_000, connectTimeoutMS: 1_000 });
    const { isWritablePrimary } = await client.db("admin").command({ hello: 1 });
    if (!isWritablePrimary) throw new Error("MongoDB has no primary");
  }, { timeout: 60_000 });
}

async function inContainer(options: MongodbOptions): Promise<Mongodb> {
  const image = Deno.env.get("MONGODB_IMAGE") || "mongo:7";
  const container = await startContainer(image, {
    ...options,
    command: ([port]) => ["--replSet", REPLICA_SET, "--port", `${port}`],
    data: "/data/db",
    ports: [0],
    ready: async ({ host, ports: [port] }) => {
      await initiate(`${host}:${port}`);
      await mongodbReady(urlOf(`${host}:${port}`));
    },
  });
  const address = `${container.host}:${container.ports[0]}`;
  return {
    url: urlOf(address),
    containerId: container.id,
    description: `container ${image} on ${address}`,
    [Symbol.asyncDispose]: container[Symbol.asyncDispose],
  };
}

const urlOf = (address: string): string => `mongodb://${address}/?replicaSet=${REPLICA_SET}`;

/** Names the member by its published address, at which clients outside the container reach it too. */
async function initiate(host: string): Promise<void> {
  await using client = new MongoClient(`mongodb://${host}/?directConnection=true`);
  const config = { _id: REPLICA_SET, members: [{ _id: 0, host }] };
  await client.db("admin").command({ replSetInitiate: config });
}

async function asChildProcess(): Promise<Mongodb> {
  const binary = Deno.env.get("MONGOMS_SYSTEM_BINARY") || mongodOnPath();
  // The package warns of versions other than its default.
  Deno.env.set("MONGOMS_SYSTEM_BINARY_VERSION_CHECK", "false");
  const { MongoBinary, MongoMemoryReplSet } = await loadMongodbServers();
  const systemBinary = binary ?? await MongoBinary.getPath({}).catch(packagedMongod);
  const servers = await MongoMemoryReplSet.create({
    binary: { systemBinary },
    instanceOpts: [{ launchTimeout: LAUNCH_TIMEOUT_MS }],
    replSet: { name: REPLICA_SET, count: 1, storageEngine: "wiredTiger" },
  }).catch((cause) => {
    const reason = messageOf(cause).replaceAll(/\s+/g, " ");
    throw new NoServerError(`${systemBinary} does not start (${reason})`, { cause });
  });
  const url = servers.getUri();
  return {
    url,
    description: `${binary ?? "a downloaded mongod"} on ${new URL(url).host}`,
    async [Symbol.asyncDispose]() {
      await servers.stop();
    },
  };
}

const mongodOnPath = (): string | undefined =>
  (Deno.env.get("PATH") ?? "").split(delimiter).map((folder) => join(folder, "mongod")).find((file) =>
    existsSync(file)
  );
