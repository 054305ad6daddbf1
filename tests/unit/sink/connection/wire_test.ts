import assert from "node:assert/strict";
import { eventually } from "../../../../dev/servers/eventually.ts";
import { isRetryable, SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import { parseSinkUrl } from "../../../../lib/sink/connection/url.ts";
import { dialectOf, openTransport } from "../../../../lib/sink/connection/open_transport.ts";
import { WireConnection } from "../../../../lib/sink/connection/wire.ts";
import { LOGGED_IN, type SilentPostgresql, silentPostgresql } from "../../../support/silent_postgresql.ts";

const addressOf = ({ port }: SilentPostgresql) => parseSinkUrl(`postgresql://me@127.0.0.1:${port}/doc`);

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(() => undefined, (error) => error);

function assertLost(error: unknown, message: RegExp): void {
  assert.ok(error instanceof SinkError && isRetryable(error), String(error));
  assert.equal(error.kind, "unreachable");
  assert.match(error.message, message);
}

Deno.test("WireTransport gives up on a statement without an answer, and on its connection, and no other", async () => {
  await using server = silentPostgresql({ login: "answered" });
  await using transport = await openTransport(addressOf(server));
  const others = [transport.query("SELECT 1"), transport.query("SELECT 2")];
  const silent = failure(transport.query("silent", [], { limitMs: 300 }));
  for (const other of others) assert.deepEqual([...(await other).rows], [["PostgreSQL 16"]]);
  assertLost(await silent, /^127\.0\.0\.1:\d+: no answer within 0\.3 s$/);
  await eventually(() => assert.equal(server.open, 2));
  assert.deepEqual([...(await transport.query("SELECT 3")).rows], [["PostgreSQL 16"]]);
});

Deno.test("WireTransport replaces connections that were given up", async () => {
  await using server = silentPostgresql({ login: "answered" });
  await using transport = await openTransport(addressOf(server));
  const many = Array.from({ length: 40 }, () => failure(transport.query("silent", [], { limitMs: 50 })));
  for (const error of await Promise.all(many)) assertLost(error, /no answer within/);
  assert.deepEqual([...(await transport.query("SELECT 1")).rows], [["PostgreSQL 16"]]);
});

Deno.test("WireTransport closes all connections at its end, whatever the server does", async () => {
  await using server = silentPostgresql({ login: "answered" });
  const transport = await openTransport(addressOf(server));
  const silent = failure(transport.query("silent"));
  await eventually(() => assert.equal(server.opened, 1));
  await transport[Symbol.asyncDispose]();
  assertLost(await silent, /./);
  await eventually(() => assert.equal(server.open, 0));
});

Deno.test("WireConnection gives up on a login without an answer", async () => {
  await using server = silentPostgresql({ login: "silent" });
  const connection = new WireConnection(addressOf(server));
  assertLost(await failure(connection.run("SELECT 1", [], 300)), /no answer within 0\.3 s$/);
  await connection.close();
  await eventually(() => assert.equal(server.open, 0));
});

Deno.test("WireConnection connects once for a statement to a server that closes each connection", async () => {
  await using server = silentPostgresql({ login: "closed" });
  const connection = new WireConnection(addressOf(server));
  assertLost(await failure(connection.run("SELECT 1", [], 60_000)), /before the login$/);
  assert.equal(server.opened, 1);
  await connection.close();
});

Deno.test("WireConnection takes back what a frozen server has not received when it is closed", async () => {
  const text = "x".repeat(2_000_000);
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connection = new WireConnection(parseSinkUrl(`postgresql://me@127.0.0.1:${listener.addr.port}`));
  const running = failure(connection.run(`SELECT '${text}'`, [], 60_000));
  using server = await listener.accept();
  await server.read(new Uint8Array(1_000));
  await server.write(new Uint8Array(LOGGED_IN));
  await server.read(new Uint8Array(1));
  await connection.close();
  assertLost(await running, /./);
  const received = await new Response(server.readable).bytes().catch(() => []);
  assert.ok(received.length < text.length);
});

Deno.test("openTransport() fails at a wire server that closes each connection", async () => {
  await using server = silentPostgresql({ login: "closed" });
  for (const tries of [1, 2]) {
    assertLost(await failure(openTransport(addressOf(server))), /before the login$/);
    assert.equal(server.opened, tries);
  }
});

Deno.test("WireTransport opens no connection after it is disposed of", async () => {
  await using server = silentPostgresql({ login: "answered" });
  const transport = await openTransport(addressOf(server));
  await transport[Symbol.asyncDispose]();
  for (let statement = 0; statement < 2; statement++) {
    await assert.rejects(transport.query("SELECT 1"), /are closed$/);
  }
  assert.equal(server.opened, 1);
  await eventually(() => assert.equal(server.open, 0));
});

const VERSIONS: Readonly<Record<string, string>> = {
  "PostgreSQL 15.14 (Debian 15.14-0+deb12u1) on x86_64-pc-linux-gnu, compiled by gcc, 64-bit": "PostgreSQL",
  "PostgreSQL 18.6 (PGlite 0.5.16) on wasm32-unknown-emscripten, compiled by emcc, 32-bit": "PostgreSQL",
  "CrateDB 5.7.6 (built 3a7a4ed/NA, Linux 6.1.0 amd64, OpenJDK 64-Bit Server VM 22.0.2+9)": "CrateDB",
  "CrateDB 6.1.0 (built 0000000/NA, of PostgreSQL 14 compatibility)": "CrateDB",
};

for (const [version, expected] of Object.entries(VERSIONS)) {
  Deno.test(`dialectOf() ${version}`, async () => {
    const asked: string[] = [];
    const query = (statement: string) => {
      asked.push(statement);
      return Promise.resolve({ count: 1, rows: [[version]] });
    };
    const dialect = await dialectOf({ query }, { transport: "wire" });
    assert.equal(dialect.name, expected);
    assert.deepEqual(asked, ["SELECT version()"]);
  });
}
