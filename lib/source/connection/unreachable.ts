/** Why the driver selects no server: the URL asks for another replica set, or another encryption, than the server has. */
import { type Document, MongoClient, type MongoClientOptions } from "mongodb";
import { ConnectionString } from "mongodb-connection-string-url";
import { UserError } from "../../util/errors.ts";

/** Milliseconds for each probe. */
const PROBE_TIMEOUT_MS = 2_000;

/** Parameters that a probe leaves out: it does not log in, and accepts any replica set. */
const LEFT_OUT = ["replicaset", "loadbalanced", "authsource", "authmechanism", "authmechanismproperties"];
const OF_SRV = ["srvservicename", "srvmaxhosts"];

/** Settings of the client that failed to connect. */
export type Wanted = Pick<MongoClientOptions, "replicaSet" | "tls"> & { readonly hosts: readonly string[] };

/**
 * Sends `hello` to the hosts of a URL, without user name and password.
 *
 * @example
 * IN: mongodb://a/?replicaSet=rsX, and a is of rs0
 * OUT: UserError "MONGODB_URL asks for the replica set rsX, and the server at a:27017 is of rs0."
 *
 * @returns undefined for another reason
 */
export async function whyUnreachable(
  url: string,
  wanted: Wanted,
  cause: unknown,
): Promise<UserError | undefined> {
  const { hosts, replicaSet, tls = false } = wanted;
  const reasons = await Promise.all(hosts.map(async (host) => {
    const like = await helloOf(probeUrl(url, host, { tls }));
    if (like) return replicaSet ? otherSet(like, { host, replicaSet }) : undefined;
    // Nothing secret is sent, so any certificate will do.
    const otherwise = await helloOf(probeUrl(url, host, { tls: !tls, insecure: !tls }));
    return otherwise && otherEncryption(host, { tls });
  }));
  const reason = reasons.find((each) => each !== undefined);
  return reason && new UserError(reason.message, { hint: reason.hint, cause });
}

interface Reason {
  readonly message: string;
  readonly hint: string;
}

function otherSet(
  hello: Document,
  { host, replicaSet }: { readonly host: string; readonly replicaSet: string },
): Reason | undefined {
  if (hello.msg === "isdbgrid") {
    return {
      message:
        `MONGODB_URL asks for the replica set ${replicaSet}, and the server at ${host} is a mongos of a sharded cluster.`,
      hint: "Leave replicaSet out.",
    };
  }
  if (hello.setName === replicaSet) return undefined;
  if (typeof hello.setName === "string") {
    return {
      message:
        `MONGODB_URL asks for the replica set ${replicaSet}, and the server at ${host} is of ${hello.setName}.`,
      hint: `Write replicaSet=${hello.setName}, or leave replicaSet out.`,
    };
  }
  if (hello.isreplicaset === true) return undefined;
  return {
    message:
      `MONGODB_URL asks for the replica set ${replicaSet}, and the server at ${host} runs without a replica set.`,
    hint: `Change streams need one. Start mongod with --replSet ${replicaSet}, then run rs.initiate() once.`,
  };
}

const otherEncryption = (host: string, { tls }: { readonly tls: boolean }): Reason =>
  tls
    ? {
      message: `MONGODB_URL asks for TLS, and the server at ${host} answers without it.`,
      hint:
        "Leave tls=true out (with mongodb+srv, write tls=false), or turn TLS on in the server (net.tls.mode).",
    }
    : {
      message: `The server at ${host} answers with TLS only, and MONGODB_URL does not ask for it.`,
      hint: "Write tls=true, and tlsCAFile=ca.pem for a certificate of an authority of your own.",
    };

interface Encryption {
  readonly tls: boolean;
  /** Whether any certificate is taken. @default {false} */
  readonly insecure?: boolean;
}

function probeUrl(url: string, host: string, { tls, insecure = false }: Encryption): string {
  const probe = new ConnectionString(url);
  probe.protocol = "mongodb:";
  probe.hosts = [host];
  probe.username = "";
  probe.password = "";
  const parameters = probe.searchParams;
  for (const name of [...parameters.keys()]) {
    const lower = name.toLowerCase();
    if (LEFT_OUT.includes(lower) || OF_SRV.includes(lower)) parameters.delete(name);
    // Without TLS, the driver refuses its options.
    if (/^(?:tls|ssl)/.test(lower) && (!tls || lower === "tls" || lower === "ssl")) parameters.delete(name);
  }
  parameters.set("directConnection", "true");
  parameters.set("tls", String(tls));
  if (insecure) parameters.set("tlsInsecure", "true");
  return probe.href;
}

/** The answer to `hello`; undefined for a server that does not answer. */
async function helloOf(url: string): Promise<Document | undefined> {
  const timeouts = {
    serverSelectionTimeoutMS: PROBE_TIMEOUT_MS,
    connectTimeoutMS: PROBE_TIMEOUT_MS,
    socketTimeoutMS: PROBE_TIMEOUT_MS,
  };
  try {
    await using client = new MongoClient(url, timeouts);
    return await client.db("admin").command({ hello: 1 });
  } catch {
    return undefined;
  }
}
