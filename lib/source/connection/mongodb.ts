import { setTimeout as delay } from "node:timers/promises";
import {
  MongoClient,
  type MongoClientOptions,
  MongoInvalidArgumentError,
  MongoMissingDependencyError,
  MongoParseError,
  MongoServerSelectionError,
  ReadPreference,
} from "mongodb";
import { messageOf, UsageError } from "../../util/errors.ts";
import { whyUnreachable } from "./unreachable.ts";

/** Closes a silent connection while the driver logs in or ends sessions. {@linkcode AnswerLimit} limits other commands. */
const SOCKET_TIMEOUT_MS = 60_000;
const CLOSE_TIMEOUT_MS = 1_000;

/** Defaults that the URL may override. */
const DEFAULTS: Readonly<MongoClientOptions> = {
  serverSelectionTimeoutMS: 5_000,
  connectTimeoutMS: 5_000,
  socketTimeoutMS: SOCKET_TIMEOUT_MS,
  appName: "mongodb_cdc_cratedb",
  // Each stream of a process holds a connection while it waits for changes.
  maxPoolSize: 0,
};

/** Options that the URL cannot override: only the primary has the latest data. */
const FIXED: Readonly<MongoClientOptions> = { readPreference: ReadPreference.primary, raw: false };

/**
 * @param prepare called with the client before it connects
 * @throws UsageError for a URL or file that cannot be used; MongoError if no server can be reached
 */
export async function connectMongodb(
  url: string,
  prepare: (client: MongoClient) => void = () => {},
): Promise<MongoClient> {
  const client = clientOf(url);
  prepare(client);
  try {
    await client.connect();
    await client.db("admin").command({ ping: 1 }); // The first command that uses compression.
    return client;
  } catch (error) {
    await closeMongodb(client);
    throw await explained(error, client, url);
  }
}

async function explained(error: unknown, { options }: MongoClient, url: string): Promise<unknown> {
  if (error instanceof MongoParseError || error instanceof MongoInvalidArgumentError) {
    return malformedUrl(error);
  }
  const reason = unreadableFile(error) ?? missingCompressor(error);
  if (reason || !(error instanceof MongoServerSelectionError)) return reason ?? error;
  return await whyUnreachable(url, options, error) ?? error;
}

const COMPRESSORS: Readonly<Record<string, string>> = { snappy: "snappy", zstd: "@mongodb-js/zstd" };

function missingCompressor(error: unknown, cause: unknown = error): UsageError | undefined {
  if (!(error instanceof Error)) return undefined;
  const name = error instanceof MongoMissingDependencyError ? error.dependencyName : "";
  const needed = COMPRESSORS[name];
  if (needed === undefined) return missingCompressor(error.cause, cause);
  return new UsageError(`MONGODB_URL has compressors=${name}, which needs the npm package ${needed}.`, {
    hint:
      `compressors=zlib needs no package. To use ${name}: in a clone, deno add npm:${needed}; as a package, ` +
      `npm install -g ${needed}`,
    cause,
  });
}

/** Disables the default socket timeout for a command with an {@linkcode AnswerLimit}; keeps a `socketTimeoutMS` of the URL. */
export const withoutTimeout = ({ options }: MongoClient): { readonly socketTimeoutMS?: 0 } =>
  options.socketTimeoutMS === SOCKET_TIMEOUT_MS ? { socketTimeoutMS: 0 } : {};

/** A client that connects when it runs its first command. The URL cannot override the options. */
export function clientOf(url: string, options: Readonly<MongoClientOptions> = {}): MongoClient {
  try {
    return new MongoClient(url, { ...defaultsFor(url), ...options, ...FIXED });
  } catch (error) {
    throw malformedUrl(error); // The URL parser throws errors that are no MongoError.
  }
}

function unreadableFile(cause: unknown): UsageError | undefined {
  const { syscall, path } = cause as NodeJS.ErrnoException;
  if (syscall !== "open" || path === undefined) return undefined;
  return new UsageError(`A file of the MongoDB login cannot be read: ${path}`, {
    hint:
      "It is named by tlsCAFile or tlsCertificateKeyFile in MONGODB_URL, or by a variable of an authMechanism. " +
      "It must exist and be readable by the user of this program.",
    cause,
  });
}

const malformedUrl = (cause: unknown): UsageError =>
  new UsageError(`MONGODB_URL is malformed: ${messageOf(cause)}`, {
    hint:
      "It looks like mongodb://[user:password@]host[:27017]/?replicaSet=rs0 ; percent-encode : / ? # @ % in passwords (% is %25).",
    cause,
  });

/** Closes the client, without waiting for a server that does not answer. */
export const closeMongodb = (client: MongoClient): Promise<void> =>
  Promise.race([client.close(), delay(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);

/** The defaults without the options of a URL, which they would override. */
function defaultsFor(url: string): MongoClientOptions {
  const [, query = ""] = /\?(.*)$/s.exec(url) ?? [];
  const given = new Set([...new URLSearchParams(query).keys()].map((name) => name.toLowerCase()));
  return Object.fromEntries(Object.entries(DEFAULTS).filter(([name]) => !given.has(name.toLowerCase())));
}
