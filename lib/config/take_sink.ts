/** The sink's options become its address. */
import { statSync } from "node:fs";
import type { SinkAddress } from "../sink/connection/url.ts";
import { UsageError } from "../util/errors.ts";
import type { Option, Values } from "./options/option.ts";
import { fileWith, type Given, readOptions } from "./options/read.ts";
import { CRATEDB_JWT, CRATEDB_URL, type SINK } from "./options/sink.ts";

type SinkValues = Values<typeof SINK>;

/**
 * Takes the values of the sink's options out of those of a command.
 *
 * @example
 * IN: {cratedbUrl: {host: "db", tls: true, …}, cratedbCa: "-----BEGIN …", …, maxLag: 60000}
 * OUT: [{host: "db", tls: true, certificates: {ca: "-----BEGIN …"}, …}, {maxLag: 60000}]
 *
 * @throws UsageError when they do not go together
 */
export function takeSink<Read extends SinkValues>(
  values: Read,
  given: Given,
): readonly [SinkAddress, Omit<Read, keyof SinkValues>] {
  const { cratedbUrl: url, cratedbJwt: token, cratedbCa: ca, cratedbCert: cert, cratedbKey: key, ...rest } =
    values;
  if ((cert === undefined) !== (key === undefined)) {
    throw new UsageError("--cratedb-cert and --cratedb-key go together, and one of them is missing", {
      hint:
        "One names the file of the certificate, the other that of its private key. One file may have both.",
    });
  }
  const hasCertificates = ca !== undefined || cert !== undefined;
  if (hasCertificates && !url.tls) {
    throw new UsageError(
      "--cratedb-ca, --cratedb-cert and --cratedb-key need TLS, which the CrateDB URL leaves out",
      {
        hint: "Add ?ssl=true to crate://, or ?sslmode=verify-full to postgresql://.",
      },
    );
  }
  if (token !== undefined && url.transport === "wire") {
    throw new UsageError(
      "CrateDB takes a --cratedb-jwt over HTTP alone, and the CrateDB URL names the wire",
      {
        hint: "Name the HTTP endpoint, e.g. crate://host:4200/?ssl=true.",
      },
    );
  }
  if (token !== undefined && url.password !== "") {
    throw new UsageError("--cratedb-jwt is given, and the CrateDB URL has a password", {
      hint: "The token takes the place of the password. Leave one of them out.",
    });
  }
  const address = {
    ...url,
    ...token !== undefined && { jwt: latest(CRATEDB_JWT, given, token, ({ cratedbJwt }) => cratedbJwt) },
    ...fileWith(CRATEDB_URL, given) !== undefined && {
      latestPassword: latest(CRATEDB_URL, given, url.password, ({ cratedbUrl }) => cratedbUrl.password),
    },
    ...hasCertificates && { certificates: { ca, cert, key } },
  };
  return [Object.freeze(address), rest];
}

/**
 * Returns the current secret, which may be replaced while the program runs. A file is read again after it has changed. If it
 * cannot be read, the last secret is returned.
 */
function latest<const Secret extends Option>(
  option: Secret,
  given: Given,
  first: string,
  secretOf: (values: Values<readonly [Secret]>) => string | undefined,
): () => string {
  const file = fileWith(option, given);
  if (file === undefined) return () => first;
  let secret = first;
  let version = versionOf(file);
  return () => {
    const found = versionOf(file);
    if (found === version) return secret;
    version = found;
    try {
      secret = secretOf(readOptions([option] as const, given)) ?? secret;
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
    }
    return secret;
  };
}

/** Another text once a file was written or replaced. */
function versionOf(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat ? `${stat.ino} ${stat.size} ${stat.mtimeMs}` : "";
}
