import { setTimeout as delay } from "node:timers/promises";
import {
  type Document,
  MongoClient,
  type MongoClientOptions,
  MongoInvalidArgumentError,
  MongoMissingDependencyError,
  type MongoOptions,
  MongoParseError,
  MongoServerSelectionError,
  ReadPreference,
} from "mongodb";
import { messageOf, UsageError, UserError } from "../../util/errors.ts";
import { ConnectionString } from "mongodb-connection-string-url";

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

const PROBE_TIMEOUTS = { serverSelectionTimeoutMS: 2_000, connectTimeoutMS: 2_000, socketTimeoutMS: 2_000 };

/** URL parameters that a probe omits: it does not log in, and accepts any replica set. TLS is set again below. */
const OMITTED =
  /^(?:replicaset|loadbalanced|auth(?:source|mechanism|mechanismproperties)|srv(?:servicename|maxhosts)|tls|ssl)$/;

/**
 * Probes the hosts of a URL with `hello`, without credentials. Undefined if the reason is another one.
 * @example
 * IN: mongodb://a/?replicaSet=rsX, where a is in rs0
 * OUT: UserError "MONGODB_URL names the replica set rsX, but the server at a:27017 is in rs0."
 */
export async function whyUnreachable(
  url: string,
  { hosts, replicaSet, tls = false }: MongoOptions,
  cause: unknown,
): Promise<UserError | undefined> {
  const reasons = await Promise.all(
    hosts.map(String).map(async (host) => {
      const like = await helloOf(probeUrl(url, host, { tls }));
      if (like) return replicaSet ? otherSet(like, host, replicaSet) : undefined;
      // Nothing secret is sent, so any certificate is accepted.
      const otherwise = await helloOf(probeUrl(url, host, { tls: !tls, insecure: !tls }));
      return otherwise && otherEncryption(host, tls);
    }),
  );
  const reason = reasons.find((each) => each !== undefined);
  return reason && new UserError(reason.message, { hint: reason.hint, cause });
}

type Reason = Readonly<Record<"message" | "hint", string>>;

function otherSet(
  { msg, setName, isreplicaset }: Document,
  host: string,
  replicaSet: string,
): Reason | undefined {
  const reason = (what: string, hint: string): Reason => ({
    message: `MONGODB_URL names the replica set ${replicaSet}, but the server at ${host} ${what}.`,
    hint,
  });
  if (msg === "isdbgrid") return reason("is a mongos of a sharded cluster", "Remove replicaSet.");
  if (setName === replicaSet) return undefined;
  if (typeof setName === "string") {
    return reason(`is in ${setName}`, `Use replicaSet=${setName}, or remove replicaSet.`);
  }
  if (isreplicaset === true) return undefined;
  const hint =
    `Change streams need one. Start mongod with --replSet ${replicaSet}, then run rs.initiate() once.`;
  return reason("runs without a replica set", hint);
}

const otherEncryption = (host: string, tls: boolean): Reason =>
  tls
    ? {
      message: `MONGODB_URL requires TLS, but the server at ${host} answers without it.`,
      hint: "Remove tls=true (with mongodb+srv, add tls=false), or enable TLS in the server (net.tls.mode).",
    }
    : {
      message: `The server at ${host} accepts only TLS, but MONGODB_URL does not enable it.`,
      hint: "Add tls=true, and tlsCAFile=ca.pem if a private CA signed its certificate.",
    };

function probeUrl(
  url: string,
  host: string,
  { tls, insecure = false }: { readonly tls: boolean; readonly insecure?: boolean },
): string {
  const probe = new ConnectionString(url);
  probe.protocol = "mongodb:";
  probe.hosts = [host];
  probe.username = "";
  probe.password = "";
  const parameters = probe.searchParams;
  for (const name of [...parameters.keys()]) {
    const lower = name.toLowerCase();
    // The driver refuses TLS options without TLS.
    if (OMITTED.test(lower) || !tls && /^(?:tls|ssl)/.test(lower)) parameters.delete(name);
  }
  parameters.set("directConnection", "true");
  parameters.set("tls", String(tls));
  if (insecure) parameters.set("tlsInsecure", "true");
  return probe.href;
}

/** The answer to `hello`; undefined if the server does not answer. */
async function helloOf(url: string): Promise<Document | undefined> {
  try {
    await using client = new MongoClient(url, PROBE_TIMEOUTS);
    return await client.db("admin").command({ hello: 1 });
  } catch {
    return undefined;
  }
}
