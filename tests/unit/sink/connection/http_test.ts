import assert from "node:assert/strict";
import { fc } from "../../../deps.ts";
import { isRetryable, SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import { HttpTransport, requestBody } from "../../../../lib/sink/connection/http.ts";
import { openTransport } from "../../../../lib/sink/connection/open_transport.ts";
import type { Parameter } from "../../../../lib/sink/connection/transport.ts";
import { jsonBytes, jsonOfBytes } from "../../../../lib/util/json_writer.ts";
import { parseSinkUrl } from "../../../../lib/sink/connection/url.ts";

/** An endpoint that answers each statement alike, and the requests that it got. */
function endpoint(answer: () => Response) {
  const requests: { url: string; headers: Headers; body: string }[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    requests.push({ url: request.url, headers: request.headers, body: await request.text() });
    return answer();
  });
  const url = (userinfo = "", query = "") => `crate://${userinfo}127.0.0.1:${server.addr.port}/${query}`;
  return { requests, url, [Symbol.asyncDispose]: () => server.shutdown() };
}

const ok = () => Response.json({ rowcount: 1, rows: [["x"]] });

Deno.test("HttpTransport sends statement, user and password", async () => {
  await using http = endpoint(ok);
  await using transport = new HttpTransport(parseSinkUrl(http.url("me:s%40fé@", "?schema=天气")));
  assert.deepEqual(await transport.query("SELECT $1", ["a"]), { count: 1, rows: [["x"]] });
  const [request] = http.requests;
  assert.ok(request);
  assert.ok(request.url.endsWith("/_sql"));
  assert.deepEqual(JSON.parse(request.body), { stmt: "SELECT $1", args: ["a"] });
  // Names of statements have their schema. A header could not name one with letters beyond Latin 1.
  assert.equal(request.headers.get("Default-Schema"), null);
  const [, credentials = ""] = request.headers.get("Authorization")?.split(" ") ?? [];
  const bytes = Uint8Array.from(atob(credentials), (letter) => letter.charCodeAt(0));
  assert.equal(new TextDecoder().decode(bytes), "me:s@fé");
});

Deno.test("HttpTransport asks for the token at each request", async () => {
  await using http = endpoint(ok);
  const tokens = ["first", "second"];
  const address = { ...parseSinkUrl(http.url("me@")), jwt: () => tokens.shift() ?? "" };
  await using transport = new HttpTransport(address);
  await transport.query("x");
  await transport.query("x");
  const sent = http.requests.map(({ headers }) => headers.get("Authorization"));
  assert.deepEqual(sent, ["Bearer first", "Bearer second"]);
});

Deno.test("HttpTransport sends documents digit by digit", async () => {
  await using http = endpoint(ok);
  await using transport = new HttpTransport(parseSinkUrl(http.url()));
  await transport.query("x", [["k"], { json: [jsonBytes('{"n":9007199254740993,"d":1.0}'), null] }]);
  assert.equal(
    http.requests[0]?.body,
    '{"stmt":"x","args":[["k"],["{\\"n\\":9007199254740993,\\"d\\":1.0}",null]]}',
  );
});

Deno.test("HttpTransport sends no text that CrateDB's parser does not take", async () => {
  await using http = endpoint(ok);
  await using transport = new HttpTransport(parseSinkUrl(http.url()));
  const longest = "x".repeat(transport.dialect.maxText);
  for (
    const parameter of [`${longest}x`, [`${longest}x`], { json: [jsonBytes("{}"), jsonBytes(`${longest}x`)] }]
  ) {
    await assert.rejects(transport.query("x", ["k", parameter]), (error) => {
      assert.ok(error instanceof SinkError);
      assert.equal(error.kind, "too large");
      assert.match(
        error.message,
        /^A text of 20000001 characters is longer than the 20000000 .*postgresql:\/\//,
      );
      return true;
    });
  }
  assert.equal(http.requests.length, 0);
  await transport.query("x", [longest, { json: [jsonBytes("é".repeat(longest.length))] }]);
  assert.equal(http.requests.length, 1);
});

Deno.test("requestBody() is what JSON.stringify() makes of texts", () => {
  const json = fc.oneof(
    fc.json({ stringUnit: "binary" }).map((text) => text.toWellFormed()),
    fc.constant(null),
  );
  const parameter = fc.oneof(
    fc.constantFrom<Parameter>(null, 7, 'a"é😀\n'),
    fc.array(fc.string({ unit: "grapheme" })),
    fc.array(json).map((texts) => ({ json: texts.map((text) => text === null ? null : jsonBytes(text)) })),
  );
  const text = (each: Parameter) =>
    each !== null && typeof each === "object" && "json" in each
      ? each.json.map((bytes) => bytes && jsonOfBytes(bytes))
      : each;
  fc.assert(
    fc.property(fc.string(), fc.array(parameter, { maxLength: 4 }), (stmt, parameters) => {
      const body = new TextDecoder().decode(requestBody(stmt, parameters));
      assert.equal(body, JSON.stringify({ stmt, args: parameters.map(text) }));
    }),
    { numRuns: 1_000 },
  );
});

/** Status and body; code and message of the error; whether it goes away by waiting. */
const FAILURES: readonly (readonly [string, number, string, string, RegExp, boolean])[] = [
  ["a statement that is wrong", 400, '{"error":{"code":4000,"message":"no"}}', "4000", /^no$/, false],
  ["a wrong password", 401, "trust authentication failed\n", "401", /^trust authentication failed$/, false],
  ["a page that asks for a login", 401, "<html>Who are you?</html>", "401", /^HTTP status 401 from /, false],
  [
    "a missing privilege, which is not a wrong password",
    401,
    '{"error":{"code":4011,"message":"Missing \'DML\' privilege"}}',
    "4011",
    /Missing 'DML' privilege/,
    false,
  ],
  ["a proxy without a server", 502, "<html>Bad gateway</html>", "502", /502/, true],
  ["a server that starts", 503, "", "503", /503/, true],
  ["an answer that is not JSON", 200, "<html>Hello</html>", "200", /./, false],
  ...[
    "{}",
    "[]",
    "null",
    "5",
    '"done"',
    '{"status":"ok"}',
    '{"rows":null}',
    '{"rowcount":1}',
    '{"error":"no"}',
  ].map(
    (body) =>
      [`JSON of another server: ${body}`, 200, body, "200", /is not an answer of CrateDB$/, false] as const,
  ),
  [
    "an error of another server",
    400,
    '{"error":{"reason":"no"},"status":400}',
    "400",
    /^HTTP status 400 from /,
    false,
  ],
];

for (const [what, status, body, code, message, transient] of FAILURES) {
  Deno.test(`HttpTransport throws a SinkError for ${what}`, async () => {
    await using http = endpoint(() => new Response(body, { status }));
    await using transport = new HttpTransport(parseSinkUrl(http.url()));
    await assert.rejects(transport.query("x"), (error) => {
      assert.ok(error instanceof SinkError);
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.equal(isRetryable(error), transient);
      return true;
    });
  });
}

Deno.test("HttpTransport throws a transient SinkError when nothing listens", async () => {
  const { url, ...http } = endpoint(ok);
  await http[Symbol.asyncDispose]();
  await using transport = new HttpTransport(parseSinkUrl(url()));
  await assert.rejects(transport.query("x"), (error) => error instanceof SinkError && isRetryable(error));
});

Deno.test("HttpTransport takes a password from a file at each request", async () => {
  await using http = endpoint(ok);
  const passwords = ["first", "second"];
  const address = { ...parseSinkUrl(http.url("me:old@")), latestPassword: () => passwords.shift() ?? "" };
  await using transport = new HttpTransport(address);
  await transport.query("x");
  await transport.query("x");
  const sent = http.requests.map(({ headers }) => headers.get("Authorization"));
  assert.deepEqual(sent, [`Basic ${btoa("me:first")}`, `Basic ${btoa("me:second")}`]);
});

Deno.test("HttpTransport gives a statement its own limit", async () => {
  const { promise, resolve } = Promise.withResolvers<Response>();
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, () => promise);
  await using transport = new HttpTransport(parseSinkUrl(`crate://127.0.0.1:${server.addr.port}`));
  await assert.rejects(transport.query("x", [], { limitMs: 50 }), (error) => {
    assert.ok(error instanceof SinkError && isRetryable(error));
    assert.match(error.message, /_sql: no answer within 0\.05 s$/);
    return true;
  });
  resolve(ok());
});

Deno.test("HttpTransport names the proxy and its variable when nothing answers there", async () => {
  const address = parseSinkUrl("crate://db.example.org");
  await using transport = new HttpTransport(address, { HTTP_PROXY: "http://me:secret@127.0.0.1:1" });
  await assert.rejects(transport.query("x"), {
    kind: "unreachable",
    message: "http://db.example.org:4200/_sql through the proxy of HTTP_PROXY (http://me:***@127.0.0.1:1): " +
      "connect ECONNREFUSED 127.0.0.1:1",
  });
});

Deno.test("HttpTransport runs a statement for each of its items, and returns the error of each", async () => {
  const results = [{ rowcount: 1 }, { rowcount: -2, error: { code: 4000, message: "no" } }, { rowcount: -2 }];
  await using http = endpoint(() => Response.json({ cols: [], results }));
  await using transport = new HttpTransport(parseSinkUrl(http.url()));
  const items = [["k1", "k2", "k3"], { json: [jsonBytes('{"n":1}'), jsonBytes("{}"), null] }];
  const { errors = [] } = await transport.query("x", items, { forEach: true });
  assert.equal(
    http.requests[0]?.body,
    '{"stmt":"x","bulk_args":[[["k1"],["{\\"n\\":1}"]],[["k2"],["{}"]],[["k3"],[null]]]}',
  );
  const [written, refused, unknown] = errors;
  assert.equal(written, null);
  assert.ok(refused instanceof SinkError);
  assert.deepEqual([refused.code, refused.message, refused.kind], ["4000", "no", "refused"]);
  assert.equal(unknown, undefined);
});

for (
  const [version, expected] of [
    ["CrateDB 5.7.6 (built 1234567/2024-11-12T09:11:37Z, Linux amd64)", false],
    ["CrateDB 5.10.0 (built 1234567/2025-01-31T00:00:00Z)", true],
    ["CrateDB 6.4.3 (built 1234567/2026-08-20T00:00:00Z)", true],
    ["CrateDB 4.8.4", false],
    ["something else", false],
  ] as const
) {
  Deno.test(`openTransport() detects whether the server reports the errors of rows: ${version}`, async () => {
    await using http = endpoint(() => Response.json({ rowcount: 1, rows: [[version]] }));
    await using transport = await openTransport(parseSinkUrl(http.url()));
    assert.equal(transport.dialect.rowErrors, expected);
  });
}
