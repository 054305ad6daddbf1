import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:tls";
import { clientOf, connectMongodb, withoutTimeout } from "../../../../lib/source/connection/mongodb.ts";
import { UsageError, UserError } from "../../../../lib/util/errors.ts";
import { hasOpenssl, makeAuthority } from "../../../support/certificates.ts";
import { type Answer, FakeMongos } from "../../../support/fake_mongos.ts";

const URLS: Readonly<Record<string, RegExp>> = {
  "mongo://localhost/": /MONGODB_URL is malformed: Invalid scheme/,
  "mongodb://me:p/w@localhost/": /MONGODB_URL is malformed/,
  "mongodb://me:50%=off@localhost/": /MONGODB_URL is malformed: URI malformed/,
  "mongodb://me:a%zz@localhost/": /MONGODB_URL is malformed: URI malformed/,
  "mongodb://me:a%2@localhost/": /MONGODB_URL is malformed: URI malformed/,
  "mongodb://m%e:pä@localhost/": /MONGODB_URL is malformed: URI malformed/,
  "mongodb+srv://me:50%@db.example.org/": /MONGODB_URL is malformed: URI malformed/,
  "mongodb://localhost/?authMechanism=SCRAM-SHA-1": /MONGODB_URL is malformed: Username required/,
  "mongodb://localhost/?authMechanism=MONGODB-OIDC": /MONGODB_URL is malformed: .*ENVIRONMENT/,
  "mongodb://localhost/?authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:nowhere":
    /MONGODB_URL is malformed: .*azure,gcp,k8s/,
  "mongodb://localhost/?authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:azure":
    /MONGODB_URL is malformed: TOKEN_RESOURCE must be set/,
  "mongodb://me:hush@localhost/?authMechanism=MONGODB-AWS": /MONGODB_URL is malformed: .*AWS SDK/,
  "mongodb://localhost/?replicaSet=a&loadBalanced=true": /MONGODB_URL is malformed: loadBalanced/,
};

for (const [url, message] of Object.entries(URLS)) {
  Deno.test(`connectMongodb() says what is wrong with ${url}`, () =>
    assert.rejects(connectMongodb(url), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, message);
      assert.match(error.hint ?? "", /mongodb:\/\/\[user:password@\]host.*% is %25/);
      return true;
    }));
}

Deno.test("clientOf() lets each stream of a process hold a connection, unless the URL limits them", async () => {
  for (const [query, expected] of [["", 0], ["?maxPoolSize=7", 7]] as const) {
    await using client = clientOf(`mongodb://localhost/${query}`);
    assert.equal(client.options.maxPoolSize, expected);
  }
});

for (const option of ["tlsCAFile", "tlsCertificateKeyFile"]) {
  Deno.test(`connectMongodb() says that the file of ${option} cannot be read`, () =>
    assert.rejects(connectMongodb(`mongodb://localhost/?tls=true&${option}=/nowhere.pem`), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, /cannot be read: \/nowhere\.pem$/);
      assert.match(error.hint ?? "", new RegExp(option));
      return true;
    }));
}

const HOST = "127\\.0\\.0\\.1:\\d+";

/** The server's answer to hello, options of the URL, message, hint. */
const UNREACHABLE: readonly (readonly [string, Readonly<Record<string, unknown>>, string, RegExp, RegExp])[] =
  [
    [
      "another replica set",
      { msg: "", setName: "rs0" },
      "replicaSet=rsX",
      new RegExp(`^MONGODB_URL names the replica set rsX, but the server at ${HOST} is in rs0\\.$`),
      /^Use replicaSet=rs0, or remove replicaSet\.$/,
    ],
    [
      "no replica set",
      { msg: "" },
      "replicaSet=rsX",
      new RegExp(
        `^MONGODB_URL names the replica set rsX, but the server at ${HOST} runs without a replica set\\.$`,
      ),
      /--replSet rsX/,
    ],
    [
      "a mongos",
      {},
      "replicaSet=rsX",
      new RegExp(`^MONGODB_URL names the replica set rsX, but the server at ${HOST} is a mongos`),
      /^Remove replicaSet\.$/,
    ],
    [
      "no TLS",
      {},
      "tls=true",
      new RegExp(`^MONGODB_URL requires TLS, but the server at ${HOST} answers without it\\.$`),
      /^Remove tls=true/,
    ],
  ];

for (const [what, always, query, message, hint] of UNREACHABLE) {
  Deno.test(`connectMongodb() reports that the server is ${what}, and does not log in`, async () => {
    const commands: string[] = [];
    const answer: Answer = (command) => void commands.push(...Object.keys(command).slice(0, 1));
    await using server = await FakeMongos.start(answer, always);
    const url = `mongodb://user:secret@${server.address}/?serverSelectionTimeoutMS=300&${query}`;
    await assert.rejects(connectMongodb(url), (error) => {
      assert.ok(error instanceof UserError, String(error));
      assert.match(error.message, message);
      assert.match(error.hint ?? "", hint);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
    assert.deepEqual(commands.filter((each) => each.startsWith("sasl")), []);
  });
}

Deno.test({
  name: "connectMongodb() reports that the server requires TLS",
  ignore: !hasOpenssl,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const { cert, key } = await stack.use(await makeAuthority()).issue("/CN=localhost", "localhost");
    const mongos = stack.use(await FakeMongos.start());
    const files = { cert: await Deno.readTextFile(cert), key: await Deno.readTextFile(key) };
    const server = createServer(files, (socket) => mongos.serve(socket));
    server.on("tlsClientError", () => {});
    stack.defer(() => void server.close());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const url = `mongodb://127.0.0.1:${port}/?serverSelectionTimeoutMS=300`;
    await assert.rejects(connectMongodb(url), (error) => {
      assert.ok(error instanceof UserError, String(error));
      assert.match(error.message, /accepts only TLS, but MONGODB_URL does not enable it\.$/);
      assert.match(error.hint ?? "", /^Add tls=true/);
      return true;
    });
  },
});

Deno.test("connectMongodb() names the package of a compressor that is missing, and one that needs none", async () => {
  await using server = await FakeMongos.start(undefined, { compression: ["snappy"] });
  await assert.rejects(connectMongodb(`mongodb://${server.address}/?compressors=snappy`), (error) => {
    assert.ok(error instanceof UsageError, String(error));
    assert.equal(error.message, "MONGODB_URL has compressors=snappy, which needs the npm package snappy.");
    assert.match(error.hint ?? "", /^compressors=zlib needs no package\..*npm install -g snappy/);
    return true;
  });
});

for (
  const [query, expected] of [["", 60_000], ["?socketTimeoutMS=7000", 7_000], [
    "?socketTimeoutMS=0",
    0,
  ]] as const
) {
  Deno.test(`clientOf() closes connections that are silent during a login, with ${query || "no option"}`, () => {
    const client = clientOf(`mongodb://localhost/${query}`);
    assert.equal(client.options.socketTimeoutMS, expected);
    assert.deepEqual(withoutTimeout(client), query === "" ? { socketTimeoutMS: 0 } : {});
  });
}
