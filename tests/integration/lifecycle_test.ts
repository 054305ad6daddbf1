import assert from "node:assert/strict";
import { join } from "node:path";
import { eventually } from "../../dev/servers/eventually.ts";
import { compare, inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { startRelay } from "../support/follow.ts";
import { holdingCratedb } from "../support/holding_cratedb.ts";
import { relayConfig } from "../../lib/config/relay_settings.ts";
import { openMonitor } from "../../lib/monitor/monitor.ts";
import { emitter, on } from "../../lib/pipeline/status/events.ts";
import { StatusTracker } from "../../lib/pipeline/status/status_tracker.ts";
import { ConnectionPool } from "../../lib/relay/connect.ts";
import { runStream } from "../../lib/relay/stream.ts";
import { StreamSettings } from "../../lib/relay/stream_settings.ts";
import { QUIET } from "../../lib/util/log.ts";

const ROOT = join(import.meta.dirname ?? "", "..", "..");

const savedToken = async ({ sql }: CratedbContext): Promise<unknown> => {
  await sql("REFRESH TABLE cdc_position");
  return (await sql("SELECT token FROM cdc_position"))[0]?.token;
};

const STOPS = [["SIGINT", "http"], ["SIGTERM", "wire"], ["SIGHUP", "http"]] as const;

for (const [signal, transport] of STOPS) {
  cratedbTest(`relay() stops on ${signal} with its position saved, over ${transport}`, async (context) => {
    const { mongodb, database, relay } = context;
    const data = mongodb.db(database).collection<{ _id: number }>("data");
    const flags = ["--save-interval", "1h"];
    await mongodb.db(database).createCollection("data");
    const running = relay(flags, { transport });
    await running.waitForLine(/Ready/);
    const before = await savedToken(context);
    await data.insertMany(Array.from({ length: 100 }, (_, _id) => ({ _id })));
    await inStep(context);
    assert.equal((await running.kill(signal)).code, 0);
    assert.match(await running.waitForLine(/Stopped/), /events=100 upserts=100 deletes=0/);
    assert.notEqual(await savedToken(context), before);

    const again = relay(flags, { transport });
    await again.waitForLine(/Resuming from the saved position/);
    await data.insertOne({ _id: 100 });
    await inStep(context);
    assert.equal((await again.kill(signal)).code, 0);
    assert.match(await again.waitForLine(/Stopped/), /events=1 /);
  }, { ownProcess: true });
}

/** util-linux's, which gives a program a terminal. */
const hasScript = await new Deno.Command("script", { args: ["--version"], stdout: "null", stderr: "null" })
  .output().then(({ success }) => success, () => false);

cratedbTest("relay() stops in order when its terminal is closed while it draws progress", async (context) => {
  const { mongodb, mongodbUrl, httpUrl, database, schema, table, sql } = context;
  await mongodb.db(database).collection("data").insertMany(Array.from({ length: 1_000 }, () => ({})));
  const program = `'${Deno.execPath()}' run -A --quiet '${join(ROOT, "mongodb_cdc_cratedb.ts")}' cdc-relay`;
  const flags = `--database ${database} --collection data --table '${schema}.${table}' --snapshot-rate 100`;
  const terminal = new Deno.Command("script", {
    args: ["--quiet", "--flush", "--command", `exec ${program} ${flags}`, "/dev/null"],
    env: { MONGODB_URL: mongodbUrl, CRATEDB_SQLALCHEMY_URL: httpUrl, TERM: "xterm" },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let drawn = "";
  for await (const text of terminal.stdout.pipeThrough(new TextDecoderStream())) {
    drawn += text;
    if (/of 1,?000/.test(drawn)) break;
  }
  terminal.kill("SIGKILL");
  await terminal.status;
  await eventually(async () => {
    await sql("REFRESH TABLE cdc_position");
    assert.deepEqual(await sql("SELECT state, last_error FROM cdc_status"), [
      { state: "stopped", last_error: null },
    ]);
  });
}, { unfit: !hasScript });

cratedbTest(
  "relay() is refused while another one follows the stream, and warns if one writes to the same table",
  async (context) => {
    const { mongodb, database, relay, schema } = context;
    const first = relay(["--lease", "4s"]);
    await first.waitForLine(/Ready/);
    const second = relay(["--lease", "4s"]);
    assert.equal((await second.status).code, 1);
    await second.waitForLine(/^Error: Another relay \(.+\) follows this stream/);
    await second.waitForLine(/Stop it first/);

    await mongodb.db(database).collection("data").insertOne({ n: 1 });
    await inStep(context);

    // Another stream that writes the same collection to the same table.
    const overlapping = ["--database", database, "--table", `${schema}.{collection}`];
    await using third = startRelay(context, overlapping);
    await third.waitForLine(
      /WARN .*same collections to the same tables other="\S+\.data -> \S+" collections=1/,
    );
    await third.waitForLine(/Ready/);
    assert.equal((await third.kill()).code, 0);
    assert.equal((await first.kill()).code, 0);
    await using fourth = startRelay(context, overlapping);
    await fourth.waitForLine(/Ready/);
    assert.ok(!fourth.stderr.some((line) => /same tables/.test(line)), fourth.stderr.join("\n"));
    assert.equal((await fourth.kill()).code, 0);
  },
);

cratedbTest(
  "relay() takes over when the lease of one that died has run out, be it longer than its own",
  async (context) => {
    const { mongodb, database, relay } = context;
    const first = relay(["--lease", "8s"]);
    await first.waitForLine(/Ready/);
    await first.kill("SIGKILL");
    await mongodb.db(database).collection("data").insertOne({ n: 1 });
    const second = relay(["--lease", "1s"]);
    await second.waitForLine(/Waiting for the lease of an earlier relay/);
    await second.waitForLine(/Resuming from the saved position/);
    await inStep(context);
  },
  { ownProcess: true },
);

/** A statement that writes rows to the table `data`. */
const WRITES_ROWS = /^."stmt":"[^"]*INSERT INTO [^ ]+data/;

cratedbTest("relay() that was frozen while another one took over writes nothing old", async (context) => {
  const { mongodb, database, relay, sql, table } = context;
  const data = mongodb.db(database).collection<{ _id: number; version: number }>("data");
  const count = 1_000;
  await data.insertMany(Array.from({ length: count }, (_, _id) => ({ _id, version: 1 })));
  await using cratedb = holdingCratedb(context);
  const arrived = cratedb.hold(WRITES_ROWS);
  const frozen = relay(["--lease", "1s", "--statement-rows", "50", "--in-flight", "1"], {
    env: { CRATEDB_SQLALCHEMY_URL: cratedb.url },
  });
  await arrived;
  Deno.kill(frozen.pid, "SIGSTOP");
  cratedb.release();
  await eventually(async () => {
    await sql(`REFRESH TABLE "${table}"`);
    assert.deepEqual(await sql(`SELECT count(*) AS n FROM "${table}"`), [{ n: 50 }]);
  });

  const other = relay(["--lease", "1s"]);
  await other.waitForLine(/Ready/);
  await data.updateMany({}, { $set: { version: 2 } });
  await inStep(context);
  Deno.kill(frozen.pid, "SIGCONT");
  await frozen.waitForLine(/^Error: Another relay \(.+\) has taken over this stream/);
  assert.equal((await frozen.status).code, 1);
  assert.deepEqual(await compare(context), []);
  assert.equal((await other.kill()).code, 0);
}, { ownProcess: true });

cratedbTest("relay() saves its position while only other collections change", async (context) => {
  const { mongodb, database, relay } = context;
  await relay().waitForLine(/Ready/);
  const before = await eventually(async () => {
    const token = await savedToken(context);
    assert.ok(token);
    return token;
  });
  await eventually(async () => {
    await mongodb.db(database).collection("other").insertOne({});
    assert.notEqual(await savedToken(context), before);
  }, { interval: 200 });
});

cratedbTest("relay() keeps its lease when it is stopped while rows are on their way", async (context) => {
  const { mongodb, database, relay, sql } = context;
  const data = mongodb.db(database).collection<{ _id: number; v: number }>("data");
  await using cratedb = holdingCratedb(context);
  const slow = relay(["--lease", "5s"], { env: { CRATEDB_SQLALCHEMY_URL: cratedb.url } });
  await slow.waitForLine(/Ready/);
  await data.insertOne({ _id: 1, v: 0 });
  await inStep(context);
  const arrived = cratedb.hold(WRITES_ROWS);
  await data.updateOne({ _id: 1 }, { $set: { v: 1 } });
  await arrived;
  assert.equal((await slow.kill()).code, 0, slow.stderr.join("\n"));
  await data.updateOne({ _id: 1 }, { $set: { v: 2 } });
  const next = relay(["--lease", "5s"]);
  await next.waitForLine(/Waiting for the lease/);
  cratedb.release();
  await next.waitForLine(/Ready/);
  await inStep(context);
  assert.deepEqual(await sql(`SELECT data['v'] AS v FROM "${context.table}"`), [{ v: 2 }]);
});

cratedbTest("runStream() runs two streams of one process over one pool of connections", async (context) => {
  const { mongodb, mongodbUrl, httpUrl, database, schema, table } = context;
  const stop = new AbortController();
  const collections = ["data", "more"];
  for (const each of collections) {
    await mongodb.db(database).collection<{ _id: number }>(each)
      .insertMany(Array.from({ length: 50 }, (_, _id) => ({ _id, each })));
  }
  const tableOf = (collection: string) => `${table}_${collection}`;
  const settingsOf = (collection: string) =>
    relayConfig({
      flags: {
        "mongodb-url": mongodbUrl,
        "cratedb-url": httpUrl,
        database,
        collection,
        table: `${schema}.${tableOf(collection)}`,
      },
      env: {},
    });
  const connected: string[] = [];
  const log = {
    ...QUIET,
    info: (message: string) => void (message.startsWith("Connected") && connected.push(message)),
  };
  const shared = { signal: stop.signal, log };
  await using pool = new ConnectionPool(settingsOf("data"), shared);
  const streams = [{ name: "data", status: new StatusTracker() }, {
    name: "more",
    status: new StatusTracker(),
  }] as const;
  await using monitor = await openMonitor({
    listen: { host: "127.0.0.1", port: 0 },
    maxLag: () => 60_000,
    streams,
    versions: { version: "", runtime: "" },
    log: QUIET,
  });
  const ready: string[] = [];
  const running = streams.map(async (stream) => {
    const emit = emitter(
      (event) => monitor.listen(event, stream),
      on({ ready: () => ready.push(stream.name) }),
    );
    await runStream(pool, new StreamSettings({ settings: settingsOf(stream.name) }), {
      ...shared,
      emit,
      status: stream.status,
    });
  });
  try {
    await eventually(() => assert.deepEqual(ready.toSorted(), collections));
    for (const each of collections) {
      await mongodb.db(database).collection<{ _id: number }>(each).updateMany({}, { $set: { n: 1 } });
    }
    for (const each of collections) {
      await inStep({ ...context, table: tableOf(each) }, { collections: [each] });
    }
    assert.deepEqual(streams.map(({ status }) => status.current.upserts), [100, 100]);
    const metrics = await (await fetch(`${monitor.url}/metrics`)).text();
    for (const each of collections) {
      assert.match(metrics, new RegExp(`^cdc_relay_rows_total\\{.*stream="${each}".*\\} 100$`, "m"));
    }
  } finally {
    stop.abort(new Error("told to stop"));
    await Promise.allSettled(running);
  }
  assert.deepEqual(connected, ["Connected to CrateDB", "Connected to MongoDB"]);
  assert.deepEqual(streams.map(({ status }) => status.current.phase), ["stopped", "stopped"]);
});
