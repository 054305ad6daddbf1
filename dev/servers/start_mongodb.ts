import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { MongoClient } from "mongodb";
import { MongoBinary, MongoMemoryReplSet } from "mongodb-memory-server-core";
import { messageOf } from "../../lib/util/errors.ts";
import { maskUrl } from "../../lib/util/mask_url.ts";
import { eventually } from "./eventually.ts";
import { firstServer, type Server } from "./first_server.ts";
import { NoServerError } from "./no_server_error.ts";
import { packagedMongod } from "./packaged_mongod.ts";
import { startContainer } from "./start_container.ts";

const REPLICA_SET = "rs0";

export interface Mongodb extends Server {
  readonly url: string;
  /** When it runs in a container. */
  readonly containerId?: string;
}

export interface MongodbOptions {
  /** Of a server that runs already. @default $MONGODB_URL */
  readonly url?: string | undefined;
  /** @default $MONGODB_IMAGE, else mongo:7 */
  readonly image?: string | undefined;
  /** A `mongod` for machines without containers. @default $MONGOMS_SYSTEM_BINARY, else from $PATH, else downloaded or fetched by pip */
  readonly binary?: string | undefined;
  /** How long a pull of the image may take, in milliseconds. @default 300_000 */
  readonly pullTimeout?: number | undefined;
}

/**
 * A MongoDB replica set of one node that has a primary: the one named by a URL, else in a container, else a child process.
 *
 * @example
 * await using mongodb = await startMongodb();
 * IN: no MONGODB_URL, Docker running
 * OUT: {url: "mongodb://localhost:32771/?replicaSet=rs0", description: "MongoDB: container mongo:7 on localhost:32771, as …"}
 *
 * @throws {NoServerError} when there is none to be had
 */
export function startMongodb(options: MongodbOptions = {}): Promise<Mongodb> {
  const {
    url = Deno.env.get("MONGODB_URL"),
    image = Deno.env.get("MONGODB_IMAGE") || "mongo:7",
    binary = Deno.env.get("MONGOMS_SYSTEM_BINARY") || mongodOnPath(),
    pullTimeout,
  } = options;
  return firstServer("MongoDB", [
    () => named(url),
    () => inContainer(image, pullTimeout),
    () => asChildProcess(binary),
  ]);
}

/** Resolves when the server has a primary that takes writes. */
export async function mongodbReady(url: string): Promise<void> {
  await eventually(async () => {
    await using client = new MongoClient(url, { serverSelectionTimeoutMS: 1_000, connectTimeoutMS: 1_000 });
    const { isWritablePrimary } = await client.db("admin").command({ hello: 1 });
    if (!isWritablePrimary) throw new Error(`MongoDB has no primary yet: ${maskUrl(url)}`);
  }, { timeout: 60_000 });
}

function named(url: string | undefined): Mongodb {
  if (!url) throw new NoServerError("MONGODB_URL is not set");
  return { url, description: `${maskUrl(url)}, as MONGODB_URL says`, async [Symbol.asyncDispose]() {} };
}

async function inContainer(image: string, pullTimeout: number | undefined): Promise<Mongodb> {
  const container = await startContainer(image, {
    command: ([port]) => ["--replSet", REPLICA_SET, "--port", `${port}`],
    ports: [0],
    pullTimeout,
  });
  const address = `${container.host}:${container.ports[0]}`;
  const url = `mongodb://${address}/?replicaSet=${REPLICA_SET}`;
  try {
    await initiate(address);
    await mongodbReady(url);
  } catch (error) {
    await container[Symbol.asyncDispose]();
    throw error;
  }
  return {
    url,
    containerId: container.id,
    description: `container ${image} on ${address}`,
    [Symbol.asyncDispose]: container[Symbol.asyncDispose],
  };
}

/** The member is named by the published address, so that clients that discover the set find it from outside too. */
async function initiate(address: string): Promise<void> {
  await using client = new MongoClient(`mongodb://${address}/?directConnection=true`);
  const config = { _id: REPLICA_SET, members: [{ _id: 0, host: address }] };
  await client.db("admin").command({ replSetInitiate: config });
}

async function asChildProcess(binary: string | undefined): Promise<Mongodb> {
  // Any version will do; without this, one other than the package's default is warned about.
  Deno.env.set("MONGOMS_SYSTEM_BINARY_VERSION_CHECK", "false");
  const fail = (what: string) => (cause: unknown) => {
    throw new NoServerError(`${what} (${messageOf(cause).replaceAll(/\s+/g, " ")})`, { cause });
  };
  const systemBinary = binary ?? await downloaded();
  const servers = await MongoMemoryReplSet.create({
    binary: { systemBinary },
    replSet: { name: REPLICA_SET, count: 1, storageEngine: "wiredTiger" },
  }).catch(fail(`${systemBinary} does not start`));
  const url = servers.getUri();
  return {
    url,
    description: `${binary ?? "a downloaded mongod"} on ${new URL(url).host}`,
    async [Symbol.asyncDispose]() {
      await servers.stop();
    },
  };
}

/** Where there is no download to be had, the package would print more than its error. */
const downloaded = (): Promise<string> =>
  MongoBinary.getPath({}).catch(() =>
    packagedMongod().catch((error) => {
      const { message } = error as NoServerError;
      throw new NoServerError(`no mongod is installed, none can be downloaded and ${message}`);
    })
  );

const mongodOnPath = (): string | undefined =>
  (Deno.env.get("PATH") ?? "").split(delimiter).map((folder) => join(folder, "mongod")).find((file) =>
    existsSync(file)
  );
