/** The connection to MongoDB. */
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

/**
 * Milliseconds until a silent connection is closed while the driver logs in or ends sessions. All other commands have
 * the limits of {@linkcode AnswerLimit}.
 */
const SOCKET_TIMEOUT_MS = 60_000;

/** Defaults that a URL may override. A try gives up on a server that does not answer for so many milliseconds. */
const DEFAULTS: Readonly<MongoClientOptions> = {
  serverSelectionTimeoutMS: 5_000,
  connectTimeoutMS: 5_000,
  socketTimeoutMS: SOCKET_TIMEOUT_MS,
  appName: "mongodb_cdc_cratedb",
};
/** How long to wait for the server to end the sessions. */
const CLOSE_TIMEOUT_MS = 1_000;

/** Options that a URL cannot override: only the primary has the latest data. */
const FIXED: Readonly<MongoClientOptions> = { readPreference: ReadPreference.primary, raw: false };

/**
 * Connects to MongoDB.
 *
 * @param prepare called with the client before it connects
 * @throws UsageError for a URL that the driver refuses, or a file that cannot be read; MongoError when the servers
 *   cannot be reached
 */
export async function connectMongodb(
  url: string,
  prepare: (client: MongoClient) => void = () => {},
): Promise<MongoClient> {
  const client = clientOf(url);
  prepare(client);
  try {
    await client.connect();
    await client.db("admin").command({ ping: 1 }); // The first command that is compressed.
    return client;
  } catch (error) {
    await closeMongodb(client);
    throw await explained(error, client, url);
  }
}

async function explained(error: unknown, { options }: MongoClient, url: string): Promise<unknown> {
  if (isUrlError(error)) return malformedUrl(error);
  if (isFileError(error)) return unreadableFile(error);
  const compressor = missingCompressor(error);
  if (compressor !== undefined) return unknownCompressor(compressor, error);
  if (!(error instanceof MongoServerSelectionError)) return error;
  const wanted = { ...options, hosts: options.hosts.map(String) };
  return await whyUnreachable(url, wanted, error) ?? error;
}

/** The packages of compressors, by the names that the driver gives them. */
const COMPRESSORS: Readonly<Record<string, string>> = { snappy: "snappy", zstd: "@mongodb-js/zstd" };

function missingCompressor(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const isIt = error instanceof MongoMissingDependencyError &&
    Object.hasOwn(COMPRESSORS, error.dependencyName);
  return isIt ? error.dependencyName : missingCompressor(error.cause);
}

const unknownCompressor = (name: string, cause: unknown): UsageError =>
  new UsageError(`MONGODB_URL has compressors=${name}, which needs the package ${COMPRESSORS[name]}.`, {
    hint:
      `compressors=zlib needs no package. To use ${name}: in a clone, deno add npm:${
        COMPRESSORS[name]
      }; as a ` +
      `package, npm install -g ${COMPRESSORS[name]}`,
    cause,
  });

/**
 * Options of a command with an {@linkcode AnswerLimit}: they turn the driver's default timeout off. A `socketTimeoutMS`
 * of the URL stays.
 */
export const withoutTimeout = ({ options }: MongoClient): { readonly socketTimeoutMS?: 0 } =>
  options.socketTimeoutMS === SOCKET_TIMEOUT_MS ? { socketTimeoutMS: 0 } : {};

/**
 * A client that connects with its first command.
 *
 * @param options that the URL cannot override
 * @throws UsageError for a URL that the driver refuses
 */
export function clientOf(url: string, options: Readonly<MongoClientOptions> = {}): MongoClient {
  try {
    return new MongoClient(url, { ...without(DEFAULTS, optionsIn(url)), ...options, ...FIXED });
  } catch (error) {
    // The parser's errors are not the driver's class.
    throw malformedUrl(error);
  }
}

const isUrlError = (error: unknown): boolean =>
  error instanceof MongoParseError || error instanceof MongoInvalidArgumentError;

interface FileError extends Error {
  readonly path: string;
}

const isFileError = (error: unknown): error is FileError =>
  error instanceof Error && "path" in error && "syscall" in error && error.syscall === "open";

const unreadableFile = (cause: FileError): UsageError =>
  new UsageError(`A file to log in to MongoDB with cannot be read: ${cause.path}`, {
    hint:
      "tlsCAFile or tlsCertificateKeyFile in MONGODB_URL names it, or the environment of an authMechanism. " +
      "It needs to be there, and to be readable by the user of this program.",
    cause,
  });

const malformedUrl = (cause: unknown): UsageError =>
  new UsageError(`MONGODB_URL is malformed: ${messageOf(cause)}`, {
    hint:
      "It looks like mongodb://[user:password@]host[:27017]/?replicaSet=rs0 ; percent-encode : / ? # @ % in passwords (% is %25).",
    cause,
  });

/** Closes the client; does not wait for a server that does not answer. */
export const closeMongodb = (client: MongoClient): Promise<void> =>
  Promise.race([client.close(), delay(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);

/**
 * The names of the options in a URL, in lower case. Given to the driver, our defaults would win over the URL.
 *
 * @example
 * IN: mongodb://a,b/?appName=x&tls=true → OUT: {"appname", "tls"}
 */
function optionsIn(url: string): ReadonlySet<string> {
  const [, query = ""] = /\?(.*)$/s.exec(url) ?? [];
  return new Set([...new URLSearchParams(query).keys()].map((name) => name.toLowerCase()));
}

const without = (options: MongoClientOptions, names: ReadonlySet<string>): MongoClientOptions =>
  Object.fromEntries(Object.entries(options).filter(([name]) => !names.has(name.toLowerCase())));
