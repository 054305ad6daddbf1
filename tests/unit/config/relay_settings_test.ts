/** What `cdc-relay` follows, and into which tables. */
import assert from "node:assert/strict";
import { OPTIONS } from "../../../lib/config/options.ts";
import { type Environment, type Flags, type Given, readOptions } from "../../../lib/config/read.ts";
import { relayConfig } from "../../../lib/config/relay_settings.ts";
import { UsageError } from "../../../lib/util/errors.ts";

const configOf = (flags: Flags, env: Environment = {}) => relayConfig({ flags, env });

const DATA = { database: "testdrive", collection: "data" };
const ORDERS = { database: "shop", collection: "orders" };

/** Flags, scope, and the stream's name. */
const SCOPES: readonly (readonly [Flags, string, string])[] = [
  [{}, "testdrive.data", "doc.cdc-testdrive"],
  [{ database: "*" }, "*.*", "{database}.{collection}"],
  [{ collection: "*" }, "testdrive.*", "{database}.{collection}"],
  [{ collection: "data" }, "testdrive.data", "doc.cdc-testdrive"],
  [{ collection: "readings" }, "testdrive.readings", "testdrive.readings"],
  [{ collection: "a*" }, "testdrive.a*", "{database}.{collection}"],
  [{ database: "testdrive" }, "testdrive.*", "{database}.{collection}"],
  [{ database: "shop", collection: "orders" }, "shop.orders", "shop.orders"],
  [{ database: "testdrive", collection: "data" }, "testdrive.data", "doc.cdc-testdrive"],
  [{ database: "shop", collection: "a,b" }, "shop.{a,b}", "{database}.{collection}"],
  [{ database: "a,b" }, "{a,b}.*", "{database}.{collection}"],
  [{ database: " a , b ,", collection: "c" }, "{a,b}.c", "{database}.{collection}"],
  [{ database: "*", exclude: "tmp_*,a.b" }, "*.* without a.b,tmp_*", "{database}.{collection}"],
  [{ collection: "data", table: "t" }, "testdrive.data", "doc.t"],
  [{ collection: "data", table: "x.{database}_{collection}" }, "testdrive.data", "x.testdrive_data"],
  [{ database: "shop", table: "x.{collection}" }, "shop.*", "x.{collection}"],
];

for (const [flags, scope, target] of SCOPES) {
  Deno.test(`relayConfig() ${JSON.stringify(flags)} follows ${scope} as ${target}`, () => {
    const config = configOf(flags);
    assert.equal(String(config.scope), scope);
    assert.equal(config.namesIn("doc").stream, `${scope} -> ${target}`);
  });
}

for (const flags of [{}, { collection: "data" }, { database: "testdrive" }, { database: "testdrive,shop" }]) {
  Deno.test(`relayConfig() ${JSON.stringify(flags)} has the table of the example for its collection`, () => {
    const { tableOf } = configOf(flags).namesIn("doc");
    assert.deepEqual(tableOf(DATA), { schema: "doc", name: "cdc-testdrive" });
    assert.deepEqual(tableOf(ORDERS), { schema: "{database}", name: "{collection}" });
  });
}

Deno.test("relayConfig() takes the scope from the environment too", () => {
  const env = { MONGODB_DATABASE: "shop, store", MONGODB_COLLECTION: "a*", CDC_EXCLUDE: "ab" };
  assert.equal(String(configOf({}, env).scope), "{shop,store}.a* without ab");
});

Deno.test("relayConfig() reads snapshots from the primary in key order unless it is told otherwise", () => {
  const read = (env: Environment) => {
    const { snapshotOrder, snapshotReadPreference } = configOf({}, env);
    return [snapshotOrder, snapshotReadPreference];
  };
  assert.deepEqual(read({}), ["key", "primary"]);
  const env = { CDC_SNAPSHOT_ORDER: "natural", CDC_SNAPSHOT_READ_PREFERENCE: "secondary" };
  assert.deepEqual(read(env), ["natural", "secondary"]);
});

/** Table, schema of those that name none; the table of shop.orders, the schema of the relay's own tables. */
const TABLES: readonly (readonly [string, string, string, string])[] = [
  ["{database}.{collection}", "doc", "{database}.{collection}", "doc"],
  ["{database}.{collection}", "weather", "{database}.{collection}", "weather"],
  ["{database}_{collection}", "weather", "weather.{database}_{collection}", "weather"],
  ["s.{database}_{collection}", "weather", "s.{database}_{collection}", "s"],
  ['"{database}"."{collection}"', "doc", "{database}.{collection}", "doc"],
];

for (const [table, schema, expected, metadataSchema] of TABLES) {
  Deno.test(`relayConfig() --table ${table} in ${schema}`, () => {
    const { tableOf, metadataSchema: own } = configOf({ database: "*", table }).namesIn(schema);
    const { schema: found, name } = tableOf(ORDERS);
    assert.equal(`${found}.${name}`, expected);
    assert.equal(own, metadataSchema);
  });
}

Deno.test("relayConfig() puts a table without a schema into the default schema", () => {
  const tableOf = (flags: Flags) =>
    configOf({ collection: "data", ...flags }).namesIn("weather").tableOf(DATA);
  assert.deepEqual(tableOf({ table: "t" }), { schema: "weather", name: "t" });
  assert.deepEqual(tableOf({ table: "s.t" }), { schema: "s", name: "t" });
  assert.deepEqual(tableOf({}), { schema: "weather", name: "cdc-testdrive" });
});

/** Flags, and the placeholder that is missing in --table. */
const SHARED: readonly (readonly [Flags, string])[] = [
  [{ database: "*", table: "t" }, "{database}"],
  [{ database: "*", table: "{collection}" }, "{database}"],
  [{ database: "*", table: "{database}" }, "{collection}"],
  [{ database: "shop", table: "t" }, "{collection}"],
  [{ database: "shop", table: "{database}" }, "{collection}"],
  [{ collection: "a,b", table: "t" }, "{collection}"],
  [{ collection: "a*", table: "t" }, "{collection}"],
];

for (const [flags, missing] of SHARED) {
  Deno.test(`relayConfig() refuses a table for several collections: ${JSON.stringify(flags)}`, () =>
    assert.throws(() => configOf(flags), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, /--table .* several collections/);
      assert.ok(error.hint?.includes(`Add ${missing} to it`), error.hint);
      return true;
    }));
}

Deno.test("relayConfig() refuses MongoDB's own databases", () => {
  assert.throws(() => configOf({ database: "local", collection: "oplog.rs" }), UsageError);
});

Deno.test("relayConfig() makes pipeline stages of the transform", () => {
  const flags = { filter: '{"a": "x"}', only: "a, b.c", omit: "b.c.d", pipeline: '[{"$unset": "e"}]' };
  assert.deepEqual(configOf(flags).for(ORDERS).transform, [
    { $match: { a: "x" } },
    { $project: { a: 1, "b.c": 1 } },
    { $unset: ["b.c.d"] },
    { $unset: "e" },
  ]);
});

/** Each of them makes documents be looked up. */
const TRANSFORMS: readonly Flags[] = [
  { filter: "{}" },
  { only: "a" },
  { omit: "a" },
  { pipeline: '[{"$unset": "a"}]' },
];

for (const flags of TRANSFORMS) {
  const [option] = Object.keys(flags);
  Deno.test(`relayConfig() refuses post-images with --${option}, which does not use them`, () => {
    for (const way of ["required", "whenAvailable"]) {
      assert.throws(() => configOf({ ...flags, "full-document": way }), (error) => {
        assert.ok(error instanceof UsageError);
        assert.match(error.message, new RegExp(`--full-document ${way} .*--${option}`));
        assert.match(error.hint ?? "", /Remove one or the other/);
        return true;
      });
      assert.throws(() => configOf(flags, { CDC_FULL_DOCUMENT: way }), UsageError);
    }
    assert.equal(
      configOf({ ...flags, "full-document": "updateLookup" }).for(ORDERS).fullDocument,
      "updateLookup",
    );
  });
}

for (const flags of TRANSFORMS) {
  const [option] = Object.keys(flags);
  Deno.test(`relayConfig() refuses --key documentKey with --${option}, which could remove the shard key`, () => {
    assert.throws(() => configOf({ ...flags, key: "documentKey" }), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, new RegExp(`--key documentKey .*--${option}`));
      return true;
    });
  });
}

Deno.test("the options refuse an address to listen on that is none, from the flag and the environment", () => {
  const message = (name: string) =>
    new RegExp(
      `^UsageError: ${name} is not an address such as 127\\.0\\.0\\.1:9464 or \\[::1\\]:9464: .*"9464"$`,
    );
  const listen = (given: Given) => readOptions(OPTIONS["cdc-relay"], given);
  assert.throws(() => listen({ flags: { listen: "9464" } }), message("--listen"));
  assert.throws(() => listen({ env: { CDC_LISTEN: "9464" } }), message("CDC_LISTEN"));
});

for (
  const flags of [
    { collection: "data", table: "doc.{coll}" },
    { database: "shop", table: "{db}.{collection}" },
    { database: "*", table: "{database}_{collection}_{}" },
  ]
) {
  Deno.test(`relayConfig() refuses an unknown placeholder: ${JSON.stringify(flags)}`, () =>
    assert.throws(() => configOf(flags), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, /--table .* has an unknown placeholder: \{(?:coll|db|)\}$/);
      assert.match(error.hint ?? "", /\{collection\}/);
      return true;
    }));
}

Deno.test("relayConfig() leaves room for each form of the data in transit", () => {
  const { replyBytes, batchBytes, inFlightBytes, heapBytes } = configOf({ "max-memory": "256MiB" });
  // A reply, a batch that waits, a batch that is written, and its statements as text, body and bytes.
  assert.ok(2 * replyBytes + 3 * batchBytes + 3 * inFlightBytes < heapBytes / 2);
});
