/** Several streams of a `relay.yaml` in one process, and what a reload changes. */
import assert from "node:assert/strict";
import { eventually } from "../../dev/servers/eventually.ts";
import { inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { countRows } from "../support/follow.ts";
import { relayYaml } from "../support/relay_yaml.ts";
import { startTcpProxy } from "../support/tcp_proxy.ts";

interface Numbered {
  readonly _id: number;
  readonly n?: number;
  readonly card?: string;
}

const collectionOf = ({ mongodb, database }: CratedbContext, name = "data") =>
  mongodb.db(database).collection<Numbered>(name);

/** A stream of one collection, to a table with its name. */
const streamOf = ({ database, schema }: CratedbContext, collection: string, settings: object = {}) => ({
  database,
  collection,
  table: `${schema}.${collection}`,
  ...settings,
});

const numbered = (count: number): Numbered[] =>
  Array.from({ length: count }, (_, _id) => ({ _id, n: _id, card: `card ${_id}` }));

const LISTEN = { listen: "127.0.0.1:0" };
const baseOf = (line: string): string => /http:\S+/.exec(line)?.[0] ?? "";

cratedbTest(
  "streams of a file run in one process, and one resumes where flags have stopped",
  async (context) => {
    await collectionOf(context).insertMany(numbered(20));
    await collectionOf(context, "more").insertMany(numbered(30));
    const before = context.relay();
    await before.waitForLine(/Ready/);
    assert.equal((await before.kill()).code, 0);
    await collectionOf(context).insertOne({ _id: 20 });

    const streams = { data: streamOf(context, "data"), more: streamOf(context, "more") };
    await using file = await relayYaml(context, streams, LISTEN);
    const relay = file.relay();
    const base = baseOf(await relay.waitForLine(/Metrics and health/));
    await relay.waitForLine(/Resuming from the saved position stream=data/);
    await relay.waitForLine(/Opening a new change stream stream=more/);
    await Promise.all(["data", "more"].map((each) => relay.waitForLine(new RegExp(`Ready stream=${each}`))));
    assert.equal(relay.stderr.filter((line) => line.includes("Connected to")).length, 2);
    for (const collection of Object.keys(streams)) {
      await collectionOf(context, collection).insertOne({ _id: 100 });
      await inStep({ ...context, table: collection }, { collections: [collection] });
      assert.equal((await fetch(`${base}/readyz?stream=${collection}`)).status, 200);
    }
    // Rows are visible before they are counted.
    await eventually(async () => {
      const metrics = await (await fetch(`${base}/metrics`)).text();
      assert.match(metrics, /^cdc_relay_rows_total\{stream="data",.*operation="upsert"\} 2$/m);
      assert.match(metrics, /^cdc_relay_rows_total\{stream="more",.*operation="upsert"\} 31$/m);
    });
    const [waited, status, verified] = [
      await file.run("wait"),
      await file.run("status", "--json"),
      await file.run("verify", "--stream", "more"),
    ];
    assert.deepEqual([waited.code, status.code, verified.code], [0, 0, 0], status.stdout + verified.stderr);
    assert.equal(waited.stdout.match(/shows everything/g)?.length, 2);
    assert.deepEqual(JSON.parse(status.stdout).map(({ state }: { state: string }) => state), ["ok", "ok"]);
    assert.match(verified.stdout, /\.more -> .*: equal up to .*31 documents, 31 rows/);
    assert.equal((await relay.kill()).code, 0);
    for (const each of Object.keys(streams)) await relay.waitForLine(new RegExp(`Stopped stream=${each}`));
  },
);

cratedbTest(
  "a filter that MongoDB refuses ends the process before any stream has written",
  async (context) => {
    await collectionOf(context).insertMany(numbered(3));
    await using file = await relayYaml(context, {
      data: streamOf(context, "data"),
      more: streamOf(context, "more", { filter: { n: { $nope: 1 } } }),
    });
    const { code, stderr } = await file.run("cdc-relay");
    assert.equal(code, 2, stderr);
    assert.match(stderr, /MongoDB refuses --filter.*unknown operator: \$nope/);
    const tables = await context.sql(
      "SELECT table_name FROM information_schema.tables WHERE table_schema = ?",
      [
        context.schema,
      ],
    );
    assert.deepEqual(tables, []);
  },
);

cratedbTest(
  "a stream whose MongoDB is away is failed and restarted, and the other one goes on",
  async (context) => {
    const { mongodbUrl, sql } = context;
    const url = new URL(mongodbUrl);
    const target = { hostname: url.hostname, port: Number(url.port || 27017) };
    await using proxy = await startTcpProxy(target);
    await proxy.cut();
    await using file = await relayYaml(context, {
      near: streamOf(context, "near"),
      far: {
        ...streamOf(context, "far"),
        mongodb: { url: `mongodb://127.0.0.1:${proxy.port}/?directConnection=true` },
      },
    }, LISTEN);
    const relay = file.relay();
    const base = baseOf(await relay.waitForLine(/Metrics and health/));
    await relay.waitForLine(
      /ERROR The stream failed, and is started again stream=far error="MongoDB cannot be/,
    );
    await relay.waitForLine(/Ready stream=near/);
    const far = async () => {
      const rows = await sql("SELECT phase, last_error FROM cdc_status WHERE stream LIKE '%.far -> %'");
      return rows[0] ?? {};
    };
    await eventually(async () => {
      await sql("REFRESH TABLE cdc_position");
      const { phase, last_error } = await far();
      assert.equal(phase, "failed");
      assert.match(String(last_error), /ECONNREFUSED|127\.0\.0\.1/);
    });
    assert.equal((await fetch(`${base}/readyz`)).status, 503);
    await proxy.mend();
    await relay.waitForLine(/Ready stream=far/);
    await collectionOf(context, "far").insertOne({ _id: 1 });
    await inStep({ ...context, table: "far" }, { collections: ["far"] });

    await proxy.cut();
    await relay.waitForLine(/MongoDB failed, trying again stream=far/);
    await collectionOf(context, "far").insertOne({ _id: 2 });
    for (let _id = 0; _id < 20; _id++) {
      await collectionOf(context, "near").insertOne({ _id });
      await eventually(async () => assert.equal(await countRows({ ...context, table: "near" }), _id + 1));
      const metrics = await (await fetch(`${base}/metrics`)).text();
      const [, lag] = /^cdc_relay_lag_seconds\{stream="near"\} (\S+)$/m.exec(metrics) ?? [];
      assert.ok(Number(lag) < 1, `near is ${lag} s behind`);
    }
    assert.ok(!relay.stderr.some((line) => /MongoDB failed.* stream=near/.test(line)));
    await proxy.mend();
    await relay.waitForLine(/MongoDB answers again stream=far/);
    await inStep({ ...context, table: "far" }, { collections: ["far"] });
    assert.equal((await relay.kill()).code, 0, relay.stderr.join("\n"));
  },
);

/** Inserts and updates until it is disposed of. */
function load(context: CratedbContext): AsyncDisposable {
  const data = collectionOf(context);
  let isOver = false;
  const writing = (async () => {
    for (let _id = 10_000; !isOver; _id++) {
      await data.insertOne({ _id, n: _id % 200, card: "a card" });
      await data.updateOne({ _id: _id % 1_000 }, { $inc: { n: 1 } });
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      isOver = true;
      await writing;
    },
  };
}

cratedbTest(
  "a reload under load takes a change of each class, and refuses one for a restart",
  async (context) => {
    await collectionOf(context).insertMany(numbered(500));
    const { database, schema } = context;
    const shop = { database, table: `${schema}.{collection}` };
    await using file = await relayYaml(context, { shop });
    const relay = file.relay();
    await relay.waitForLine(/Ready stream=shop/);
    let from = 0;
    const reload = async (settings: object, expected: RegExp) => {
      from = relay.stderr.length;
      await file.write({ shop: { ...shop, ...settings } });
      Deno.kill(relay.pid, "SIGHUP");
      await next(expected);
    };
    const next = (expected: RegExp) =>
      eventually(() =>
        assert.ok(relay.stderr.slice(from).some((line) => expected.test(line)), `${expected}`)
      );
    {
      await using _load = load(context);
      await reload({ saveInterval: "1s" }, /setting has changed .*saveInterval .*after=1s effect="at once"/);
      await next(/Ready stream=shop/);
      const omit = { saveInterval: "1s", collections: { data: { omit: ["card"] } } };
      await reload(omit, /setting has changed .*collection=data setting=omit .*rows written before stay/);
      await next(/Ready stream=shop/);
      await eventually(async () => {
        const rows = await context.sql("SELECT oid FROM data WHERE data['card'] IS NULL LIMIT 1");
        assert.equal(rows.length, 1);
      });
      const filter = { ...omit, collections: { data: { omit: ["card"], filter: { n: { $gte: 100 } } } } };
      await reload(filter, /setting has changed .*setting=filter .*effect="a new snapshot/);
      await next(/settings of a collection have changed: taking a new snapshot of it stream=shop/);
      await next(/Snapshot done stream=shop/);
      await reload({ ...filter, lease: "20s" }, /not reloaded: this setting needs a restart .*setting=lease/);
      await reload({ ...filter, onDrp: "keep" }, /not reloaded, and nothing has changed .*onDrp/);
    }
    await file.write({
      shop: { ...shop, collections: { data: { omit: ["card"], filter: { n: { $gte: 100 } } } } },
    });
    const verified = await file.run("verify");
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    assert.match(verified.stdout, /equal/);
    assert.equal((await relay.kill()).code, 0, relay.stderr.join("\n"));
    assert.deepEqual(relay.stderr.filter((line) => /Stopped stream|Starting cdc-relay/.test(line)).length, 2);
  },
  { ownProcess: true },
);

cratedbTest(
  "two reloads in the middle of a snapshot leave the rows that the last filter wants",
  async (context) => {
    await collectionOf(context).insertMany(numbered(3_000));
    const { database, schema } = context;
    const streams = (least: number) => ({
      shop: {
        database,
        table: `${schema}.{collection}`,
        snapshotRate: 1_000,
        collections: { data: { filter: { n: { $gte: least } } } },
      },
    });
    await using file = await relayYaml(context, streams(0));
    const relay = file.relay();
    await eventually(async () => {
      await context.sql("REFRESH TABLE data");
      assert.ok(await countRows(context) > 0);
    });
    {
      await using _load = load(context);
      for (const least of [50, 100]) {
        const reloads = () => relay.stderr.filter((line) => line.includes("was reloaded")).length;
        const before = reloads();
        await file.write(streams(least));
        Deno.kill(relay.pid, "SIGHUP");
        await eventually(() => assert.equal(reloads(), before + 1));
      }
    }
    await relay.waitForLine(/Ready stream=shop/);
    assert.equal(relay.stderr.filter((line) => /Stopped stream|stream failed/.test(line)).length, 0);
    const verified = await file.run("verify");
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    assert.equal((await relay.kill()).code, 0, relay.stderr.join("\n"));
  },
  { ownProcess: true },
);

cratedbTest(
  "reloads while CrateDB is away, and while it is silent, lose nothing and restart no stream",
  async (context) => {
    await collectionOf(context).insertMany(numbered(500));
    const { hostname, port, pathname, search } = new URL(context.httpUrl);
    await using proxy = await startTcpProxy({ hostname, port: Number(port) });
    const httpUrl = `crate://127.0.0.1:${proxy.port}${pathname}${search}`;
    const { database, schema } = context;
    const shop = { database, table: `${schema}.{collection}`, lease: "5s" };
    await using file = await relayYaml({ ...context, httpUrl }, { shop }, LISTEN);
    const relay = file.relay();
    const base = baseOf(await relay.waitForLine(/Metrics and health/));
    await relay.waitForLine(/Ready stream=shop/);
    const lines = (expected: RegExp) => relay.stderr.filter((line) => expected.test(line)).length;
    const retries = async () => {
      const metrics = await (await fetch(`${base}/metrics`)).text();
      return Number(/^cdc_relay_retries_total\{.*system="CrateDB"\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
    };
    /** @param count of tries that fail before the reload: long enough for all that runs beside the stream */
    const reloadDuring = async (
      count: number,
      { begin, end }: Record<"begin" | "end", () => Promise<void> | void>,
    ) => {
      const before = {
        ready: lines(/Ready stream/),
        reloads: lines(/was reloaded/),
        retries: await retries(),
      };
      await begin();
      await eventually(async () =>
        assert.match(await (await fetch(`${base}/readyz`)).text(), /waiting for CrateDB/)
      );
      await eventually(async () => assert.ok(await retries() >= before.retries + count));
      await file.write({ shop: { ...shop, saveInterval: `${count + 1}s` } }, LISTEN);
      Deno.kill(relay.pid, "SIGHUP");
      await eventually(() => assert.ok(lines(/was reloaded/) > before.reloads));
      await end();
      await eventually(() => assert.ok(lines(/Ready stream=shop/) > before.ready));
    };
    {
      await using _load = load(context);
      await reloadDuring(12, { begin: () => proxy.cut(), end: () => proxy.mend() });
      await reloadDuring(0, { begin: () => proxy.freeze(), end: () => proxy.thaw() });
    }
    assert.equal(lines(/The stream failed/), 0, relay.stderr.join("\n"));
    const verified = await file.run("verify");
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    assert.equal((await relay.kill()).code, 0);
  },
  { ownProcess: true },
);

cratedbTest(
  "a table that is closed to writing is an outage of its own stream alone",
  async (context) => {
    const names = ["data", "more"];
    for (const each of names) await collectionOf(context, each).insertOne({ _id: 0 });
    const streams = Object.fromEntries(names.map((each) => [each, streamOf(context, each)]));
    await using file = await relayYaml(context, streams, { ...LISTEN, maxMemory: "16MiB" });
    const relay = file.relay();
    const base = baseOf(await relay.waitForLine(/Metrics and health/));
    for (const each of names) await relay.waitForLine(new RegExp(`Ready stream=${each}`));
    await context.sql('ALTER TABLE data SET ("blocks.write" = true)');
    // More than all statements of the process may have at once.
    await collectionOf(context, "data").insertOne({ _id: 1, card: "7".repeat(2 ** 20) });
    await relay.waitForLine(/CrateDB failed, trying again stream=data/);
    await collectionOf(context, "more").insertOne({ _id: 1 });
    await inStep({ ...context, table: "more" }, { collections: ["more"] });
    const ready = (stream: string) => fetch(`${base}/readyz?stream=${stream}`);
    assert.match(await (await ready("data")).text(), /waiting for CrateDB/);
    assert.equal((await ready("more")).status, 200);
    // CrateDB may fail for other reasons for a moment.
    const ofMore = relay.stderr.filter((line) => / stream=more/.test(line));
    assert.deepEqual(ofMore.filter((line) => /doesn't support or allow/.test(line)), []);
    await context.sql('ALTER TABLE data SET ("blocks.write" = false)');
    await inStep({ ...context, table: "data" }, { collections: ["data"] });
    assert.equal((await relay.kill()).code, 0);
  },
);

cratedbTest(
  "a restart with a changed filter takes the snapshot that a reload would take",
  async (context) => {
    await collectionOf(context).insertMany(numbered(10));
    const stream = (filter?: object) => ({ data: streamOf(context, "data", filter && { filter }) });
    await using file = await relayYaml(context, stream());
    const first = file.relay();
    await first.waitForLine(/Ready/);
    assert.equal((await first.kill()).code, 0);
    for (
      const { filter, rows } of [{ filter: { n: { $lt: 4 } }, rows: 4 }, { filter: undefined, rows: 10 }]
    ) {
      await file.write(stream(filter));
      const relay = file.relay();
      await relay.waitForLine(
        /settings of a collection have changed: taking a new snapshot of it stream=data/,
      );
      await relay.waitForLine(/Snapshot done/);
      await context.sql("REFRESH TABLE data");
      assert.equal(await countRows(context), rows);
      assert.equal((await relay.kill()).code, 0);
    }
    const same = file.relay();
    await same.waitForLine(/Ready/);
    assert.ok(!same.stderr.some((line) => /snapshot/i.test(line)), same.stderr.join("\n"));
    assert.equal((await same.kill()).code, 0);
  },
);
