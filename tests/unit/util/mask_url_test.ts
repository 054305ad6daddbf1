import assert from "node:assert/strict";
import { maskSecrets, maskUrl } from "../../../lib/util/mask_url.ts";

const URLS: Readonly<Record<string, string>> = {
  "mongodb://localhost/": "mongodb://localhost/",
  "mongodb://user@localhost/": "mongodb://user@localhost/",
  "mongodb://user:pw@localhost/": "mongodb://user:***@localhost/",
  "crate://admin:s3cr/et@db.example.org/?ssl=true": "crate://admin:***@db.example.org/?ssl=true",
  "mongodb://user:p@ss:w@localhost/": "mongodb://user:***@localhost/",
  "  mongodb://user:pw@localhost/": "  mongodb://user:***@localhost/",
  "crate://user:pw@a:4200,b:4200": "crate://user:***@a:4200,b:4200",
  "postgresql://a:5432,b:5432/doc": "postgresql://a:5432,b:5432/doc",
  "user:pw@localhost": "user:***@localhost",
  "a/b:pw@localhost": "***@localhost",
  "//user:pw@localhost": "***@localhost",
  "mongodb://localhost/a@b": "mongodb://localhost/a@b",
  "http://h/?password=x&a=b": "http://h/?password=***&a=b",
  "http://h/?a=b?password=x y": "http://h/?a=b?password=*** y",
  "http://h/?my_TOKEN=a=b#c": "http://h/?my_TOKEN=***#c",
  "http://h/?a&clientSecret=x&b": "http://h/?a&clientSecret=***&b",
  "http://h/?authMechanismProperties=A:b,C:d": "http://h/?authMechanismProperties=***",
  "http://h/?noAuthMechanismProperties=x": "http://h/?noAuthMechanismProperties=x",
  "http://h/?password": "http://h/?password",
  "http://h/?token=a?secret=b": "http://h/?token=***",
};

for (const [url, masked] of Object.entries(URLS)) {
  Deno.test(`maskUrl() of ${url}`, () => assert.equal(maskUrl(url), masked));
}

Deno.test("maskSecrets() masks each URL of a text, and tokens", () => {
  const token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl";
  assert.equal(
    maskSecrets(`mongodb://a:b@h/ (or crate://c:d@h) with ${token}, not a:b@h`),
    "mongodb://a:***@h/ (or crate://c:***@h) with ***, not a:b@h",
  );
});
