import assert from "node:assert/strict";
import { eventually } from "../../dev/servers/eventually.ts";
import { cratedbTest } from "../support/cratedb_harness.ts";
import { startTcpProxy } from "../support/tcp_proxy.ts";

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

cratedbTest("cdc-relay --listen tells what it has done, and whether it is ready", async (context) => {
  const { mongodb, database, schema, table, httpUrl, relay } = context;
  const { hostname, port } = new URL(httpUrl.replace("crate:", "http:"));
  await using proxy = await startTcpProxy({ hostname, port: Number(port || 4200) });
  const url = new URL(httpUrl);
  url.host = `127.0.0.1:${proxy.port}`;
  const data = mongodb.db(database).collection<{ _id: number; n: unknown; added?: boolean }>("data");
  await data.insertMany(Array.from({ length: 300 }, (_, n) => ({ _id: n, n })));
  const running = relay(["--listen", "127.0.0.1:0"], { env: { CRATEDB_SQLALCHEMY_URL: url.href } });
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
  }, { interval: INTERVAL });
  const { [`${collection},operation="upsert"`]: upserts = 0, [`${collection},operation="delete"`]: deletes } =
    await valuesOf(base, "cdc_relay_rows_total");
  assert.equal(deletes, 100);
  // All documents; those that are inserted and deleted in one batch are no upserts, those that are updated may be two.
  assert.ok(upserts >= 1_200 && upserts <= 1_400, String(upserts));
  assert.deepEqual(await valuesOf(base, "cdc_relay_columns_added_total"), { [collection]: 3 });
  assert.deepEqual(await valuesOf(base, "cdc_relay_dead_letters_total"), { [collection]: 0 });
  const { "": bytes = 0 } = await valuesOf(base, "cdc_relay_event_bytes_total");
  assert.ok(bytes > 100_000, String(bytes));
  const stages = await valuesOf(base, "cdc_relay_stage_duration_seconds_count");
  for (const stage of ["read", "look_up", "split", "columns", "write", "refresh", "save"]) {
    assert.ok((stages[`stage="${stage}"`] ?? 0) > 0, `${stage} of ${JSON.stringify(stages)}`);
  }
  const status = JSON.parse((await get(`${base}/status`)).body);
  assert.equal(status.phase, "following");
  assert.deepEqual([status.events, status.rows, status.overflowed], [1_200, upserts + deletes, 100]);
  assert.equal(status.stream, `${database}.data -> ${schema}.${table}`);

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
