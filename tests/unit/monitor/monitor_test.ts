import assert from "node:assert/strict";
import { eventually } from "../../../dev/servers/eventually.ts";
import { get as request } from "node:http";
import { type Monitor, openMonitor } from "../../../lib/monitor/monitor.ts";
import type { CollectionState } from "../../../lib/pipeline/collections/collection_state.ts";
import type { RelayStatus } from "../../../lib/pipeline/status/relay_status.ts";
import { recordedEvent } from "../../../lib/sink/metadata/event_log.ts";
import { UserError } from "../../../lib/util/errors.ts";
import { QUIET } from "../../../lib/util/log.ts";
import { type FakeClock, fakeClock } from "../../support/fake_clock.ts";
import { statusOf } from "../../support/status_of.ts";

const LOOPBACK = { host: "127.0.0.1", port: 0 };

const open = (status: Partial<RelayStatus> = {}, listen = LOOPBACK): Promise<Monitor> =>
  openMonitor({
    listen,
    maxLag: () => 1_000,
    streams: [{ name: "", status: { current: statusOf(status) } }],
    versions: { version: "1", runtime: "2" },
    log: QUIET,
  });

async function get(url: string, init: RequestInit = {}): Promise<[number, string]> {
  const response = await fetch(url, init);
  return [response.status, await response.text()];
}

Deno.test("openMonitor() answers with metrics, health, readiness and status", async () => {
  await using monitor = await open({ lag: 20, events: 7 });
  monitor.listen({ type: "positionSaved" });
  const metrics = await fetch(`${monitor.url}/metrics`);
  assert.match(metrics.headers.get("Content-Type") ?? "", /^text\/plain; version=0\.0\.4/);
  assert.match(await metrics.text(), /^cdc_relay_saved_timestamp_seconds \d+/m);
  assert.deepEqual(await get(`${monitor.url}/healthz`), [200, "alive\n"]);
  assert.deepEqual(await get(`${monitor.url}/readyz?verbose`), [200, "ready: following, 0.02 s behind\n"]);
  monitor.listen({ type: "leaseTaken", schema: "doc", stream: "shop.* -> t", owner: "host/1/ab" });
  const [code, body] = await get(`${monitor.url}/status`);
  const { stream, phase, lag_ms, events, owner, saved_at } = JSON.parse(body);
  assert.deepEqual([code, stream, phase, lag_ms, events, owner], [
    200,
    "shop.* -> t",
    "following",
    20,
    7,
    "host/1/ab",
  ]);
  assert.match(saved_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

Deno.test("openMonitor() is alive and not ready while CrateDB is away", async () => {
  await using monitor = await open({ phase: "waiting for CrateDB", lastError: "connection refused" });
  assert.deepEqual(await get(`${monitor.url}/healthz`), [200, "alive\n"]);
  assert.deepEqual(await get(`${monitor.url}/readyz`), [
    503,
    "not ready: waiting for CrateDB: connection refused\n",
  ]);
});

Deno.test("openMonitor() answers no other path or method", async () => {
  await using monitor = await open();
  const [code, body] = await get(`${monitor.url}/__proto__`);
  assert.deepEqual([code, body], [
    404,
    "/__proto__ does not exist. Paths: /, /metrics, /healthz, /readyz, /status, /events, /settings\n",
  ]);
  assert.equal((await get(`${monitor.url}/status`, { method: "POST", body: "x" }))[0], 405);
  assert.deepEqual(await get(`${monitor.url}/healthz`, { method: "HEAD" }), [200, ""]);
});

Deno.test("openMonitor() gives the port back when it is disposed of, and reports who has it until then", async () => {
  const first = await open();
  const port = Number(new URL(first.url).port);
  await get(`${first.url}/healthz`); // A connection that stays open.
  await assert.rejects(open({}, { ...LOOPBACK, port }), (error) => {
    assert.ok(error instanceof UserError);
    assert.equal(error.message, `Cannot listen on 127.0.0.1:${port}: another program listens on it`);
    assert.match(error.hint ?? "", /--listen/);
    return true;
  });
  await first[Symbol.asyncDispose]();
  await using again = await open({}, { ...LOOPBACK, port });
  assert.equal(again.url, first.url);
});

for (
  const [host, why] of [["192.0.2.1", "this machine does not have this address"], [
    "no.invalid",
    "the host is unknown",
  ]]
) {
  Deno.test(`openMonitor() reports about ${host} that ${why}`, async () => {
    await assert.rejects(open({}, { host: host ?? "", port: 9464 }), {
      name: "UserError",
      message: `Cannot listen on ${host}:9464: ${why}`,
    });
  });
}

Deno.test("openMonitor() distinguishes several streams", async () => {
  const shop = { name: "shop", status: { current: statusOf({ lag: 20, events: 7 }) } };
  const bank = { name: "bank", status: { current: statusOf({ phase: "starting" }) } };
  await using monitor = await openMonitor({
    listen: LOOPBACK,
    maxLag: () => 1_000,
    streams: [shop, bank],
    versions: { version: "1", runtime: "2" },
    log: QUIET,
  });
  monitor.listen({ type: "leaseTaken", schema: "doc", stream: "bank.* -> t", owner: "host/1/ab" }, bank);
  monitor.listen({ type: "batchApplied", events: 3, bytes: 90, seconds: 0.1 }, bank);
  monitor.listen({ type: "outageBegan", system: "MongoDB", error: new Error("away"), lasted: 0 }, bank);
  const [, metrics] = await get(`${monitor.url}/metrics`);
  for (
    const line of [
      'cdc_relay_phase{stream="shop",phase="following"} 1',
      'cdc_relay_phase{stream="bank",phase="starting"} 1',
      'cdc_relay_event_bytes_total{stream="bank"} 90',
      'cdc_relay_lag_seconds{stream="shop"} 0.02',
      'cdc_relay_outage{stream="bank",system="MongoDB"} 1',
      'cdc_relay_build_info{version="1",runtime="2"} 1',
    ]
  ) assert.ok(metrics.split("\n").includes(line), line);
  assert.deepEqual(await get(`${monitor.url}/readyz`), [
    503,
    "shop ready: following, 0.02 s behind\nbank not ready: starting\n",
  ]);
  const readyOf = (stream: string) => get(`${monitor.url}/readyz?stream=${stream}`);
  assert.deepEqual(await readyOf("shop"), [200, "ready: following, 0.02 s behind\n"]);
  assert.deepEqual(await readyOf("bank"), [503, "not ready: starting\n"]);
  assert.deepEqual(await readyOf("none"), [404, "This process has no stream of that name.\n"]);
  const [, status] = await get(`${monitor.url}/status`);
  assert.deepEqual(JSON.parse(status).map((each: Record<string, unknown>) => [each.stream, each.phase]), [
    [null, "following"],
    ["bank.* -> t", "starting"],
  ]);
});

const STREAM = { schema: "doc", stream: "shop.* -> t", owner: "host/1/ab" };
const TOKEN = "0123456789abcdef";

/** The answer to a request with a given `Host`, which fetch() does not let a program set. */
async function answerTo(url: string, host: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  request(url, { headers: { Host: host } }, (response) => resolve(response.resume().statusCode ?? 0)).on(
    "error",
    reject,
  );
  return await promise;
}

Deno.test("openMonitor() answers a public name in Host only with what scrapers and probes read", async () => {
  await using monitor = await open();
  for (const host of ["127.0.0.1:9464", "[::1]:9464", "localhost:1", "relay:9464", "10.0.0.7"]) {
    assert.equal(await answerTo(`${monitor.url}/status`, host), 200, host);
  }
  for (const path of ["/", "/status", "/events", "/settings", "/none"]) {
    assert.equal(await answerTo(monitor.url + path, "evil.example:9464"), 421, path);
  }
  for (const path of ["/metrics", "/healthz", "/readyz"]) {
    assert.equal(await answerTo(monitor.url + path, "relay.monitoring.svc:9464"), 200, path);
  }
});

Deno.test("openMonitor() has no /control without a token", async () => {
  await using monitor = await open();
  assert.equal((await get(`${monitor.url}/control`, { method: "POST" }))[0], 404);
});

Deno.test("POST /control adds a request for whoever has the token, and nothing else", async () => {
  const asked: unknown[] = [];
  await using monitor = await openMonitor({
    listen: LOOPBACK,
    maxLag: () => 1_000,
    streams: [{ name: "shop", status: { current: statusOf({}) } }],
    versions: { version: "1", runtime: "2" },
    log: QUIET,
    control: {
      token: () => TOKEN,
      ask: (request, { followed }) => {
        if (request.verb === "fail") return Promise.reject(new Error("CrateDB is away"));
        asked.push([request.verb, request.arguments, request.askedBy, followed.stream]);
        return Promise.resolve("id-1");
      },
    },
  });
  const post = (body: unknown, headers: Record<string, string> = {}) =>
    get(`${monitor.url}/control`, {
      method: "POST",
      headers: { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  const pause = { verb: "pause", arguments: { reason: "night" } };
  assert.equal((await post(pause))[0], 400, "the stream is not known yet");
  monitor.listen({ type: "leaseTaken", ...STREAM });
  for (const Authorization of ["", "Bearer", `Bearer ${TOKEN}x`, `Basic ${TOKEN}`, "Bearer undefined"]) {
    const [status, text] = await post(pause, { Authorization });
    assert.equal(status, 401, Authorization);
    assert.ok(!text.includes(TOKEN));
  }
  assert.equal((await post(pause, { "Content-Type": "text/plain" }))[0], 415);
  assert.equal((await post("x".repeat(5_000_000)))[0], 413);
  const bad = [
    "{",
    "[]",
    "null",
    "{}",
    '{"verb": 1}',
    '{"verb": "pause", "arguments": []}',
    '{"verb": "pause", "stream": 1}',
  ];
  for (const body of bad) assert.equal((await post(body))[0], 400, body);
  assert.equal((await post({ ...pause, stream: "other" }))[0], 400);
  assert.deepEqual(asked, []);
  const [failed, why] = await post({ verb: "fail" });
  assert.deepEqual([failed, why], [503, "The request was not saved: CrateDB is away\n"]);
  assert.deepEqual(await post(pause), [202, '{"id":"id-1"}']);
  assert.deepEqual(await post({ verb: "resume", stream: "shop" }), [202, '{"id":"id-1"}']);
  assert.deepEqual(asked, [
    ["pause", { reason: "night" }, "page, 127.0.0.1", "shop.* -> t"],
    ["resume", {}, "page, 127.0.0.1", "shop.* -> t"],
  ]);
  assert.equal((await get(`${monitor.url}/control`))[0], 405);
});

Deno.test("openMonitor() makes an answer once a second, for any number of viewers", async () => {
  const clock = fakeClock();
  let read = 0;
  const status = {
    get current() {
      read++;
      return statusOf({});
    },
  };
  await using monitor = await openMonitor({
    listen: LOOPBACK,
    maxLag: () => 1_000,
    streams: [{ name: "", status }],
    versions: { version: "1", runtime: "2" },
    log: QUIET,
    clock,
  });
  const readFor = async (viewers: number) => {
    const before = read;
    await Promise.all(Array.from({ length: viewers }, () => get(`${monitor.url}/status?since=0`)));
    return read - before;
  };
  clock.pass(1_000);
  const once = await readFor(1);
  assert.equal(await readFor(10), 0);
  clock.pass(1_000);
  assert.equal(await readFor(10), once);
});

Deno.test("/events has the last 100 of all streams, newest first", async () => {
  await using monitor = await open();
  const events = async () => JSON.parse((await get(`${monitor.url}/events`))[1]);
  assert.deepEqual(await events(), []);
  for (let at = 1; at <= 120; at++) {
    const event = recordedEvent({ at, stream: "shop", kind: "stopped", message: "m", details: {} });
    monitor.listen({ type: "recorded", event });
  }
  const told = await events();
  assert.deepEqual([told.length, told[0].at, told.at(-1).at], [
    100,
    "1970-01-01T00:00:00.120Z",
    "1970-01-01T00:00:00.021Z",
  ]);
});

Deno.test("the page is shown 200 collections: those that need attention, and the number of the others", async () => {
  await using monitor = await open();
  const changed = (name: string, state: CollectionState) =>
    monitor.listen({
      type: "collectionChanged",
      namespace: { database: "shop", collection: name },
      table: name,
      state,
      since: 0,
    });
  for (let each = 0; each < 300; each++) changed(`c${each}`, { name: "following" });
  changed("broken", { name: "failed", reason: "no", hint: "yes" });
  const { streams: [shown] } = JSON.parse((await get(`${monitor.url}/status?since=0`))[1]);
  assert.deepEqual([shown.collections.length, shown.collections[0].collection, shown.more_collections], [
    200,
    "shop.broken",
    101,
  ]);
  assert.equal(JSON.parse((await get(`${monitor.url}/status`))[1]).collections.length, 301);
});

/** A monitor of a collection with two dead letters of an earlier run. */
async function ofLetters(clock: FakeClock, readStored: (found: () => void) => Promise<void>) {
  const row = { collection: "shop.orders", table: null, state: "following", reason: null, hint: null };
  const stored = { ...row, rows: 0, documents: 9, since: null, verified: null, verified_to: null };
  let letters = 0;
  const monitor = await openMonitor({
    listen: LOOPBACK,
    maxLag: () => 1_000,
    streams: [{ name: "", status: { current: statusOf({ phase: "following" }) } }],
    versions: { version: "1", runtime: "2" },
    log: QUIET,
    clock,
    stored: () => [{ ...stored, dead_letters: letters }],
    readStored: () => readStored(() => letters = 2),
  });
  monitor.listen({ type: "leaseTaken", schema: "doc", stream: "shop.* -> t", owner: "host/1/ab" });
  monitor.listen({
    type: "collectionChanged",
    namespace: { database: "shop", collection: "orders" },
    table: "t",
    state: { name: "following" },
    since: 0,
  });
  return monitor;
}

async function stateOf({ url }: Monitor): Promise<unknown> {
  const { state, dead_letters } = JSON.parse((await get(`${url}/status`))[1]);
  return [state, dead_letters];
}

Deno.test("openMonitor() answers the first /status with what CrateDB has of the collections", async () => {
  await using monitor = await ofLetters(fakeClock(), async (found) => {
    await null;
    found();
  });
  assert.deepEqual(await stateOf(monitor), ["dead letters", 2]);
});

Deno.test("openMonitor() answers /status after a second if CrateDB does not", async () => {
  const clock = fakeClock();
  await using monitor = await ofLetters(clock, () => new Promise(() => {}));
  const { waits } = clock;
  const state = stateOf(monitor);
  await eventually(() => assert.equal(clock.waits, waits + 1));
  clock.pass(1_000);
  assert.deepEqual(await state, ["ok", 0]);
});
