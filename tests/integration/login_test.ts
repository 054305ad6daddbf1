/** Logins to CrateDB by certificate and by token, to MongoDB by certificate, and the errors. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { run, start } from "../support/program.ts";
import { eventually } from "../../dev/servers/eventually.ts";
import { relayConfig } from "../../lib/config/relay_settings.ts";
import { describe } from "../../lib/pipeline/status/describe_error.ts";
import { openTransport } from "../../lib/sink/connection/open_transport.ts";
import { hasOpenssl, type Issued, makeAuthority } from "../support/certificates.ts";
import { binaryVersion, hasContainers, ownMongodb } from "../support/own_mongodb.ts";
import { PASSWORD, securedCratedb, USERS } from "../support/secured_cratedb.ts";

const HOUR_SECONDS = 3_600;

type Variables = Readonly<Record<string, string>>;

async function userOf(env: Variables): Promise<unknown> {
  await using transport = await openTransport(relayConfig({ flags: {}, env }).sink);
  const { rows: [[user] = []] } = await transport.query("SELECT CURRENT_USER");
  return user;
}

const own = ({ cert, key }: Issued): Variables => ({ CRATEDB_CERT: cert, CRATEDB_KEY: key });

Deno.test({
  name: "a relay logs in by certificate and by token",
  ignore: !hasOpenssl || !hasContainers || binaryVersion === undefined,
  async fn(test) {
    await using stack = new AsyncDisposableStack();
    const authority = stack.use(await makeAuthority());
    const stranger = stack.use(await makeAuthority());
    const server = await authority.issue("/CN=mongodb", "127.0.0.1");
    const mongodb = stack.use(
      await ownMongodb({
        binary: true,
        auth: true,
        args: [
          ...["--tlsMode", "preferTLS", "--tlsCAFile", authority.ca],
          ...["--tlsCertificateKeyFile", server.both],
        ],
      }),
    );
    const cratedb = stack.use(await securedCratedb(authority));
    const { httpUrl, wireUrl, tokenOf } = cratedb;
    const ca = { CRATEDB_CA: authority.ca };
    const client = await authority.issue(`/CN=${USERS.certificate}`);
    const somebody = await authority.issue("/CN=somebody");
    const foreign = await stranger.issue(`/CN=${USERS.certificate}`);
    const tokenFile = join(authority.folder, "token");
    const token = tokenOf("relay", HOUR_SECONDS);
    const expired = tokenOf("relay", -HOUR_SECONDS);
    const byToken = { ...ca, CRATEDB_URL: httpUrl(USERS.token), CRATEDB_JWT_FILE: tokenFile };
    await Deno.writeTextFile(tokenFile, token);

    for (const [transport, url] of [["HTTP", httpUrl], ["the wire", wireUrl]] as const) {
      await test.step(`over ${transport}, by password with a CA, and by certificate`, async () => {
        const password = { ...ca, CRATEDB_URL: url(USERS.password, PASSWORD) };
        assert.equal(await userOf(password), USERS.password);
        assert.equal(
          await userOf({ ...ca, ...own(client), CRATEDB_URL: url(USERS.certificate) }),
          USERS.certificate,
        );
      });

      const refusals: readonly (readonly [string, Variables, RegExp, RegExp])[] = [
        ["no CA", {}, /TLS connection to CrateDB failed/, /--cratedb-ca/],
        [
          "the CA of a stranger",
          { CRATEDB_CA: stranger.ca },
          /TLS connection to CrateDB failed/,
          /--cratedb-ca/,
        ],
        ["no certificate", ca, /CrateDB refused the login: ./, /--cratedb-cert/],
        [
          "the certificate of somebody",
          { ...ca, ...own(somebody) },
          /refused the login: .*somebody/,
          /common name/,
        ],
        [
          "a certificate of a stranger",
          { ...ca, ...own(foreign) },
          /TLS connection to CrateDB failed/,
          /--cratedb-cert/,
        ],
      ];
      for (const [what, variables, message, hint] of refusals) {
        await test.step(`over ${transport}, with ${what}, an error`, async () => {
          const attempt = userOf({ ...variables, CRATEDB_URL: url(USERS.certificate) });
          await assert.rejects(attempt, (error) => {
            const told = describe(error);
            assert.match(told.message, message);
            assert.match(told.hint ?? "", hint);
            return true;
          });
        });
      }
    }

    const database = mongodb.mongodb.db("shop");
    await database.collection<{ _id: number }>("data").insertMany([{ _id: 1 }, { _id: 2 }]);
    const reader = await authority.issue("/O=shop/CN=reader");
    await mongodb.mongodb.db("$external").command({
      createUser: "CN=reader,O=shop",
      roles: [{ role: "read", db: "shop" }],
    });
    const withTls = (mechanism: string) => {
      const url = new URL(mongodb.mongodbUrl.replace(/\/\/.*@/, "//"));
      for (
        const [name, value] of Object.entries({
          tls: "true",
          tlsCAFile: authority.ca,
          tlsCertificateKeyFile: reader.both,
          authMechanism: mechanism,
        })
      ) url.searchParams.set(name, value);
      url.searchParams.delete("authSource");
      return url.href;
    };
    const flags = ["--database", "shop"];
    const secrets = [PASSWORD, token, token.split(".")[2] ?? "", expired];
    const isSilent = (text: string) => {
      for (const secret of secrets) assert.ok(!text.includes(secret), text);
    };

    await test.step("a relay follows MongoDB by certificate and writes by token, and logs neither", async () => {
      const env = { ...byToken, MONGODB_URL: withTls("MONGODB-X509") };
      const running = start(["cdc-relay", ...flags, "--listen", "127.0.0.1:0", "-v"], { env });
      await using _ = running;
      const base = /http:\S+/.exec(await running.waitForLine(/Metrics and health/))?.[0] ?? "";
      await running.waitForLine(/Ready/);
      await database.collection<{ _id: number }>("data").insertOne({ _id: 3 });
      await eventually(async () => {
        const { rows } = await cratedb.transport.query("SELECT count(*) FROM shop.data");
        assert.deepEqual(rows, [[3]]);
      }, { interval: 50 });
      for (const path of ["metrics", "status", "healthz", "readyz"]) {
        isSilent(await (await fetch(`${base}/${path}`)).text());
      }
      assert.equal((await running.kill()).code, 0);
      isSilent(running.stderr.join("\n"));
    });

    await test.step("verify logs in by certificate over the wire", async () => {
      const env = {
        ...ca,
        ...own(client),
        CRATEDB_URL: wireUrl(USERS.certificate),
        MONGODB_URL: withTls("MONGODB-X509"),
      };
      const { code, stderr } = await run(["verify", ...flags], { env });
      assert.equal(code, 0, stderr);
    });

    await test.step("an expired token is refused, and not logged", async () => {
      await Deno.writeTextFile(tokenFile, expired);
      const { code, stdout, stderr } = await run(["status"], { env: byToken });
      assert.match(stderr, /CrateDB refused the login: .*expired/);
      assert.equal(code, 1);
      isSilent(stdout + stderr);
    });

    await test.step("MONGODB-AWS names the package that it needs", async () => {
      const env = { ...byToken, MONGODB_URL: withTls("MONGODB-AWS") };
      await Deno.writeTextFile(tokenFile, token);
      const { code, stderr } = await run(["cdc-relay", ...flags], { env });
      assert.match(stderr, /needs the package @aws-sdk\/credential-providers/);
      assert.equal(code, 1);
    });
  },
});
