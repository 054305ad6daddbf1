/** Why the driver finds no server: a URL that asks for another replica set, or for another encryption, than there is. */
import { type Document, MongoClient, type MongoClientOptions } from "mongodb";
import { ConnectionString } from "mongodb-connection-string-url";
import { UserError } from "../util/errors.ts";

/** Milliseconds for each question. The server was there, or refused to talk, a moment ago. */
const PROBE_TIMEOUT_MS = 2_000;

/** What a question must not have: nobody logs in, and no set is asked for. */
const LEFT_OUT = ["replicaset", "loadbalanced", "authsource", "authmechanism", "authmechanismproperties"];
const OF_SRV = ["srvservicename", "srvmaxhosts"];

/** Settings of the client that failed to connect. */
export type Wanted = Pick<MongoClientOptions, "replicaSet" | "tls"> & { readonly hosts: readonly string[] };

/**
 * Asks the hosts of a URL what they are. Sends no user name and no password.
 *
 * @example
 * IN: mongodb://a/?replicaSet=rsX, where a is of rs0
 * OUT: UserError "MONGODB_URL asks for the replica set rsX, and the server at a:27017 is of rs0."
 *
 * @returns undefined where that is not the reason
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
  const asked = `MONGODB_URL asks for the replica set ${replicaSet}, and the server at ${host}`;
  if (hello.msg === "isdbgrid") {
    return { message: `${asked} is a mongos of a sharded cluster.`, hint: "Leave replicaSet out." };
  }
  if (hello.setName === replicaSet) return undefined;
  if (typeof hello.setName === "string") {
    return {
      message: `${asked} is of ${hello.setName}.`,
      hint: `Write replicaSet=${hello.setName}, or leave replicaSet out.`,
    };
  }
  if (hello.isreplicaset === true) return undefined;
  return {
    message: `${asked} runs without a replica set.`,
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
    // Without TLS, the driver takes none of its options.
    if (/^(?:tls|ssl)/.test(lower) && (!tls || lower === "tls" || lower === "ssl")) parameters.delete(name);
  }
  parameters.set("directConnection", "true");
  parameters.set("tls", String(tls));
  if (insecure) parameters.set("tlsInsecure", "true");
  return probe.href;
}

/** What a server says of itself; undefined where it does not answer. */
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
