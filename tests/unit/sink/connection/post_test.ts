import assert from "node:assert/strict";
import { HttpTransport } from "../../../../lib/sink/connection/http.ts";
import { withCertificates } from "../../../../lib/sink/connection/post.ts";
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

const request = { headers: { Some: "header" }, body: "pä", timeoutMs: 10_000 };

certifiedTest(
  "withCertificates() posts one request after the other on one connection",
  async ({ ca, cert, key }) => {
    const seen: unknown[] = [];
    await using server = Deno.serve(
      { cert, key, hostname: HOSTNAME, port: 0, onListen: () => {} },
      async (request, { remoteAddr }) => {
        seen.push([remoteAddr, request.method, request.headers.get("Some"), await request.text()]);
        return new Response("né", { status: 418 });
      },
    );
    using poster = withCertificates({ ca });
    const url = `https://${HOSTNAME}:${server.addr.port}/_sql`;
    for (const _ of [1, 2]) assert.deepEqual(await poster.post(url, request), { status: 418, text: "né" });
    const [[address] = []] = seen as unknown[][];
    assert.deepEqual(seen, [[address, "POST", "header", "pä"], [address, "POST", "header", "pä"]]);
  },
);

certifiedTest("withCertificates() gives up on a server that does not answer", async ({ ca, cert, key }) => {
  const { promise, resolve } = Promise.withResolvers<Response>();
  await using server = Deno.serve(
    { cert, key, hostname: HOSTNAME, port: 0, onListen: () => {} },
    () => promise,
  );
  using poster = withCertificates({ ca });
  const url = `https://${HOSTNAME}:${server.addr.port}/_sql`;
  await assert.rejects(poster.post(url, { ...request, timeoutMs: 50 }));
  resolve(new Response());
});

certifiedTest("HttpTransport tries again where TLS brings no HTTP", async ({ ca, cert, key }) => {
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
