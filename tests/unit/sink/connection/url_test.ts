import assert from "node:assert/strict";
import { UsageError } from "../../../../lib/util/errors.ts";
import { parseSinkUrl, type SinkAddress } from "../../../../lib/sink/connection/url.ts";

const LOCAL: SinkAddress = {
  transport: "http",
  host: "localhost",
  port: 4200,
  user: "crate",
  password: "",
  tls: false,
  schema: "doc",
};
const WIRE: SinkAddress = { ...LOCAL, transport: "wire", port: 5432 };
const HOST = { host: "db.example.org" };

const URLS: readonly (readonly [string, SinkAddress])[] = [
  ["crate://", LOCAL],
  ["crate://localhost", LOCAL],
  ["crate:///", LOCAL],
  ["crate://db.example.org:4201", { ...LOCAL, ...HOST, port: 4201 }],
  ["crate://db.example.org:80", { ...LOCAL, ...HOST, port: 80 }],
  ["crate://db.example.org:443/?ssl=true", { ...LOCAL, ...HOST, port: 443, tls: true }],
  ["crate://me@db.example.org", { ...LOCAL, ...HOST, user: "me" }],
  ["crate://me:pw@db.example.org", { ...LOCAL, ...HOST, user: "me", password: "pw" }],
  ["crate://m%65:s%40f%3Ae%2F%25@db.example.org", { ...LOCAL, ...HOST, user: "me", password: "s@f:e/%" }],
  ["crate://me:a+b@db.example.org", { ...LOCAL, ...HOST, user: "me", password: "a+b" }],
  ["crate://me:50%25=off@db.example.org", { ...LOCAL, ...HOST, user: "me", password: "50%=off" }],
  ['crate://me:a;b^[c]|d ä"<>{}`=😀@db.example.org', {
    ...LOCAL,
    ...HOST,
    user: "me",
    password: 'a;b^[c]|d ä"<>{}`=😀',
  }],
  ["crate://me:a@b@db.example.org", { ...LOCAL, ...HOST, user: "me", password: "a@b" }],
  ["crate://me:a:b@db.example.org", { ...LOCAL, ...HOST, user: "me", password: "a:b" }],
  ["crate://me:a%C3%A9@db.example.org", { ...LOCAL, ...HOST, user: "me", password: "aé" }],
  ["crate://me:pw@", { ...LOCAL, user: "me", password: "pw" }],
  ["crate://me:pw@:4201", { ...LOCAL, user: "me", password: "pw", port: 4201 }],
  ["crate://?ssl=true", { ...LOCAL, tls: true }],
  ["crate://db.example.org?ssl=1", { ...LOCAL, ...HOST, tls: true }],
  ["crate://db.example.org/?ssl=Yes", { ...LOCAL, ...HOST, tls: true }],
  ["crate://db.example.org/?ssl=false", { ...LOCAL, ...HOST }],
  ["crate://db.example.org/?ssl=off", { ...LOCAL, ...HOST }],
  ["crate://db.example.org/?sslmode=require", { ...LOCAL, ...HOST, tls: true }],
  ["crate://db.example.org/?sslmode=verify-full", { ...LOCAL, ...HOST, tls: true }],
  ["crate://db.example.org/?sslmode=disable", { ...LOCAL, ...HOST }],
  ["crate://db.example.org/?sslmode=allow", { ...LOCAL, ...HOST, tls: true }],
  ["crate://db.example.org/?sslmode=prefer", { ...LOCAL, ...HOST, tls: true }],
  ["crate://db.example.org/?ssl=true&sslmode=disable", { ...LOCAL, ...HOST }],
  ["crate://db.example.org/?schema=weather", { ...LOCAL, ...HOST, schema: "weather" }],
  ["crate://db.example.org/?ssl=true&schema=w%20x", { ...LOCAL, ...HOST, tls: true, schema: "w x" }],
  ["crate://[::1]", { ...LOCAL, host: "[::1]" }],
  ["crate://me:pw@[2001:db8::1]:4201/", {
    ...LOCAL,
    host: "[2001:db8::1]",
    user: "me",
    password: "pw",
    port: 4201,
  }],
  ["crate://a,b:4201", { ...LOCAL, host: "a", others: [{ host: "b", port: 4201 }] }],
  ["crate://me:p,w@a:4201,b:80,[::1]/?ssl=true", {
    ...LOCAL,
    host: "a",
    port: 4201,
    others: [{ host: "b", port: 80 }, { host: "[::1]", port: 4200 }],
    user: "me",
    password: "p,w",
    tls: true,
  }],
  ["postgresql://me@a:5432,[::1]:5433/weather", {
    ...WIRE,
    host: "a",
    others: [{ host: "::1", port: 5433 }],
    user: "me",
    schema: "weather",
  }],
  ["https://db.example.org:4200", { ...LOCAL, ...HOST, tls: true }],
  ["postgresql://crate@db.example.org:5432/doc", { ...WIRE, ...HOST }],
  ["postgres://db.example.org/weather", { ...WIRE, ...HOST, schema: "weather" }],
  ["postgresql://me:s%40fe@db.example.org:15432/", {
    ...WIRE,
    ...HOST,
    user: "me",
    password: "s@fe",
    port: 15432,
  }],
  ["postgresql://me:50%25=off@db.example.org", { ...WIRE, ...HOST, user: "me", password: "50%=off" }],
  ["crate+urllib3://me@db.example.org", { ...LOCAL, ...HOST, user: "me" }],
  ["crate+psycopg://", WIRE],
  ["crate+psycopg://me:pw@db.example.org/weather?sslmode=require", {
    ...WIRE,
    ...HOST,
    user: "me",
    password: "pw",
    tls: true,
    schema: "weather",
  }],
  ["crate+psycopg_async://db.example.org", { ...WIRE, ...HOST }],
  ["crate+asyncpg://db.example.org:15432/?ssl=true", { ...WIRE, ...HOST, port: 15432, tls: true }],
  ["postgresql+asyncpg://db.example.org", { ...WIRE, ...HOST }],
  ["postgresql+psycopg2://db.example.org", { ...WIRE, ...HOST }],
  ["CRATE://db.example.org", { ...LOCAL, ...HOST }],
  ["Crate+PsycoPG://db.example.org", { ...WIRE, ...HOST }],
  ["HTTPS://db.example.org", { ...LOCAL, ...HOST, tls: true }],
  ["crate://?schema=&timeout=30", LOCAL],
  ["http://localhost:4200/_sql", LOCAL],
  ["postgresql://db.example.org/doc?sslmode=require", { ...WIRE, ...HOST, tls: true }],
];

for (const [url, address] of URLS) {
  Deno.test(`parseSinkUrl() ${url}`, () => assert.deepEqual(parseSinkUrl(url), address));
}

Deno.test("parseSinkUrl() gives the PostgreSQL wire an IPv6 address without brackets, as sockets take it", () => {
  assert.equal(parseSinkUrl("postgresql://crate@[::1]:5432/doc").host, "::1");
});

const WRONG = [
  "",
  "localhost:4200",
  "mysql://admin:s3cret@db.example.org",
  "crate:/admin:s3cret@db.example.org",
  "admin:s3cret@db.example.org:4200",
  "crate://admin:s3cret@db.example.org:port",
  "crate://admin:s3cret@db.example.org:99999",
  "crate://admin:s3cret@db example org",
  "crate://admin:s3cret/s3cret@db.example.org",
  "crate://admin:s3cret?s3cret@db.example.org",
  "crate://admin:s3cret#s3cret@db.example.org",
  "crate://admin:s3cret@s3cret@db.example.org:x",
  "crate://admin:s3cret@db.example.org/?ssl=maybe",
  "crate://admin:s3cret@db.example.org/?sslmode=maybe",
  "crate://admin:s3cret@[::1",
  "crate://admin:s3cret@a:4200,",
  "crate://admin:s3cret@,a:4200",
  "crate://admin:s3cret@a:4200,b:port",
  "crate://admin:s3cret@a, b",
  "crate://admin:50%=s3cret@db.example.org",
  "crate://admin:s3cret%@db.example.org",
  "crate://admin:s3cret%2@db.example.org",
  "crate://admin:s3cret%zz@db.example.org",
  "crate://admin:s3cretä%@db.example.org",
  "crate://admin:s3cret%C3%28@db.example.org",
  "crate://50%admin:s3cret@db.example.org",
  "crate://admin:s3cret@db.example.org/50%",
  "postgresql://admin:s3cret@db.example.org/?schema=50%",
  "crate://admin:s3\tcret@db.example.org",
  "crate://admin:s3\ncret@db.example.org",
  "crate://admin:12\\s3cret@db.example.org",
  "crate://admin:12/s3cret@db.example.org",
  "crate://admin:12?s3cret@db.example.org",
  "crate://admin:12#s3cret@db.example.org",
  "crate+https://admin:s3cret@db.example.org",
  "crate+http://admin:s3cret@db.example.org",
  "crate+://admin:s3cret@db.example.org",
  "CRATE+HTTPS://admin:s3cret@db.example.org",
  "http+psycopg://admin:s3cret@db.example.org",
  "postgresql+urllib3://admin:s3cret@db.example.org",
  "constructor://admin:s3cret@db.example.org",
  "crate://admin:s3cret@?servers=db.example.org:4200",
  "crate://admin:s3cret@db.example.org/?sssl=true",
  "postgresql:///doc?host=db.example.org&user=admin&password=s3cret",
  "crate//admin:s3cret@db.example.org",
  "//admin:s3cret@db.example.org",
  "crate;//admin:s3cret@db.example.org",
  "crate ://admin:s3cret@db.example.org",
  '"crate://admin:s3cret@db.example.org"',
];

for (const url of WRONG) {
  Deno.test(`parseSinkUrl() refuses ${JSON.stringify(url)} without the password`, () => {
    assert.throws(() => parseSinkUrl(url), (error) => {
      assert.ok(error instanceof UsageError, String(error));
      assert.match(error.message, /CrateDB URL/);
      assert.doesNotMatch(`${error.message} ${error.hint} ${error.stack}`, /s3cret/);
      assert.match(error.hint ?? "", /crate:\/\//);
      return true;
    });
  });
}

const SAYING: Readonly<Record<string, RegExp>> = {
  "crate://me:50%=off@db.example.org": /has a % that encodes nothing.*\n.*% is %25/,
  "crate+https://me:pw@db.example.org":
    /has the unknown driver https \(known: crate, crate\+urllib3.*\n.*ssl=true/,
  "http+urllib3://db.example.org": /has the unknown driver urllib3 \(known: http\)/,
  "mysql+psycopg://db.example.org": /must start with crate:\/\/ or postgresql:\/\//,
};

for (const [url, saying] of Object.entries(SAYING)) {
  Deno.test(`parseSinkUrl() reports the fault of ${url}`, () => {
    assert.throws(() => parseSinkUrl(url), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(`${error.message}\n${error.hint}`, saying);
      return true;
    });
  });
}
