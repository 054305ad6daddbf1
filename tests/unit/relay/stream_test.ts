/** A stream on fakes of both databases: it takes the lease, stands by, and ends. */
import assert from "node:assert/strict";
import { BSON, type Document, type MongoClient } from "mongodb";
import { eventually } from "../../../dev/servers/eventually.ts";
import { relayConfig } from "../../../lib/config/relay_settings.ts";
import { memoryBudget } from "../../../lib/util/garbage.ts";
import type { RelayEvent } from "../../../lib/pipeline/status/events.ts";
import { StatusTracker } from "../../../lib/pipeline/status/status_tracker.ts";
import type { Connections } from "../../../lib/relay/connect.ts";
import { runStream } from "../../../lib/relay/stream.ts";
import { StreamSettings } from "../../../lib/relay/stream_settings.ts";
import type { Transport } from "../../../lib/sink/connection/transport.ts";
import { directRoute } from "../../../lib/source/connection/route.ts";
import type { ServerClock } from "../../../lib/source/connection/cluster_time.ts";
import { featureTrial } from "../../../lib/source/stream/open_stream.ts";
import { QUIET } from "../../../lib/util/log.ts";
import { OutageTracker } from "../../../lib/util/outage.ts";
import { fakeClock } from "../../support/fake_clock.ts";
import { memoryTable } from "../../support/memory_lease_table.ts";

const STREAM = "shop.* -> {database}.{collection}";
const IS_LEASE = /^(?:INSERT INTO|UPDATE|SELECT .*lease_until)\b.*"cdc_position"/s;

/** A MongoDB without collections, whose change stream brings nothing. */
function emptyMongodb(): MongoClient {
  const session = { advanceOperationTime() {}, advanceClusterTime() {}, endSession: () => Promise.resolve() };
  const token = BSON.serialize({ _data: "8265000000000000012B0229296E04" });
  const batch = (name: string) =>
    BSON.serialize({
      id: 1n,
      ns: "shop.$cmd.aggregate",
      [name]: [],
      postBatchResumeToken: BSON.deserialize(token),
    });
  const client = {
    options: {},
    startSession: () => session,
    db: () => ({
      client,
      admin: () => ({ listDatabases: () => Promise.resolve({ databases: [{ name: "shop" }] }) }),
      listCollections: () => ({ toArray: () => Promise.resolve([]) }),
      command: (command: Document, { signal }: { signal?: AbortSignal } = {}) => {
        if (command.aggregate) return Promise.resolve({ cursor: batch("firstBatch") });
        if (!command.getMore) return Promise.resolve({});
        return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
      },
    }),
  };
  return client as unknown as MongoClient;
}

function setUp({ heldBy, onHeld = "wait" }: { heldBy?: string; onHeld?: "wait" | "fail" } = {}) {
  const clock = fakeClock();
  const table = memoryTable();
  if (heldBy) table.rows.set(STREAM, { owner: heldBy, lease_until: table.serverTime + 10_000, seqNo: 0 });
  const columns: string[] = [];
  const transport: Transport = {
    dialect: table.dialect,
    query: (...statement) => {
      const [sql] = statement;
      if (IS_LEASE.test(sql)) return table.query(...statement);
      if (sql.startsWith("CREATE TABLE")) {
        columns.push(...sql.matchAll(/[(,] ?"?([a-z_]+)"? [A-Z]/g).map(([, name = ""]) => name));
      }
      const rows = sql.startsWith("SHOW CREATE")
        ? [[columns.map((name) => `   "${name}" TEXT`).join("\n")]]
        : [];
      return Promise.resolve({ count: rows.length, rows });
    },
    async [Symbol.asyncDispose]() {},
  };
  const outages = (system: "CrateDB" | "MongoDB") => new OutageTracker({ system, emit: () => {}, clock });
  const route = directRoute(emptyMongodb());
  const settings = relayConfig({
    flags: {
      "mongodb-url": "mongodb://localhost/",
      "cratedb-url": "crate://",
      database: "shop",
      "on-held": onHeld,
    },
    env: {},
  });
  let beat = () => {};
  const connections: Connections = {
    transport,
    sinkOutages: outages("CrateDB"),
    deployment: { route: () => route, secondaryRoute: () => Promise.resolve(route) },
    mongodbOutages: outages("MongoDB"),
    route,
    mongodbClock: { now: () => clock.time, readAgain: () => Promise.resolve() } as unknown as ServerClock,
    features: featureTrial(() => {}),
    heartbeat: {
      add: (reporter) => {
        beat = () => reporter.beat();
        return { [Symbol.dispose]() {} };
      },
    },
    memory: memoryBudget(settings),
    clock,
    async [Symbol.asyncDispose]() {},
  };
  const stop = new AbortController();
  const events: RelayEvent[] = [];
  const status = new StatusTracker(clock);
  const source = new StreamSettings({ settings });
  const running = runStream(connections, source, {
    signal: stop.signal,
    log: QUIET,
    emit: (event) => events.push(event),
    status,
  });
  running.catch(() => {});
  return { clock, table, stop, events, status, running, settings, source, beat: () => beat() };
}

const typesOf = (events: readonly RelayEvent[]) =>
  events.map(({ type }) => type).filter((type) =>
    ["standingBy", "leaseTaken", "ready", "ended"].includes(type)
  );

Deno.test("runStream() takes the lease, and gives it back when it is stopped", async () => {
  const { table, stop, events, status, running } = setUp();
  await eventually(() => assert.deepEqual(typesOf(events), ["leaseTaken", "ready"]));
  assert.ok(Number(table.rows.get(STREAM)?.lease_until) > table.serverTime);
  stop.abort(new Error("told to stop"));
  await running;
  assert.deepEqual(typesOf(events), ["leaseTaken", "ready", "ended"]);
  const { phase, lastError } = status.current;
  assert.deepEqual([phase, lastError], ["stopped", null]);
  const row = table.rows.get(STREAM);
  assert.ok(Number(row?.lease_until) <= table.serverTime);
  assert.deepEqual([row?.phase, typeof row?.token], ["stopped", "string"]);
});

Deno.test("runStream() stands by until the other relay's lease has run out", async () => {
  const { clock, table, stop, events, status, running } = setUp({ heldBy: "other/1/ab" });
  await eventually(() => assert.deepEqual(typesOf(events), ["standingBy"]));
  assert.equal(status.current.phase, "standby");
  const event = events.find(({ type }) => type === "standingBy");
  assert.deepEqual(event, { type: "standingBy", schema: "doc", stream: STREAM, owner: "other/1/ab" });
  table.serverTime += 10_001;
  clock.pass(500);
  await eventually(() => assert.deepEqual(typesOf(events), ["standingBy", "leaseTaken", "ready"]));
  stop.abort(new Error("told to stop"));
  await running;
});

Deno.test("runStream() of a standby ends when it is stopped, and leaves the lease to the other relay", async () => {
  const { table, stop, events, running } = setUp({ heldBy: "other/1/ab" });
  await eventually(() => assert.deepEqual(typesOf(events), ["standingBy"]));
  const reason = new Error("told to stop");
  stop.abort(reason);
  await assert.rejects(running, reason);
  assert.deepEqual(events.at(-1), { type: "ended", error: undefined });
  assert.equal(table.rows.get(STREAM)?.owner, "other/1/ab");
});

Deno.test("runStream() fails if the other relay keeps its lease and --on-held is fail", async () => {
  const { clock, table, events, status, running } = setUp({ heldBy: "other/1/ab", onHeld: "fail" });
  await eventually(() => assert.deepEqual(typesOf(events), ["standingBy"]));
  for (let second = 0; second < 15 && typesOf(events).length < 2; second++) {
    await eventually(() => assert.ok(clock.waits > 0 || typesOf(events).length > 1));
    clock.pass(1_000);
  }
  await assert.rejects(running, { name: "LeaseHeldError" });
  assert.equal(status.current.phase, "failed");
  assert.equal(table.rows.get(STREAM)?.owner, "other/1/ab");
});

Deno.test("runStream() ends with the error if another relay has taken the lease over", async () => {
  const { table, events, status, running, beat } = setUp();
  await eventually(() => assert.ok(typesOf(events).includes("ready")));
  Object.assign(table.rows.get(STREAM) ?? {}, {
    owner: "other/1/ab",
    lease_until: table.serverTime + 10_000,
    seqNo: 99,
  });
  status.listen({ type: "historyLost" });
  beat();
  await assert.rejects(running, { name: "LeaseLostError" });
  assert.equal(status.current.phase, "failed");
});

Deno.test("runStream() goes on with replaced settings, and keeps the lease", async () => {
  const { table, stop, events, status, running, settings, source } = setUp();
  await eventually(() => assert.deepEqual(typesOf(events), ["leaseTaken", "ready"]));
  const owner = table.rows.get(STREAM)?.owner;
  source.replace({ settings: { ...settings, saveInterval: 1 } });
  await eventually(() => assert.deepEqual(typesOf(events), ["leaseTaken", "ready", "ready"]));
  assert.equal(table.rows.get(STREAM)?.owner, owner);
  assert.equal(status.current.phase, "following");
  assert.ok(events.every(({ type }) => type !== "stopped"));
  stop.abort(new Error("told to stop"));
  await running;
  assert.deepEqual(typesOf(events), ["leaseTaken", "ready", "ready", "ended"]);
  assert.equal(events.filter(({ type }) => type === "stopped").length, 1);
});
