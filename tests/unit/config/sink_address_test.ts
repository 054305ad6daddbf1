/** How to log in to the sink: tokens, certificates, and what does not go together. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { statusConfig, waitConfig } from "../../../lib/config/config.ts";
import { effectiveOf, savedText } from "../../../lib/config/effective.ts";
import type { Flags } from "../../../lib/config/read.ts";
import { relayConfig } from "../../../lib/config/relay_settings.ts";
import { describe } from "../../../lib/pipeline/status/describe_error.ts";
import { UsageError } from "../../../lib/util/errors.ts";

const FOLDER = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(FOLDER, { recursive: true }));

/** A text that no output may contain. */
const SECRET = "aHVzaA";
const TOKEN = `eyJh.eyJi.${SECRET}`;
const NEXT_TOKEN = `eyJj.eyJk.${SECRET}`;
const CERTIFICATE = `-----BEGIN CERTIFICATE-----\n${SECRET}\n-----END CERTIFICATE-----\n`;
const KEY = `-----BEGIN EC PRIVATE KEY-----\n${SECRET}\n-----END EC PRIVATE KEY-----\n`;

async function file(name: string, content: string): Promise<string> {
  const path = join(FOLDER, name);
  await Deno.writeTextFile(path, content);
  return path;
}

const ca = await file("ca.pem", CERTIFICATE);
const cert = await file("cert.pem", CERTIFICATE);
const key = await file("key.pem", KEY);
const locked = await file("locked.pem", KEY.replaceAll("EC PRIVATE", "ENCRYPTED PRIVATE"));
const noPem = await file("no.pem", SECRET);
const noToken = await file("no-token", SECRET);
const none = join(FOLDER, "none");

const URLS = { http: "crate://relay@db/?ssl=true", wire: "postgresql://relay@db/doc?sslmode=verify-full" };

const COMMANDS = { "cdc-relay": relayConfig, status: statusConfig, wait: waitConfig };
for (const [command, config] of Object.entries(COMMANDS)) {
  for (const url of Object.values(URLS)) {
    Deno.test(`${command} accepts certificates for ${url}`, () => {
      const env = { CRATEDB_URL: url, CRATEDB_CA: ca, CRATEDB_CERT: cert, CRATEDB_KEY: key };
      assert.deepEqual(config({ flags: {}, env }).sink.certificates, {
        ca: CERTIFICATE,
        cert: CERTIFICATE,
        key: KEY,
      });
    });
  }
}

Deno.test("a certificate and its key are shown and saved as the names of their files", () => {
  const env = { CRATEDB_URL: URLS.http, CRATEDB_CA: ca, CRATEDB_CERT: cert, CRATEDB_KEY: key };
  const effective = effectiveOf({ flags: {}, env });
  assert.deepEqual(
    effective.effective.filter(({ origin }) => /_(?:CA|CERT|KEY)$/.test(origin)).map(({ text }) => text),
    [ca, cert, key],
  );
  assert.ok(!savedText(effective).includes(SECRET));
});

Deno.test("a plain URL has neither token nor certificates", () => {
  const { sink } = relayConfig({ flags: { "cratedb-url": URLS.http }, env: {} });
  assert.deepEqual([sink.jwt, sink.certificates], [undefined, undefined]);
});

/** Writes a file as one that is a second newer. */
async function replace(path: string, text: string): Promise<void> {
  const { mtime } = await Deno.stat(path);
  await Deno.writeTextFile(path, text);
  const next = (mtime?.getTime() ?? 0) / 1_000 + 1;
  await Deno.utime(path, next, next);
}

Deno.test("a token's file is read again after a change; if it cannot be read, the last token stays", async () => {
  const path = await file("token", `${TOKEN}\n`);
  const { sink } = relayConfig({ flags: {}, env: { CRATEDB_JWT_FILE: path } });
  assert.equal(sink.jwt?.(), TOKEN);
  await replace(path, NEXT_TOKEN);
  assert.equal(sink.jwt?.(), NEXT_TOKEN);
  await replace(path, "");
  assert.equal(sink.jwt?.(), NEXT_TOKEN);
  await replace(path, TOKEN);
  assert.equal(sink.jwt?.(), TOKEN);
  await Deno.remove(path);
  assert.equal(sink.jwt?.(), TOKEN);
});

Deno.test("a token's file that has not changed is not read again", async () => {
  const path = await file("token", TOKEN);
  const { sink } = relayConfig({ flags: {}, env: { CRATEDB_JWT_FILE: path } });
  const { mtime, atime } = await Deno.stat(path);
  await Deno.writeTextFile(path, TOKEN.replace(/.$/, "X"));
  await Deno.utime(path, atime ?? 0, mtime ?? 0);
  assert.equal(sink.jwt?.(), TOKEN);
});

Deno.test("the password of a URL in a file is the current one", async () => {
  const path = await file("url", "postgresql://relay:first@db:5432/doc");
  const { sink } = relayConfig({ flags: { "cratedb-url-file": path }, env: {} });
  assert.equal(sink.latestPassword?.(), "first");
  await replace(path, "postgresql://relay:second@db:5432/doc");
  assert.equal(sink.latestPassword?.(), "second");
  await replace(path, "mysql://");
  assert.equal(sink.latestPassword?.(), "second");
});

const WRONG: readonly (readonly [string, Flags, RegExp])[] = [
  [
    "a CA that does not exist",
    { "cratedb-ca": none },
    /^--cratedb-ca names a file that cannot be read: .*none/,
  ],
  ["a CA without a certificate", { "cratedb-ca": noPem }, /^--cratedb-ca names a file without a certificate/],
  [
    "a key without one",
    { "cratedb-cert": cert, "cratedb-key": cert },
    /^--cratedb-key names a file without a priv/,
  ],
  ["a key with a passphrase", { "cratedb-cert": cert, "cratedb-key": locked }, /needs a passphrase/],
  [
    "a certificate without its key",
    { "cratedb-cert": cert },
    /--cratedb-cert and --cratedb-key need each other/,
  ],
  [
    "a key without its certificate",
    { "cratedb-key": key },
    /--cratedb-cert and --cratedb-key need each other/,
  ],
  ["a CA without TLS", { "cratedb-ca": ca, "cratedb-url": "crate://db" }, /need a CrateDB URL with TLS/],
  ["a malformed token", { "cratedb-jwt": SECRET }, /^--cratedb-jwt is not a JSON Web Token$/],
  [
    "a file without a token",
    { "cratedb-jwt-file": noToken },
    /names a file whose content is not a JSON Web Token/,
  ],
  [
    "a token's file that does not exist",
    { "cratedb-jwt-file": none },
    /^--cratedb-jwt-file names a file that cannot/,
  ],
  ["a token over the wire", { "cratedb-jwt": TOKEN, "cratedb-url": URLS.wire }, /--cratedb-jwt needs HTTP/],
  [
    "a token and a password",
    { "cratedb-jwt": TOKEN, "cratedb-url": `crate://u:${SECRET}@db` },
    /has a password/,
  ],
];

for (const [what, flags, message] of WRONG) {
  Deno.test(`${what} is wrong usage, reported without secrets`, () => {
    assert.throws(() => relayConfig({ flags: { "cratedb-url": URLS.http, ...flags }, env: {} }), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, message);
      assert.ok(error.hint);
      assert.doesNotMatch(JSON.stringify(describe(error)), new RegExp(SECRET));
      return true;
    });
  });
}
