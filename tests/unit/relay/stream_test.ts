/** A stream on fakes of both databases: it takes the lease, stands by, and ends. */
import assert from "node:assert/strict";
import { type Document, type MongoClient, MongoServerError } from "mongodb";
import { eventually } from "../../../dev/servers/eventually.ts";
import { relayConfig } from "../../../lib/config/relay_settings.ts";
import { Semaphore } from "../../../lib/util/concurrency.ts";
import { garbageLimit } from "../../../lib/util/garbage.ts";
import type { RelayEvent } from "../../../lib/pipeline/status/events.ts";
import { StatusTracker } from "../../../lib/pipeline/status/status_tracker.ts";
import type { Connections } from "../../../lib/relay/connect.ts";
import { isEndedBy, runStream } from "../../../lib/relay/stream.ts";
import { StreamSettings } from "../../../lib/relay/stream_settings.ts";
import type { Transport } from "../../../lib/sink/connection/transport.ts";
import { directRoute } from "../../../lib/source/connection/route.ts";
import type { ServerClock } from "../../../lib/source/connection/cluster_time.ts";
import { featureTrial } from "../../../lib/source/stream/open_stream.ts";
import { SYSTEM_CLOCK } from "../../../lib/util/clock.ts";
import { type Logger, QUIET } from "../../../lib/util/log.ts";
import { OutageTracker } from "../../../lib/util/outage.ts";
import { fakeClock } from "../../support/fake_clock.ts";
import { memoryTable } from "../../support/memory_lease_table.ts";

const STREAM = "shop.* -> {database}.{collection}";
const IS_LEASE = /^(?:INSERT INTO|UPDATE|SELECT .*lease_until)\b.*"cdc_position"/s;

/** A MongoDB without collections, whose change stream brings nothing. */
function emptyMongodb(): MongoClient {
  const session = { advanceOperationTime() {}, advanceClusterTime() {}, endSession: () => Promise.resolve() };
  const postBatchResumeToken = { _data: "8265000000000000012B0229296E04" };
  const cursor = { id: 1n, ns: "shop.$cmd.aggregate", firstBatch: [], postBatchResumeToken };
  const client = {
    options: {},
    startSession: () => session,
    db: () => ({
      client,
      admin: () => ({ listDatabases: () => Promise.resolve({ databases: [{ name: "shop" }] }) }),
      listCollections: () => ({ toArray: () => Promise.resolve([]) }),
      command: (command: Document, { signal }: { signal?: AbortSignal } = {}) => {
        if (JSON.stringify(command).includes("$nope")) {
          return Promise.reject(new MongoServerError({ message: "unknown operator: $nope", code: 2 }));
        }
        if (command.aggregate) return Promise.resolve({ cursor });
        if (!command.getMore) return Promise.resolve({});
        return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
      },
    }),
  };
  return client as unknown as MongoClient;
}

function setUp(
  { heldBy, onHeld = "wait", ...flags }: { heldBy?: string; onHeld?: "wait" | "fail"; filter?: string } = {},
) {
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
  const settingsWith = (flags: Readonly<Record<string, string>> = {}) =>
    relayConfig({
      flags: {
        "mongodb-url": "mongodb://localhost/",
        "cratedb-url": "crate://",
        database: "shop",
        "on-held": onHeld,
        ...flags,
      },
      env: {},
    });
  const settings = settingsWith(flags);
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
    memory: { inFlight: new Semaphore(settings.inFlightBytes), garbage: garbageLimit(settings.heapBytes) },
    clock,
    async [Symbol.asyncDispose]() {},
  };
  const stop = new AbortController();
  const events: RelayEvent[] = [];
  const status = new StatusTracker(clock);
  const source = new StreamSettings({ settings });
  const errors: string[] = [];
  const error: Logger["error"] = (message, fields) => errors.push(`${message}: ${fields?.error}`);
  const pool = { clock, connect: () => Promise.resolve(connections) };
  const running = runStream(pool, source, {
    signal: stop.signal,
    log: { ...QUIET, error },
    emit: (event) => events.push(event),
    status,
  });
  running.catch(() => {});
  return {
    clock,
    table,
    stop,
    events,
    status,
    running,
    settings,
    settingsWith,
    source,
    errors,
    beat: () => beat(),
  };
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

Deno.test("runStream() takes the last of settings that were replaced twice", async () => {
  const { stop, events, status, running, settings, source } = setUp();
  await eventually(() => assert.deepEqual(typesOf(events), ["leaseTaken", "ready"]));
  const before = status.writeLimits;
  source.replace({ settings: { ...settings, statementRows: 1 } });
  source.replace({ settings: { ...settings, statementRows: 2 } });
  await eventually(() => assert.deepEqual(typesOf(events), ["leaseTaken", "ready", "ready"]));
  assert.notEqual(status.writeLimits, before);
  assert.equal(status.writeLimits?.statementRows, 2);
  stop.abort(new Error("told to stop"));
  await running;
});

Deno.test("runStream() that is stopped during a reload ends without an error, and gives back the lease", async () => {
  const { table, stop, events, status, running, settings, source } = setUp();
  await eventually(() => assert.deepEqual(typesOf(events), ["leaseTaken", "ready"]));
  source.replace({ settings: { ...settings, saveInterval: 1 } });
  stop.abort(new Error("told to stop"));
  await running;
  assert.deepEqual(typesOf(events), ["leaseTaken", "ready", "ended"]);
  assert.equal(status.current.phase, "stopped");
  assert.ok(Number(table.rows.get(STREAM)?.lease_until) <= table.serverTime);
});

Deno.test("runStream() goes on with the settings before if MongoDB refuses the new ones", async () => {
  const { stop, events, running, settings, settingsWith, source, errors } = setUp();
  await eventually(() => assert.deepEqual(typesOf(events), ["leaseTaken", "ready"]));
  source.replace({ settings: settingsWith({ filter: '{"n": {"$nope": 1}}' }) });
  await eventually(() => assert.deepEqual(typesOf(events), ["leaseTaken", "ready", "ready"]));
  assert.equal(source.current.settings, settings);
  assert.equal(errors.length, 1);
  assert.match(
    errors[0] ?? "",
    /settings were refused: going on with those before: .*--filter.*: unknown operator/,
  );
  stop.abort(new Error("told to stop"));
  await running;
});

Deno.test("runStream() fails if MongoDB refuses the settings of the start", async () => {
  const { running, events } = setUp({ filter: '{"n": {"$nope": 1}}' });
  await assert.rejects(running, { name: "UsageError" });
  assert.deepEqual(typesOf(events), ["leaseTaken", "ended"]);
});

Deno.test("isEndedBy() knows the reason of a signal, and the error of a wait that it has ended", async () => {
  const stop = new AbortController();
  const wait = SYSTEM_CLOCK.wait(60_000, { signal: stop.signal });
  const reason = new Error("told to stop");
  assert.equal(isEndedBy(stop.signal, reason), false);
  stop.abort(reason);
  assert.ok(isEndedBy(stop.signal, reason));
  assert.ok(isEndedBy(stop.signal, await wait.catch((error) => error)));
  assert.equal(isEndedBy(stop.signal, new Error("another")), false);
});
