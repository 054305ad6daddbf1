/** A MongoDB of one test's own: to be followed as a whole, or started in a way that would harm the other tests. */
import { MongoClient } from "mongodb";
import { loadContainers, loadMongodbServers } from "../deps.ts";
import { messageOf } from "../../lib/util/errors.ts";
import { NoServerError } from "../../dev/servers/first_server.ts";
import { startContainer } from "../../dev/servers/start_container.ts";
import { LAUNCH_TIMEOUT_MS, mongodbReady } from "../../dev/servers/start_mongodb.ts";
import {
  type CratedbContext,
  cratedbTest,
  type RelayOptions,
  type RelaysOptions,
} from "./cratedb_harness.ts";
import { startRelay } from "./follow.ts";
import type { Running } from "./program.ts";

const REPLICA_SET = "rs0";
const IMAGE = Deno.env.get("MONGODB_IMAGE") || "mongo:7";
const BINARY = Deno.env.get("MONGOMS_SYSTEM_BINARY");
/** Versions that are downloaded and started are not for these tests. */
const PULL_TIMEOUT = 60_000;

export interface OwnMongodbOptions extends RelaysOptions {
  /** Of `mongod`. */
  readonly args?: readonly string[];
  /** Only the binary on this machine, never a container. @default false */
  readonly binary?: boolean;
  /** Whether users have to log in; only with `binary`. `mongodb` is the administrator's. @default false */
  readonly auth?: boolean;
  /** Of the replica set; several only with `binary`. @default 1 */
  readonly members?: number;
}

const ADMINISTRATOR = { name: "administrator", password: "secret" };

export interface OwnMongodb extends AsyncDisposable {
  readonly mongodb: MongoClient;
  readonly mongodbUrl: string;
}

/** @throws {NoServerError} if neither a container nor a binary can be started */
export async function ownMongodb(options: OwnMongodbOptions = {}): Promise<OwnMongodb> {
  const { args = [], binary = false } = options;
  if (binary) return await asChildProcess(options);
  try {
    return await inContainer(args);
  } catch (error) {
    if (!(error instanceof NoServerError)) throw error;
    return await asChildProcess(options);
  }
}

/** What a test on its own server gets: `mongodb` and `mongodbUrl` are of that server. */
export interface OwnContext extends CratedbContext {
  /** Starts `cdc-relay` with these flags and no others. Killed at the end of the test. */
  follow(args?: readonly string[], options?: RelayOptions): Running;
}

/** As `cratedbTest`, and ignored if no MongoDB can be started. */
export function ownMongodbTest(
  name: string,
  test: (context: OwnContext) => unknown,
  options: OwnMongodbOptions = {},
): void {
  if (!canStart(options)) return void Deno.test.ignore(name, () => {});
  cratedbTest(name, async (context) => {
    await using stack = new AsyncDisposableStack();
    const { mongodb, mongodbUrl } = stack.use(await ownMongodb(options));
    const own = { ...context, mongodb, mongodbUrl };
    const env = { MONGODB_URL: mongodbUrl };
    await test({
      ...own,
      relay: (args, options) => context.relay(args, { ...options, env: { ...env, ...options?.env } }),
      follow: (args = [], options = {}) => stack.use(startRelay(own, args, options)),
    });
  }, options);
}

function canStart({ binary = false }: OwnMongodbOptions): boolean {
  return BINARY !== undefined || !binary && hasContainers;
}

export const hasContainers: boolean = await (async () => {
  const { getContainerRuntimeClient } = await loadContainers();
  return await getContainerRuntimeClient().then(() => true, () => false);
})();

/** The version of the binary on this machine; undefined without one. */
export const binaryVersion: string | undefined = BINARY && await (async () => {
  const { stdout } = await new Deno.Command(BINARY, { args: ["--version"] }).output();
  return /db version v(\S+)/.exec(new TextDecoder().decode(stdout))?.[1];
})();

/** As `cratedbTest`, with the URL of a MongoDB without a replica set; ignored without a binary. */
export function standaloneMongodbTest(
  name: string,
  test: (context: CratedbContext, url: string) => Promise<void>,
): void {
  if (!BINARY) return void Deno.test.ignore(name, () => {});
  cratedbTest(name, async (context) => {
    const { MongoMemoryServer } = await loadMongodbServers();
    await using closing = new AsyncDisposableStack();
    const server = closing.adopt(
      await MongoMemoryServer.create({
        binary: { systemBinary: BINARY },
        instance: { launchTimeout: LAUNCH_TIMEOUT_MS },
      }),
      async (open) => void await open.stop(),
    );
    await test(context, server.getUri());
  });
}

async function inContainer(args: readonly string[]): Promise<OwnMongodb> {
  await using stack = new AsyncDisposableStack();
  const container = stack.use(
    await startContainer(IMAGE, {
      command: ([port]) => ["--replSet", REPLICA_SET, "--port", `${port}`, ...args],
      data: "/data/db",
      inMemory: true,
      ports: [0],
      pullTimeout: PULL_TIMEOUT,
    }),
  );
  const address = `${container.host}:${container.ports[0]}`;
  {
    await using client = new MongoClient(`mongodb://${address}/?directConnection=true`);
    const config = { _id: REPLICA_SET, members: [{ _id: 0, host: address }] };
    await client.db("admin").command({ replSetInitiate: config });
  }
  return await opened(`mongodb://${address}/?replicaSet=${REPLICA_SET}`, stack);
}

async function asChildProcess(
  { args = [], auth = false, members = 1 }: OwnMongodbOptions,
): Promise<OwnMongodb> {
  if (!BINARY) throw new NoServerError("MONGOMS_SYSTEM_BINARY is not set");
  Deno.env.set("MONGOMS_SYSTEM_BINARY_VERSION_CHECK", "false");
  await using stack = new AsyncDisposableStack();
  const servers = stack.adopt(
    await (await loadMongodbServers()).MongoMemoryReplSet.create({
      binary: { systemBinary: BINARY },
      instanceOpts: Array.from({ length: members }, () => ({
        args: [...args],
        launchTimeout: LAUNCH_TIMEOUT_MS,
      })),
      replSet: {
        name: REPLICA_SET,
        count: members,
        storageEngine: "wiredTiger",
        ...auth && {
          auth: {
            enable: true,
            customRootName: ADMINISTRATOR.name,
            customRootPwd: ADMINISTRATOR.password,
          },
        },
      },
    }).catch((cause) => {
      throw new NoServerError(`${BINARY} does not start (${messageOf(cause)})`, { cause });
    }),
    async (open) => void await open.stop(),
  );
  const url = servers.getUri();
  return await opened(auth ? urlOf(url, ADMINISTRATOR) : url, stack);
}

/** A URL with a user who is in the database `admin`. */
export const urlOf = (
  url: string,
  { name, password }: { readonly name: string; readonly password: string },
) => `${url.replace("://", `://${name}:${password}@`)}&authSource=admin`;

async function opened(mongodbUrl: string, stack: AsyncDisposableStack): Promise<OwnMongodb> {
  await mongodbReady(mongodbUrl);
  const mongodb = stack.use(new MongoClient(mongodbUrl));
  const closing = stack.move();
  return { mongodb, mongodbUrl, [Symbol.asyncDispose]: () => closing.disposeAsync() };
}
