/** Makes the address of CrateDB from its options. */
import { statSync } from "node:fs";
import type { SinkAddress } from "../sink/connection/url.ts";
import { UsageError } from "../util/errors.ts";
import { find, type Given, readOptions } from "./read.ts";
import { CRATEDB } from "./relay_options.ts";

/**
 * @example
 * IN: {flags: {"cratedb-url": "crate://db/?ssl=true", "cratedb-ca": "ca.pem"}}
 * OUT: {host: "db", tls: true, certificates: {ca: "-----BEGIN …"}, …}
 */
export function sinkAddress(given: Given): SinkAddress {
  const { cratedbUrl: url, cratedbJwt: token, cratedbCa: ca, cratedbCert: cert, cratedbKey: key } =
    readOptions(CRATEDB, given);
  const hasCertificates = ca !== undefined || cert !== undefined;
  if ((cert === undefined) !== (key === undefined)) {
    const hint = "Give the file of the certificate and that of its private key. One file may have both.";
    throw new UsageError("--cratedb-cert and --cratedb-key need each other, and one of them is missing", {
      hint,
    });
  }
  if (hasCertificates && !url.tls) {
    const hint = "Add ?ssl=true to crate://, or ?sslmode=verify-full to postgresql://.";
    throw new UsageError("--cratedb-ca, --cratedb-cert and --cratedb-key need a CrateDB URL with TLS", {
      hint,
    });
  }
  if (token !== undefined && url.transport === "wire") {
    const hint = "Use the HTTP endpoint, e.g. crate://host:4200/?ssl=true.";
    throw new UsageError("--cratedb-jwt needs HTTP, but the CrateDB URL is for the wire protocol", { hint });
  }
  if (token !== undefined && url.password !== "") {
    const hint = "The token replaces the password. Remove one of them.";
    throw new UsageError("--cratedb-jwt is given, and the CrateDB URL has a password", { hint });
  }
  const { cratedbUrl, cratedbJwt } = CRATEDB;
  const urlFile = find("cratedbUrl", cratedbUrl, given)?.file;
  const tokenFile = find("cratedbJwt", cratedbJwt, given)?.file;
  const passwordNow = () => readOptions({ cratedbUrl }, given).cratedbUrl.password;
  const tokenNow = () => readOptions({ cratedbJwt }, given).cratedbJwt;
  return Object.freeze({
    ...url,
    ...token !== undefined &&
      { jwt: tokenFile === undefined ? () => token : latest(tokenFile, token, tokenNow) },
    ...urlFile !== undefined && { latestPassword: latest(urlFile, url.password, passwordNow) },
    ...hasCertificates && { certificates: { ca, cert, key } },
  });
}

/** Returns a function that returns the current secret: the last one that was read, if the file cannot be read. */
function latest(file: string, first: string, read: () => string | undefined): () => string {
  let secret = first;
  let version = versionOf(file);
  return () => {
    const found = versionOf(file);
    if (found === version) return secret;
    version = found;
    try {
      secret = read() ?? secret;
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
    }
    return secret;
  };
}

/** Changes when a file is written or replaced. */
function versionOf(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat ? `${stat.ino} ${stat.size} ${stat.mtimeMs}` : "";
}
