import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request as forward } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { Poster, type Proxy } from "../../../../lib/sink/connection/post.ts";
import { HttpTransport } from "../../../../lib/sink/connection/http.ts";
import { isRetryable } from "../../../../lib/sink/connection/sink_error.ts";
import { parseSinkUrl } from "../../../../lib/sink/connection/url.ts";
import { hasOpenssl, makeAuthority } from "../../../support/certificates.ts";

const HOSTNAME = "127.0.0.1";

interface Certified {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Registers a test that needs a certificate for this machine. */
function certifiedTest(name: string, test: (certified: Certified) => Promise<void>): void {
  Deno.test({
    name,
    ignore: !hasOpenssl,
    async fn() {
      await using authority = await makeAuthority();
      const { cert, key } = await authority.issue("/CN=server", HOSTNAME);
      const [ca = "", ...pair] = await Promise.all(
        [authority.ca, cert, key].map((path) => Deno.readTextFile(path)),
      );
      await test({ ca, cert: pair[0] ?? "", key: pair[1] ?? "" });
    },
  });
}

const request = { headers: { Some: "header" }, body: new TextEncoder().encode("pä"), limitMs: 10_000 };

certifiedTest(
  "Poster posts one request after the other on one connection",
  async ({ ca, cert, key }) => {
    const seen: unknown[] = [];
    await using server = Deno.serve(
      { cert, key, hostname: HOSTNAME, port: 0, onListen: () => {} },
      async (request, { remoteAddr }) => {
        seen.push([remoteAddr, request.method, request.headers.get("Some"), await request.text()]);
        return new Response("né", { status: 418 });
      },
    );
    using poster = new Poster(`https://${HOSTNAME}:${server.addr.port}/_sql`, { certificates: { ca } });
    for (const _ of [1, 2]) assert.deepEqual(await poster.post(request), { status: 418, text: "né" });
    const [[address] = []] = seen as unknown[][];
    assert.deepEqual(seen, [[address, "POST", "header", "pä"], [address, "POST", "header", "pä"]]);
  },
);

Deno.test("Poster gives up on a server that does not answer in time", async () => {
  const { promise, resolve } = Promise.withResolvers<Response>();
  await using server = Deno.serve({ hostname: HOSTNAME, port: 0, onListen: () => {} }, () => promise);
  using poster = new Poster(`http://${HOSTNAME}:${server.addr.port}/_sql`);
  await assert.rejects(poster.post({ ...request, limitMs: 50 }), {
    message: "no answer within 0.05 s",
    code: "ETIMEDOUT",
  });
  resolve(new Response());
});

Deno.test("Poster gives up on a response that does not end in time", async () => {
  const part = new Uint8Array(10);
  await using server = Deno.serve(
    { hostname: HOSTNAME, port: 0, onListen: () => {} },
    () => new Response(new ReadableStream({ start: (controller) => controller.enqueue(part) })),
  );
  using poster = new Poster(`http://${HOSTNAME}:${server.addr.port}/_sql`);
  await assert.rejects(poster.post({ ...request, limitMs: 200 }), { code: "ETIMEDOUT" });
});

for (const how of ["limit", "disposal"] as const) {
  Deno.test(`Poster takes back what a frozen server has not received, at its ${how}`, async () => {
    const body = new Uint8Array(2_000_000);
    using listener = Deno.listen({ hostname: HOSTNAME, port: 0 });
    using poster = new Poster(`http://${HOSTNAME}:${listener.addr.port}/_sql`);
    const sending = poster.post({ ...request, body, limitMs: how === "limit" ? 200 : 60_000 });
    const outcome = sending.then(() => "answered", () => "given up");
    using connection = await listener.accept();
    await connection.read(new Uint8Array(1));
    if (how === "disposal") poster[Symbol.dispose]();
    assert.equal(await outcome, "given up");
    const received = await new Response(connection.readable).bytes().catch(() => []);
    assert.ok(received.length < body.length);
  });
}

Deno.test("Poster sends each request once, also on a connection that breaks after an earlier one", async () => {
  const answer = new TextEncoder().encode("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  let requests = 0;
  using listener = Deno.listen({ hostname: HOSTNAME, port: 0 });
  const serving = (async () => {
    for await (const connection of listener) {
      using open = connection;
      while (await open.read(new Uint8Array(10_000)) !== null && ++requests % 2 === 1) {
        await open.write(answer);
      }
    }
  })();
  using poster = new Poster(`http://${HOSTNAME}:${listener.addr.port}/_sql`);
  assert.equal((await poster.post(request)).text, "ok");
  await assert.rejects(poster.post(request), { code: "ECONNRESET" });
  assert.equal(requests, 2);
  assert.equal((await poster.post(request)).text, "ok");
  listener.close();
  await serving.catch(() => {});
});

certifiedTest("HttpTransport retries if TLS carries no HTTP", async ({ ca, cert, key }) => {
  using listener = Deno.listenTls({ cert, key, hostname: HOSTNAME, port: 0 });
  const serving = (async () => {
    using connection = await listener.accept();
    await connection.read(new Uint8Array(1_024));
    await connection.write(new TextEncoder().encode("What?\r\n\r\n"));
  })();
  const address = parseSinkUrl(`crate://${HOSTNAME}:${listener.addr.port}/?ssl=true`);
  await using transport = new HttpTransport({ ...address, certificates: { ca } });
  await assert.rejects(transport.query("x"), isRetryable);
  await serving;
});

/** A proxy that forwards requests and tunnels connections, and what it was asked for. */
function startProxy() {
  const asked: (readonly [method: string, target: string, authorization: string | undefined])[] = [];
  const server = createServer((request, response) => {
    asked.push([request.method ?? "", request.url ?? "", request.headers["proxy-authorization"]]);
    const { "proxy-authorization": _, ...headers } = request.headers;
    const onward = forward(request.url ?? "", { method: request.method, headers, agent: false });
    onward.on("response", (answer) => {
      response.writeHead(answer.statusCode ?? 0, { Connection: "close" });
      answer.pipe(response);
    });
    request.pipe(onward);
  });
  server.on("connect", (request, near: Socket) => {
    asked.push([request.method ?? "", request.url ?? "", request.headers["proxy-authorization"]]);
    const [host, port] = (request.url ?? "").split(":");
    const far = connect(Number(port), host ?? "");
    far.on("connect", () => near.write("HTTP/1.1 200 Connected\r\n\r\n"));
    far.on("close", () => near.destroy());
    near.on("close", () => far.destroy());
    near.on("error", () => far.destroy());
    near.pipe(far).pipe(near);
  });
  return { server, asked };
}

async function withProxy(test: (proxy: Proxy, asked: readonly unknown[]) => Promise<void>): Promise<void> {
  const { server, asked } = startProxy();
  server.listen(0, HOSTNAME);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  try {
    await test({ host: HOSTNAME, port, authorization: "Basic bWU6cHc=", text: "HTTP_PROXY" }, asked);
  } finally {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  }
}

Deno.test("Poster posts through a proxy", async () => {
  await withProxy(async (proxy, asked) => {
    await using server = Deno.serve(
      { hostname: HOSTNAME, port: 0, onListen: () => {} },
      async (request) => new Response(`${request.headers.get("Some")} ${await request.text()}`),
    );
    const url = `http://${HOSTNAME}:${server.addr.port}/_sql`;
    using poster = new Poster(url, { proxy });
    assert.equal((await poster.post(request)).text, "header pä");
    assert.deepEqual(asked, [["POST", url, "Basic bWU6cHc="]]);
  });
});

certifiedTest(
  "Poster posts through a proxy that can't read what is sent with TLS",
  async ({ ca, cert, key }) => {
    await withProxy(async (proxy, asked) => {
      await using server = Deno.serve(
        { cert, key, hostname: HOSTNAME, port: 0, onListen: () => {} },
        async (request) => new Response(`${request.headers.get("Some")} ${await request.text()}`),
      );
      const host = `${HOSTNAME}:${server.addr.port}`;
      using poster = new Poster(`https://${host}/_sql`, { proxy, certificates: { ca } });
      for (const _ of [1, 2]) assert.equal((await poster.post(request)).text, "header pä");
      assert.deepEqual(asked, [["CONNECT", host, "Basic bWU6cHc="]]);
    });
  },
);
