/** The sink's options become its address. */
import type { SinkAddress } from "../sink/connection/url.ts";
import { UsageError } from "../util/errors.ts";
import type { Values } from "./options/option.ts";
import { type Given, readOptions } from "./options/read.ts";
import { CRATEDB_JWT, type SINK } from "./options/sink.ts";

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
    ...token !== undefined && { jwt: latestToken(token, given) },
    ...hasCertificates && { certificates: { ca, cert, key } },
  };
  return [Object.freeze(address), rest];
}

/** A token expires, so its file is read each time. While it is being replaced, the token before it will do. */
function latestToken(first: string, given: Given): () => string {
  let latest = first;
  return () => {
    try {
      latest = readOptions([CRATEDB_JWT], given).cratedbJwt ?? latest;
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
    }
    return latest;
  };
}
