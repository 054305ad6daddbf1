/** Explains why the driver selects no server: the URL names another replica set, or TLS is on at one side only. */
import { type Document, MongoClient, type MongoOptions } from "mongodb";
import { ConnectionString } from "mongodb-connection-string-url";
import { UserError } from "../../util/errors.ts";

const TIMEOUTS = { serverSelectionTimeoutMS: 2_000, connectTimeoutMS: 2_000, socketTimeoutMS: 2_000 };

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
    await using client = new MongoClient(url, TIMEOUTS);
    return await client.db("admin").command({ hello: 1 });
  } catch {
    return undefined;
  }
}
