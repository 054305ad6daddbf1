/** A CrateDB with TLS and host-based authentication. */
import { loadContainers } from "../deps.ts";
import { eventually } from "../../dev/servers/eventually.ts";
import { startContainer } from "../../dev/servers/start_container.ts";
import { openTransport } from "../../lib/sink/connection/open_transport.ts";
import type { Transport } from "../../lib/sink/connection/transport.ts";
import { parseSinkUrl } from "../../lib/sink/connection/url.ts";
import type { Authority } from "./certificates.ts";
import { tokenIssuer } from "./web_tokens.ts";

/** Users of this server, each named by how they log in. */
export const USERS = { certificate: "by_certificate", token: "by_token", password: "by_password" } as const;
export const PASSWORD = "hunter2secret";

export interface SecuredCratedb extends AsyncDisposable {
  readonly httpUrl: (user: string, password?: string) => string;
  readonly wireUrl: (user: string, password?: string) => string;
  readonly tokenOf: (user: string, expiresInSeconds: number) => string;
  /** As the superuser, who is trusted. */
  readonly transport: Transport;
}

const STORE_PASSWORD = "secret";
const JWKS_URL = "http://127.0.0.1:8000/jwks.json";

const SETTINGS = {
  "discovery.type": "single-node",
  "ssl.http.enabled": true,
  "ssl.psql.enabled": true,
  "ssl.keystore_filepath": "/tls/server.p12",
  "ssl.keystore_password": STORE_PASSWORD,
  "ssl.keystore_key_password": STORE_PASSWORD,
  "ssl.truststore_filepath": "/tmp/trusted.p12",
  "ssl.truststore_password": STORE_PASSWORD,
  "auth.host_based.enabled": true,
  "auth.host_based.config.0.user": "crate",
  "auth.host_based.config.0.method": "trust",
  "auth.host_based.config.1.user": USERS.certificate,
  "auth.host_based.config.1.method": "cert",
  "auth.host_based.config.1.ssl": "on",
  "auth.host_based.config.2.user": USERS.token,
  "auth.host_based.config.2.method": "jwt",
  "auth.host_based.config.2.protocol": "http",
  "auth.host_based.config.3.user": USERS.password,
  "auth.host_based.config.3.method": "password",
};

/** The Java VM of the image makes the store of trusted certificates, and serves the keys of tokens. */
const COMMAND = [
  `/crate/jdk/bin/keytool -importcert -noprompt -file /tls/ca.pem -keystore /tmp/trusted.p12 -storepass ${STORE_PASSWORD}`,
  "{ /crate/jdk/bin/jwebserver -p 8000 -d /jwks & }",
  `exec /docker-entrypoint.sh crate ${
    Object.entries(SETTINGS).map(([name, value]) => `-C${name}=${value}`).join(" ")
  }`,
].join(" && ");

/** @throws {NoServerError} if no container can be started */
export async function securedCratedb(authority: Authority): Promise<SecuredCratedb> {
  await using stack = new AsyncDisposableStack();
  const { jwks, issue } = tokenIssuer();
  const ca = await Deno.readTextFile(authority.ca);
  const { getContainerRuntimeClient } = await loadContainers();
  const { info: { containerRuntime: { host } } } = await getContainerRuntimeClient();
  const server = await authority.issue("/CN=server", host);
  const { ports: [http, wire] } = stack.use(
    await startContainer(Deno.env.get("CRATEDB_IMAGE") || "crate:5.7", {
      command: () => ["sh", "-c", COMMAND],
      data: "/data",
      inMemory: true,
      environment: { CRATE_HEAP_SIZE: "512m", CRATE_JAVA_OPTS: "-XX:TieredStopAtLevel=1" },
      files: {
        "/tls/ca.pem": ca,
        "/tls/server.p12": await authority.pkcs12(server, STORE_PASSWORD),
        "/jwks/jwks.json": jwks,
      },
      ports: [4200, 5432],
    }),
  );
  const login = (user: string, password?: string) => password === undefined ? user : `${user}:${password}`;
  const httpUrl = (user: string, password?: string) =>
    `crate://${login(user, password)}@${host}:${http}/?ssl=true`;
  const address = { ...parseSinkUrl(httpUrl("crate")), certificates: { ca } };
  const transport = stack.use(
    await eventually(() => openTransport(address), { timeout: 90_000, interval: 100 }),
  );
  for (
    const statement of [
      `CREATE USER ${USERS.certificate}`,
      `CREATE USER ${USERS.password} WITH (password = '${PASSWORD}')`,
      `CREATE USER ${USERS.token} WITH (jwt = {"iss" = '${JWKS_URL}', "username" = 'relay', "aud" = 'test'})`,
      `GRANT ALL TO ${Object.values(USERS).join(", ")}`,
    ]
  ) await transport.query(statement);
  const closing = stack.move();
  return {
    httpUrl,
    wireUrl: (user, password) =>
      `postgresql://${login(user, password)}@${host}:${wire}/doc?sslmode=verify-full`,
    tokenOf: (user, expiresInSeconds) =>
      issue({ iss: JWKS_URL, username: user, aud: "test" }, expiresInSeconds),
    transport,
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}
