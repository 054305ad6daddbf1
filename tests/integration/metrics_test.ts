import assert from "node:assert/strict";
import { eventually } from "../../dev/servers/eventually.ts";
import { cratedbTest } from "../support/cratedb_harness.ts";
import { startTcpProxy } from "../support/tcp_proxy.ts";
import { variants } from "../support/nightly.ts";

/** How often it is asked, in milliseconds. */
const INTERVAL = 20;

async function get(url: string): Promise<{ status: number; body: string }> {
  const response = await fetch(url);
  return { status: response.status, body: await response.text() };
}

/** The values of a metric, by its labels as they are written. */
async function valuesOf(url: string, name: string): Promise<Record<string, number>> {
  const { body } = await get(`${url}/metrics`);
  const samples = body.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, "gm"));
  return Object.fromEntries([...samples].map(([, labels = "", value]) => [labels, Number(value)]));
}

/** A proxy to the server of a URL, and the URL that leads over it. */
async function proxyTo(target: string, defaultPort: number) {
  const url = new URL(target);
  const proxy = await startTcpProxy({ hostname: url.hostname, port: Number(url.port || defaultPort) });
  url.host = `127.0.0.1:${proxy.port}`;
  return { proxy, url: url.href, [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose]() };
}

cratedbTest("cdc-relay --listen reports what it has done, and whether it is ready", async (context) => {
  const { mongodb, database, schema, table, httpUrl, relay } = context;
  await using proxied = await proxyTo(httpUrl, 4_200);
  const { proxy, url } = proxied;
  const data = mongodb.db(database).collection<{ _id: number; n: unknown; added?: boolean }>("data");
  await data.insertMany(Array.from({ length: 300 }, (_, n) => ({ _id: n, n })));
  const running = relay(["--listen", "127.0.0.1:0"], { env: { CRATEDB_SQLALCHEMY_URL: url } });
  const base = /http:\S+/.exec(await running.waitForLine(/Metrics and health/))?.[0] ?? "";
  assert.deepEqual(await get(`${base}/healthz`), { status: 200, body: "alive\n" });
  await running.waitForLine(/Ready/);

  await data.insertMany(Array.from({ length: 1_000 }, (_, n) => ({ _id: 300 + n, n })));
  await data.updateMany({ _id: { $lt: 100 } }, { $set: { n: "no number", added: true } });
  await data.deleteMany({ _id: { $gte: 1_200 } });
  const collection = `collection="${database}.data"`;
  await eventually(async () => {
    assert.deepEqual(await valuesOf(base, "cdc_relay_events_total"), {
      [`${collection},operation="insert"`]: 1_000,
      [`${collection},operation="update"`]: 100,
      [`${collection},operation="replace"`]: 0,
      [`${collection},operation="delete"`]: 100,
    });
    // The updates are written last.
    assert.deepEqual(await valuesOf(base, "cdc_relay_overflowed_rows_total"), { [collection]: 100 });
    const { body } = await get(`${base}/readyz`);
    assert.match(body, /^ready: following, \S+ s behind\n$/);
    const written = await valuesOf(base, "cdc_relay_rows_total");
    const { [`${collection},operation="upsert"`]: upserts = 0 } = written;
    assert.equal(written[`${collection},operation="delete"`], 100);
    // All documents; those that are inserted and deleted in one batch are no upserts, those that are updated may be two.
    assert.ok(upserts >= 1_200 && upserts <= 1_400, String(upserts));
    const stages = await valuesOf(base, "cdc_relay_stage_duration_seconds_count");
    for (const stage of ["read", "look_up", "split", "columns", "write", "refresh", "save"]) {
      assert.ok((stages[`stage="${stage}"`] ?? 0) > 0, `${stage} of ${JSON.stringify(stages)}`);
    }
    const status = JSON.parse((await get(`${base}/status`)).body);
    assert.equal(status.phase, "following");
    assert.deepEqual([status.events, status.rows, status.overflowed], [1_200, upserts + 100, 100]);
    assert.equal(status.stream, `${database}.data -> ${schema}.${table}`);
  }, { interval: INTERVAL });
  assert.deepEqual(await valuesOf(base, "cdc_relay_columns_added_total"), { [collection]: 3 });
  assert.deepEqual(await valuesOf(base, "cdc_relay_dead_letters_total"), { [collection]: 0 });
  const { "": bytes = 0 } = await valuesOf(base, "cdc_relay_event_bytes_total");
  assert.ok(bytes > 100_000, String(bytes));

  await proxy.cut();
  await data.insertOne({ _id: -1, n: -1 });
  await eventually(async () => {
    const { status, body } = await get(`${base}/readyz`);
    assert.equal(status, 503);
    assert.match(body, /^not ready: waiting for CrateDB: .+\n$/);
  }, { interval: INTERVAL });
  assert.equal((await get(`${base}/healthz`)).status, 200);
  assert.deepEqual(await valuesOf(base, "cdc_relay_outage"), { 'system="CrateDB"': 1 });
  const { 'system="CrateDB"': retries = 0 } = await valuesOf(base, "cdc_relay_retries_total");
  assert.ok(retries > 0);

  await proxy.mend();
  await eventually(async () => assert.equal((await get(`${base}/readyz`)).status, 200), {
    interval: INTERVAL,
  });
  assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
  await assert.rejects(fetch(`${base}/healthz`), "the server ends with the relay");
});

for (const transport of variants(["http"], ["wire"])) {
  cratedbTest(
    `cdc-relay is not ready while a database is silent, idle and over ${transport}`,
    async (context) => {
      const { mongodb, mongodbUrl, database, httpUrl, wireUrl, relay, sql } = context;
      await using cratedb = await (transport === "http" ? proxyTo(httpUrl, 4_200) : proxyTo(wireUrl, 5_432));
      await using source = await proxyTo(mongodbUrl, 27_017);
      const variable = transport === "http" ? "CRATEDB_SQLALCHEMY_URL" : "CRATEDB_URL";
      const running = relay(["--listen", "127.0.0.1:0", "--max-lag", "1s"], {
        transport,
        env: {
          [variable]: cratedb.url,
          MONGODB_URL: `mongodb://127.0.0.1:${source.proxy.port}/?directConnection=true`,
        },
      });
      const base = /http:\S+/.exec(await running.waitForLine(/Metrics and health/))?.[0] ?? "";
      const shows = (status: number, body: RegExp) =>
        eventually(async () => {
          const ready = await get(`${base}/readyz`);
          assert.match(ready.body, body);
          assert.equal(ready.status, status);
        }, { interval: INTERVAL });
      const isReady = () => shows(200, /^ready: following, 0 s behind\n$/);
      await running.waitForLine(/Ready/);
      await isReady();

      cratedb.proxy.freeze();
      await shows(503, /^not ready: catching up, \S+ s behind, more than --max-lag 1 s\n$/);
      await shows(503, /^not ready: waiting for CrateDB: no answer for \d+ s\n$/);
      await running.waitForLine(/WARN +CrateDB does not answer, waiting error="no answer for \d+ s"/);
      const { "": lag = 0 } = await valuesOf(base, "cdc_relay_lag_seconds");
      assert.ok(lag >= 5, String(lag));
      assert.deepEqual(await valuesOf(base, "cdc_relay_outage"), { 'system="CrateDB"': 1 });
      cratedb.proxy.thaw();
      await running.waitForLine(/CrateDB answers again/);
      await isReady();

      source.proxy.freeze();
      // The driver's monitor may notice the silence first, and then gives its own reason.
      await shows(503, /^not ready: waiting for MongoDB: .+\n$/);
      await running.waitForLine(/WARN +MongoDB (does not answer|failed)/);
      await eventually(async () => {
        await sql("REFRESH TABLE cdc_position");
        const [row] = await sql("SELECT state, lag_ms FROM cdc_status");
        assert.equal(row?.state, "waiting for MongoDB");
        assert.ok(Number(row?.lag_ms) >= 5_000, JSON.stringify(row));
      }, { interval: INTERVAL });
      source.proxy.thaw();
      await running.waitForLine(/MongoDB answers again/);
      await isReady();

      await mongodb.db(database).collection<{ _id: number }>("data").insertOne({ _id: 1 });
      await eventually(async () => assert.deepEqual(await sql("SELECT count(*) AS n FROM data"), [{ n: 1 }]));
      assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
    },
  );
}
