import assert from "node:assert/strict";
import { connectMongodb } from "../../../lib/source/mongodb.ts";
import { UsageError } from "../../../lib/util/errors.ts";

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

for (const option of ["tlsCAFile", "tlsCertificateKeyFile"]) {
  Deno.test(`connectMongodb() says that the file of ${option} cannot be read`, () =>
    assert.rejects(connectMongodb(`mongodb://localhost/?tls=true&${option}=/nowhere.pem`), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, /cannot be read: \/nowhere\.pem$/);
      assert.match(error.hint ?? "", new RegExp(option));
      return true;
    }));
}
