/** Options of CrateDB: where it is, and how to log in to it. */
import { parseSinkUrl } from "../../sink/connection/url.ts";
import { WEB_TOKEN } from "../../util/mask_url.ts";
import { certificateFile, privateKeyFile } from "../pem_file.ts";
import { fileOf, option } from "./option.ts";
import { optional } from "./parsers.ts";

export const CRATEDB_URL = option({
  flag: "cratedb-url",
  env: ["CRATEDB_URL", "CRATEDB_SQLALCHEMY_URL"],
  default: "crate://",
  value: "URL",
  help:
    "CrateDB: crate://[user:password@]host[:4200] over HTTP, postgresql://crate@host:5432/doc over the wire",
  parse: parseSinkUrl,
  file: true,
});

const ONE_WEB_TOKEN = new RegExp(`^${WEB_TOKEN.source}$`);

function webToken(value: string): string {
  if (!ONE_WEB_TOKEN.test(value)) throw new RangeError("is not a JSON Web Token");
  return value;
}

export const CRATEDB_JWT = option({
  flag: "cratedb-jwt",
  env: ["CRATEDB_JWT"],
  default: "",
  value: "TOKEN",
  help: "JSON Web Token to log in to CrateDB with, in place of a password",
  parse: optional(webToken),
  file: true,
});

/** Where the sink is, how to log in to it, and whom to trust. */
export const SINK = [
  CRATEDB_URL,
  fileOf(CRATEDB_URL),
  CRATEDB_JWT,
  fileOf(CRATEDB_JWT),
  option({
    flag: "cratedb-ca",
    env: ["CRATEDB_CA"],
    default: "",
    value: "FILE",
    help: "CA bundle (PEM) to verify CrateDB's certificate with; replaces the CAs of the system",
    parse: optional(certificateFile),
  }),
  option({
    flag: "cratedb-cert",
    env: ["CRATEDB_CERT"],
    default: "",
    value: "FILE",
    help: "PEM file of the certificate to log in to CrateDB with; --cratedb-key has its key",
    parse: optional(certificateFile),
  }),
  option({
    flag: "cratedb-key",
    env: ["CRATEDB_KEY"],
    default: "",
    value: "FILE",
    help: "PEM file of the private key of --cratedb-cert",
    parse: optional(privateKeyFile),
  }),
] as const;
