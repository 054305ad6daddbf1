import assert from "node:assert/strict";
import {
  logOptions,
  statusConfig,
  statusConfigs,
  verifyConfig,
  workloadConfig,
} from "../../../lib/config/config.ts";
import { OPTIONS } from "../../../lib/config/options.ts";
import { type Environment, type Flags, type Given, readOptions } from "../../../lib/config/read.ts";
import { relayConfig } from "../../../lib/config/relay_settings.ts";
import { UsageError } from "../../../lib/util/errors.ts";
import { parseMix } from "../../../lib/workload/mix.ts";
import { tableName } from "../../../lib/sink/sql/names.ts";

const given = (flags: Flags = {}, env: Environment = {}): Given => ({ flags, env });

Deno.test("relayConfig() has the defaults of the quick start", () => {
  const { mongodbUrl, sink, snapshot, onHistoryLost, for: settingsOf } = relayConfig(given());
  const { fullDocument, transform } = settingsOf({ database: "testdrive", collection: "data" });
  assert.deepEqual({ mongodbUrl, snapshot, onHistoryLost, fullDocument, transform }, {
    mongodbUrl: "mongodb://localhost/",
    snapshot: "initial",
    onHistoryLost: "recopy",
    fullDocument: "lookup",
    transform: [],
  });
  assert.deepEqual([sink.transport, sink.host, sink.port, sink.user], ["http", "localhost", 4200, "crate"]);
});

Deno.test("relayConfig() is frozen, all of it", () => {
  const config = relayConfig(given({ table: "t", collection: "data" }));
  const table = config.namesIn("doc").tableOf({ database: "testdrive", collection: "data" });
  const ofEach = config.for({ database: "testdrive", collection: "data" });
  for (const each of [config, table, config.sink, ofEach]) assert.ok(Object.isFrozen(each));
});

const SOURCES: readonly (readonly [string, Given, string])[] = [
  ["the default", given(), "testdrive.data"],
  ["the environment over the default", given({}, { MONGODB_COLLECTION: "env" }), "testdrive.env"],
  [
    "the flag over the environment",
    given({ collection: "flag" }, { MONGODB_COLLECTION: "env" }),
    "testdrive.flag",
  ],
  ["the default if the variable is empty", given({}, { MONGODB_COLLECTION: "" }), "testdrive.data"],
];

for (const [what, from, scope] of SOURCES) {
  Deno.test(`relayConfig() takes ${what}`, () => assert.equal(String(relayConfig(from).scope), scope));
}

Deno.test("relayConfig() takes CRATEDB_URL over CRATEDB_SQLALCHEMY_URL, and the flag over both", () => {
  const env = { CRATEDB_URL: "crate://one", CRATEDB_SQLALCHEMY_URL: "crate://two" };
  assert.equal(relayConfig(given({}, env)).sink.host, "one");
  assert.equal(relayConfig(given({}, { ...env, CRATEDB_URL: "" })).sink.host, "two");
  assert.equal(relayConfig(given({ "cratedb-url": "crate://three" }, env)).sink.host, "three");
});

Deno.test("relayConfig() reads numbers, sizes and times", () => {
  const flags = {
    "batch-size": "7",
    "batch-bytes": "2KiB",
    "refresh-interval": "2s",
    "retry-for": "forever",
  };
  const { batchSize, batchBytes, refreshInterval, retryFor } = relayConfig(given(flags));
  assert.deepEqual([batchSize, batchBytes, refreshInterval, retryFor], [7, 2_048, 2_000, Infinity]);
  const { batchBytes: share, statementBytes } = relayConfig(given({ "max-memory": "512MiB" }));
  assert.deepEqual([share, statementBytes], [16 * 2 ** 20, 4 * 2 ** 20]);
});

/** Option, its variable, a bad value. */
const BAD: readonly (readonly [string, string, string])[] = [
  ["batch-size", "CDC_BATCH_SIZE", "0"],
  ["batch-size", "CDC_BATCH_SIZE", "1.5"],
  ["batch-size", "CDC_BATCH_SIZE", "-1"],
  ["batch-bytes", "CDC_BATCH_BYTES", "16XB"],
  ["batch-bytes", "CDC_BATCH_BYTES", "0"],
  ["refresh-interval", "CDC_REFRESH_INTERVAL", "soon"],
  ["lease", "CDC_LEASE", "10ms"],
  ["lease", "CDC_LEASE", "forever"],
  ["max-memory", "CDC_MAX_MEMORY", "15MiB"],
  ["on-drop", "CDC_ON_DROP", "explode"],
  ["log-level", "LOG_LEVEL", "loud"],
  ["cratedb-url", "CRATEDB_URL", "mysql://localhost"],
  ["cratedb-url", "CRATEDB_SQLALCHEMY_URL", "crate://localhost:port"],
  ["table", "CRATEDB_TABLE", "a.b.c"],
  ["snapshot", "CDC_SNAPSHOT", "sometimes"],
  ["on-history-lost", "CDC_ON_HISTORY_LOST", "ignore"],
  ["full-document", "CDC_FULL_DOCUMENT", "default"],
  ["filter", "CDC_FILTER", "status: open"],
  ["only", "CDC_ONLY", "_id"],
  ["omit", "CDC_OMIT", "card..number"],
  ["pipeline", "CDC_PIPELINE", '[{"$out":"x"}]'],
];

const relayOptions = (from: Given) => readOptions(OPTIONS["cdc-relay"], from);

const rejects = (from: Given, named: string, value: string, config: (from: Given) => unknown) =>
  assert.throws(() => config(from), (error) => {
    assert.ok(error instanceof UsageError, String(error));
    assert.ok(error.message.includes(named), `${error.message} does not name ${named}`);
    assert.ok(
      error.message.includes(value) || error.message.includes(JSON.stringify(value)),
      `${error.message} does not show ${value}`,
    );
    return true;
  });

for (const [flag, variable, value] of BAD) {
  Deno.test(`relayConfig() names the source of a bad value: --${flag} ${value}`, () =>
    rejects(given({ [flag]: value }), `--${flag}`, value, relayOptions));
  Deno.test(`relayConfig() names the source of a bad value: ${variable}=${value}`, () =>
    rejects(given({}, { [variable]: value }), variable, value, relayOptions));
}

Deno.test("workloadConfig() names the source of a bad value", () => {
  rejects(given({ mix: "insert" }), "--mix", "insert", workloadConfig);
  rejects(given({}, { WORKLOAD_MIX: "insert" }), "WORKLOAD_MIX", "insert", workloadConfig);
  rejects(given({}, { WORKLOAD_COUNT: "many" }), "WORKLOAD_COUNT", "many", workloadConfig);
});

for (const flag of ["table", "database", "collection", "exclude", "filter", "only", "omit", "pipeline"]) {
  Deno.test(`relayConfig() refuses an empty flag: --${flag}`, () => {
    assert.throws(() => relayConfig(given({ [flag]: "" })), new RegExp(`--${flag} is empty`));
  });
}

Deno.test("logOptions()", () => {
  assert.deepEqual(logOptions(given({}, { LOG_FORMAT: "json" })), { format: "json", level: "info" });
});

Deno.test("workloadConfig() has the defaults that insert one record", () => {
  const { count, rate, mix } = workloadConfig(given());
  assert.deepEqual({ count, rate }, { count: 1, rate: 0 });
  assert.deepEqual(mix, { insert: 100, update: 0, replace: 0, delete: 0 });
});

const TABLES: readonly (readonly [string, string, string])[] = [
  ["t", "doc", "t"],
  ["cdc-testdrive", "doc", "cdc-testdrive"],
  ["weather.readings", "weather", "readings"],
  ['"a.b"', "doc", "a.b"],
  ['"s.1"."t.2"', "s.1", "t.2"],
  ['s."it""s"', "s", 'it"s'],
  ["Täble x", "doc", "Täble x"],
];

for (const [text, schema, name] of TABLES) {
  Deno.test(`tableName() ${text}`, () => assert.deepEqual(tableName(text, "doc"), { schema, name }));
}

for (const text of [".", "a.", ".a", "a..b", "a.b.c", '"a', '"a"b', 'a"b', '""']) {
  Deno.test(`tableName() refuses ${JSON.stringify(text)}`, () =>
    assert.throws(() => tableName(text, "doc"), RangeError));
}

const MIXES: readonly (readonly [string, ReturnType<typeof parseMix>])[] = [
  ["insert=1", { insert: 1, update: 0, replace: 0, delete: 0 }],
  ["insert=70,update=20,replace=5,delete=5", { insert: 70, update: 20, replace: 5, delete: 5 }],
  [" delete=0.5 , insert=1.5", { insert: 1.5, update: 0, replace: 0, delete: 0.5 }],
];

for (const [text, mix] of MIXES) {
  Deno.test(`parseMix() ${text}`, () => assert.deepEqual(parseMix(text), mix));
}

for (
  const text of [
    "",
    "insert",
    "insert=",
    "insert=-1",
    "upsert=1",
    "insert=1;delete=1",
    "delete=1",
    "insert=0",
    "toString=1",
  ]
) {
  Deno.test(`parseMix() refuses ${JSON.stringify(text)}`, () =>
    assert.throws(() => parseMix(text), RangeError));
}

Deno.test("relayConfig() names the stream of a worker", () => {
  const { worker, namesIn } = relayConfig(given({ collection: "orders" }, { CDC_WORKER: "1/4" }));
  assert.deepEqual(worker, { index: 1, count: 4 });
  assert.equal(namesIn("doc").stream, "testdrive.orders -> testdrive.orders (worker 1/4)");
  assert.throws(() => relayConfig(given({ worker: "4/4" })), /--worker is not K\/N/);
});

Deno.test("verifyConfig() is of all workers, also in the environment of one", () => {
  const { relay } = verifyConfig(given({ collection: "orders" }, { CDC_WORKER: "1/4" }));
  assert.equal(relay.worker, undefined);
  assert.equal(relay.namesIn("doc").stream, "testdrive.orders -> testdrive.orders");
});

Deno.test("statusConfigs() have texts with the origins of the URL at hand: of all streams with the same CrateDB", () => {
  const stream = (host: string, line: number): Given => ({
    options: { cratedbUrl: `crate://${host}` },
    places: { cratedbUrl: `relay.yaml:${line}` },
  });
  const settings = statusConfigs(stream("one", 3), stream("other", 6), stream("one", 9));
  const hints = settings.map(({ reword }) => reword("Check CRATEDB_URL."));
  const shared = "Check relay.yaml:3 or relay.yaml:9.";
  assert.deepEqual(hints, [shared, "Check relay.yaml:6.", shared]);
});

Deno.test("statusConfig() names one worker, or the stream of all", () => {
  const streamOf = (flags: Flags) => statusConfig(given(flags)).streamIn?.("doc");
  assert.equal(streamOf({ collection: "orders" }), "testdrive.orders -> testdrive.orders");
  assert.equal(
    streamOf({ collection: "orders", worker: "0/2" }),
    "testdrive.orders -> testdrive.orders (worker 0/2)",
  );
});

Deno.test("settings.for() has the options whose scope is a collection", () => {
  const settings = relayConfig(given({ database: "shop", table: "x.{collection}", "on-drop": "drop" }));
  const orders = { database: "shop", collection: "orders" };
  assert.deepEqual(settings.namesIn("doc").tableOf(orders), { schema: "x", name: "{collection}" });
  assert.deepEqual(settings.for(orders), {
    ...{ transform: [], key: "_id", omit: [], columns: "typed" },
    ...{ types: undefined, fulltext: undefined, with: undefined },
    ...{ shards: undefined, replicas: undefined, partitionBy: undefined, keep: undefined },
    ...{ deletes: "hard", metadata: "off" },
    ...{ widen: "on", widenRows: 2_000_000, onDrop: "drop", fullDocument: "lookup" },
  });
});

Deno.test("relayConfig() has no secret beside the URLs", () => {
  const config = relayConfig(given({ "cratedb-url": "crate://u:s3cret@db", "mongodb-url": "mongodb://h/" }));
  const { sink: _, ...rest } = config;
  assert.doesNotMatch(JSON.stringify(rest), /s3cret/);
});
