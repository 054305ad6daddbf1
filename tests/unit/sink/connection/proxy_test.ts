import assert from "node:assert/strict";
import { proxyTo } from "../../../../lib/sink/connection/proxy.ts";

const URL = "http://db.example.org:4200/_sql";
const PROXY = "http://proxy:3128";

/** The URL, the environment, and the proxy's address. */
const PROXIES: readonly (readonly [string, Record<string, string>, string | undefined])[] = [
  [URL, {}, undefined],
  [URL, { HTTP_PROXY: PROXY }, "proxy:3128"],
  [URL, { http_proxy: PROXY, HTTP_PROXY: "http://other:1" }, "proxy:3128"],
  [URL, { HTTP_PROXY: "proxy:3128" }, "proxy:3128"],
  [URL, { HTTP_PROXY: "" }, undefined],
  [URL, { HTTPS_PROXY: PROXY }, undefined],
  [URL, { ALL_PROXY: "http://proxy" }, "proxy:80"],
  ["https://db.example.org:4200/_sql", { HTTPS_PROXY: PROXY }, "proxy:3128"],
  ["https://db.example.org:4200/_sql", { HTTP_PROXY: PROXY }, undefined],
  ["http://localhost:4200/_sql", { HTTP_PROXY: PROXY }, undefined],
  ["http://crate.localhost:4200/_sql", { HTTP_PROXY: PROXY }, undefined],
  ["http://127.0.0.1:4200/_sql", { HTTP_PROXY: PROXY }, undefined],
  ["http://[::1]:4200/_sql", { HTTP_PROXY: PROXY }, undefined],
  ["http://localhost.example.org:4200/_sql", { HTTP_PROXY: PROXY }, "proxy:3128"],
  [URL, { HTTP_PROXY: PROXY, NO_PROXY: "localhost, db.example.org" }, undefined],
  [URL, { HTTP_PROXY: PROXY, no_proxy: "example.org" }, undefined],
  [URL, { HTTP_PROXY: PROXY, NO_PROXY: ".example.org" }, undefined],
  [URL, { HTTP_PROXY: PROXY, NO_PROXY: "*.example.org" }, undefined],
  [URL, { HTTP_PROXY: PROXY, NO_PROXY: "*" }, undefined],
  [URL, { HTTP_PROXY: PROXY, NO_PROXY: "db.example.org:4200" }, undefined],
  [URL, { HTTP_PROXY: PROXY, NO_PROXY: "db.example.org:4300" }, "proxy:3128"],
  [URL, { HTTP_PROXY: PROXY, NO_PROXY: "ample.org" }, "proxy:3128"],
  ["http://10.0.0.7:4200/_sql", { HTTP_PROXY: PROXY, NO_PROXY: "0.7" }, "proxy:3128"],
  ["http://[fd00::1]:4200/_sql", { HTTP_PROXY: PROXY, NO_PROXY: "fd00::1" }, undefined],
];

for (const [url, env, expected] of PROXIES) {
  Deno.test(`proxyTo() ${url} with ${JSON.stringify(env)}`, () => {
    const proxy = proxyTo(url, env);
    assert.equal(proxy && `${proxy.host}:${proxy.port}`, expected);
  });
}

Deno.test("proxyTo() sends the login of the proxy, and shows no password", () => {
  const proxy = proxyTo(URL, { HTTP_PROXY: "http://me:p%40ss@proxy:3128" });
  assert.equal(proxy?.authorization, `Basic ${btoa("me:p@ss")}`);
  assert.equal(proxy?.text, "HTTP_PROXY (http://me:***@proxy:3128)");
});

for (const value of ["socks5://proxy:1080", "https://proxy", "http://a b"]) {
  Deno.test(`proxyTo() refuses ${value}`, () => {
    assert.throws(() => proxyTo(URL, { HTTP_PROXY: value }), {
      name: "UsageError",
      message: /^HTTP_PROXY names no proxy/,
    });
  });
}
