import assert from "node:assert/strict";
import type http from "node:http";
import https from "node:https";
import net from "node:net";
import { eventually } from "../../../../dev/servers/eventually.ts";
import { proxyTo, tunnelAgent } from "../../../../lib/sink/connection/post.ts";
import { UsageError } from "../../../../lib/util/errors.ts";

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

for (const value of ["http://se%cret:pw@proxy:3128", "http://me:secret%@proxy:3128"]) {
  Deno.test(`proxyTo() refuses ${value}, and shows no login`, () => {
    assert.throws(() => proxyTo(URL, { HTTP_PROXY: value }), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, /HTTP_PROXY/);
      assert.doesNotMatch(`${error.message} ${error.hint}`, /cret/);
      return true;
    });
  });
}

/** A proxy that accepts connections and answers no CONNECT. */
async function silentProxy() {
  const sockets = new Set<net.Socket>();
  let opened = 0;
  const server = net.createServer((socket) => {
    opened++;
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket)).resume();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  return {
    proxy: { host: "127.0.0.1", port, authorization: undefined, text: "HTTPS_PROXY" },
    opened: () => opened,
    open: () => sockets.size,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Resolves with the error of a request through the agent. */
function failureThrough(agent: http.Agent): Promise<Error & { code?: string }> {
  const { promise, resolve } = Promise.withResolvers<Error>();
  https.request({ host: "db.example.org", port: 4200, agent }).on("error", resolve).end();
  return promise;
}

Deno.test("tunnelAgent() ends connections that are being made when it is destroyed", async () => {
  await using silent = await silentProxy();
  const agent = tunnelAgent(silent.proxy, {});
  const failures = [failureThrough(agent), failureThrough(agent)];
  await eventually(() => assert.equal(silent.opened(), 2));
  agent.destroy();
  for (const error of await Promise.all(failures)) assert.match(error.message, /given up/);
  await eventually(() => assert.equal(silent.open(), 0));
});

Deno.test("tunnelAgent() gives up on a proxy that does not answer", async () => {
  await using silent = await silentProxy();
  const agent = tunnelAgent(silent.proxy, {}, 50);
  const error = await failureThrough(agent);
  assert.deepEqual([error.code, error.message], [
    "ETIMEDOUT",
    "the proxy has made no connection within 0.05 s",
  ]);
  await eventually(() => assert.equal(silent.open(), 0));
  agent.destroy();
});
