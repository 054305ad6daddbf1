/** `relay.yaml`: what is read, what wins, and the errors with their places. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { verifyConfig } from "../../../lib/config/config.ts";
import { contentOf, effectiveFor } from "../../../lib/config/effective.ts";
import { ConfigError, type FileContext } from "../../../lib/config/file_parts.ts";
import { readRelayFile } from "../../../lib/config/relay_file.ts";
import { CRATEDB } from "../../../lib/sink/sql/dialect.ts";
import { UsageError } from "../../../lib/util/errors.ts";
import { namesOf } from "../../../lib/verify/verify.ts";

const FOLDER = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(FOLDER, { recursive: true }));
const SECRET = join(FOLDER, "cratedb");
await Deno.writeTextFile(SECRET, "crate://relay:hush@crate:4200\n");

const ENV = { MONGODB_URL: "mongodb://relay:hush@one/", WEATHER_URL: "mongodb://two/" };
const read = (text: string, context: Partial<FileContext> = {}) =>
  readRelayFile(text, { path: "relay.yaml", env: ENV, ...context });
const inShop = (settings: string, context?: Partial<FileContext>) =>
  read(`version: 1\nstreams:\n  shop: { database: shop, ${settings} }`, context);

const EXAMPLE = `
# yaml-language-server: $schema=./relay.schema.json
version: 1
mongodb: { url: { env: MONGODB_URL } }
cratedb: { url: { file: ${SECRET} } }
listen: 127.0.0.1:9464
defaults: { columns: typed, onDrop: keep }
streams:
  shop:
    database: shop
    exclude: [tmp_*]
    collections:
      orders:
        table: sales.orders
        filter: { status: { $ne: draft } }
        omit: [customer.password]
        shards: 2
      "log_*": { columns: ignored, onDrop: truncate }
  weather:
    mongodb: { url: { env: WEATHER_URL } }
    database: weather
`;

const of = (collection: string, database = "shop") => ({ database, collection });

Deno.test("readRelayFile() has the process, the streams and their collections", () => {
  const { process, streams: [shop, weather], warnings } = read(EXAMPLE);
  assert.ok(shop && weather);
  assert.deepEqual([process.listen?.port, process.onFailure, warnings], [9464, "restart", []]);
  assert.deepEqual([shop.name, weather.name], ["shop", "weather"]);
  assert.deepEqual([shop.settings.mongodbUrl, weather.settings.mongodbUrl], [
    ENV.MONGODB_URL,
    ENV.WEATHER_URL,
  ]);
  assert.deepEqual([shop.settings.sink.host, shop.settings.sink.password], ["crate", "hush"]);
  const { transform, omit, shards, columns } = shop.settings.for(of("orders"));
  const table = shop.settings.namesIn("doc").tableOf(of("orders"));
  assert.deepEqual({ table, transform, omit, shards, columns }, {
    table: { schema: "sales", name: "orders" },
    transform: [{ $match: { status: { $ne: "draft" } } }, { $unset: ["customer.password"] }],
    omit: ["customer.password"],
    shards: 2,
    columns: "typed",
  });
  assert.deepEqual(shop.settings.for(of("users")).transform, []);
  const { columns: ofLogs, onDrop } = shop.settings.for(of("log_1"));
  assert.deepEqual([ofLogs, onDrop], ["ignored", "truncate"]);
});

Deno.test("a stream of a file has the name that flags give it, so that it resumes", () => {
  const names = (settings: string) => inShop(settings).streams[0]?.settings.namesIn("doc").stream;
  assert.equal(names("exclude: [b, a]"), "shop.* without a,b -> {database}.{collection}");
  assert.equal(names("collection: orders, table: s.t"), "shop.orders -> s.t");
  assert.equal(names("collection: orders, collections: { orders: { table: s.t } }"), "shop.orders -> s.t");
});

Deno.test("an exact name wins over a pattern; of several patterns, the first one wins", () => {
  const collections =
    '{ "a*": { shards: 1 }, "*": { shards: 2 }, ab: { shards: 3 }, "shop.b": { shards: 4 }, "other.*": { shards: 5 } }';
  const [stream] = inShop(`collections: ${collections}`).streams;
  const shards = ["ax", "x", "ab", "b"].map((name) => stream?.settings.for(of(name)).shards);
  assert.deepEqual(shards, [1, 2, 3, 4]);
  assert.deepEqual(stream && contentOf(stream).unmatched([of("ax"), of("ab")]), ["shop.b", "other.*"]);
});

/** From the least to the most. */
Deno.test("a flag wins over a variable, a collection, a stream, the defaults and the built-in default", () => {
  const shards = (text: string, context: Partial<FileContext> = {}) =>
    read(`version: 1\n${text}`, context).streams[0]?.settings.for(of("orders")).shards;
  const stream = (settings: string) => `streams: { shop: { database: shop, ${settings} } }`;
  const all = `defaults: { shards: 1 }\n${stream("shards: 2, collections: { orders: { shards: 3 } }")}`;
  const env = { CDC_SHARDS: "4" };
  assert.deepEqual([
    shards(stream("")),
    shards(`defaults: { shards: 1 }\n${stream("")}`),
    shards(`defaults: { shards: 1 }\n${stream("shards: 2")}`),
    shards(all),
    shards(all, { env }),
    shards(all, { env, flags: { shards: "5" } }),
  ], [undefined, 1, 2, 3, 4, 5]);
});

Deno.test("each setting has its origin", () => {
  const { streams: [shop], processEffective } = read(EXAMPLE, { flags: { lease: "10000" } });
  const origins = (settings: readonly { name: string; text: string; origin: string }[] = []) =>
    Object.fromEntries(
      settings.filter(({ origin }) => origin !== "default").map((
        { name, text, origin },
      ) => [name, `${text} ${origin}`]),
    );
  assert.deepEqual(origins(shop?.effective), {
    mongodbUrl: "mongodb://relay:***@one/ relay.yaml:4",
    cratedbUrl: `the content of ${SECRET} relay.yaml:5`,
    database: "shop relay.yaml:10",
    exclude: "tmp_* relay.yaml:11",
    lease: "10s --lease",
    columns: "typed relay.yaml:7",
    onDrop: "keep relay.yaml:7",
  });
  assert.deepEqual(origins(shop && effectiveFor(shop, of("log_1"))), {
    columns: "ignored relay.yaml:18",
    onDrop: "truncate relay.yaml:18",
  });
  assert.deepEqual(origins(processEffective), { listen: "127.0.0.1:9464 relay.yaml:6" });
});

Deno.test("the values of a file are those of Extended JSON in filters, and exact", () => {
  const filter = '{ at: { $gt: { $date: "2026-01-01T00:00:00Z" } }, n: 9007199254740993, no: no }';
  const [stage] = inShop(`filter: ${filter}`).streams[0]?.settings.for(of("a")).transform ?? [];
  assert.deepEqual(JSON.parse(JSON.stringify(stage)), {
    $match: {
      at: { $gt: "2026-01-01T00:00:00.000Z" },
      n: { low: 1, high: 2097152, unsigned: false },
      no: "no",
    },
  });
});

Deno.test("a stream's own server has nothing of the other one, whose login it must not get", () => {
  const text = `version: 1
cratedb: { url: "crate://one:4200/?ssl=true", jwt: eyJh.eyJi.aHVzaA }
streams: { a: { database: a }, b: { database: b, cratedb: { url: "crate://two" } } }`;
  const { streams: [a, b], warnings } = read(text);
  assert.deepEqual([a?.settings.sink.jwt?.(), b?.settings.sink.jwt], ["eyJh.eyJi.aHVzaA", undefined]);
  assert.deepEqual(warnings, [
    "relay.yaml:2: cratedb.jwt has a password. Use { env: VARIABLE } or { file: PATH }",
  ]);
});

Deno.test("a token of a variable is not for the own server of one of several streams", () => {
  const env = { CRATEDB_JWT: "eyJh.eyJi.aHVzaA" };
  const streams = (b: string) => `version: 1\nstreams: { a: { database: a }, b: { database: b, ${b} } }`;
  assert.equal(read(streams(""), { env }).streams[1]?.settings.sink.jwt?.(), env.CRATEDB_JWT);
  assert.throws(() => read(streams("cratedb: { url: crate://two/?ssl=true }"), { env }), {
    message: "CRATEDB_JWT would replace what the file has for b",
  });
});

Deno.test("a password in the file is a warning, which does not show it", () => {
  const { warnings } = read(
    "version: 1\nmongodb: { url: mongodb://me:hush@db/ }\nstreams: { a: { database: a } }",
  );
  assert.match(warnings.join(), /^relay\.yaml:2: mongodb\.url has a password/);
  assert.doesNotMatch(warnings.join(), /hush/);
});

Deno.test("a variable that the file names does not win over the file", () => {
  const text = EXAMPLE.replace("WEATHER_URL", "MONGODB_URL").replace(
    "{ env: MONGODB_URL } }\ncratedb",
    "mongodb://top/ }\ncratedb",
  );
  assert.deepEqual(read(text).streams.map(({ settings }) => settings.mongodbUrl), [
    "mongodb://top/",
    ENV.MONGODB_URL,
  ]);
});

Deno.test("another variable of the same option does not win either", () => {
  const text = "version: 1\ncratedb: { url: { env: CRATEDB_URL } }\nstreams: { a: { database: a } }";
  const one = { CRATEDB_URL: "crate://one" };
  for (const name of ["CRATEDB_SQLALCHEMY_URL", "CRATEDB_SQLALCHEMY_URL_FILE", "CRATEDB_URL_FILE"]) {
    const { streams: [stream] } = read(text, { env: { ...one, [name]: "crate://other" } });
    assert.equal(stream?.settings.sink.host, "one");
  }
});

Deno.test("a flag or a variable must not give several streams one scope", () => {
  for (const context of [{ flags: { database: "x" } }, { env: { ...ENV, MONGODB_DATABASE: "x" } }]) {
    assert.throws(() => read(EXAMPLE, context), (error) => {
      assert.ok(error instanceof UsageError && !(error instanceof ConfigError));
      assert.match(
        error.message,
        /^(--database|MONGODB_DATABASE) would replace what the file has for shop$/,
      );
      return true;
    });
    assert.equal(
      `${read(EXAMPLE, { ...context, stream: "shop" }).streams[0]?.settings.scope}`,
      "x.* without tmp_*",
    );
  }
});

Deno.test("a flag or a variable must not narrow the scopes of several streams", () => {
  for (
    const context of [
      { flags: { collection: "orders" } },
      { flags: { exclude: "tmp_*" } },
      { env: { ...ENV, MONGODB_COLLECTION: "orders" } },
    ]
  ) {
    const message = /^(--collection|--exclude|MONGODB_COLLECTION) would replace what the file has for shop$/;
    assert.throws(() => read(EXAMPLE, context), { message });
    assert.equal(read(EXAMPLE, { ...context, stream: "weather" }).streams.length, 1);
  }
});

Deno.test("one stream of a file needs only its own secrets", () => {
  const { streams } = read(EXAMPLE, { stream: "shop", env: { MONGODB_URL: ENV.MONGODB_URL } });
  assert.deepEqual(streams.map(({ name }) => name), ["shop"]);
  assert.throws(() => read(EXAMPLE, { stream: "shp" }), { message: "relay.yaml has no stream shp" });
});

Deno.test("what a stream is given is what other commands are given", () => {
  const [stream] = inShop("collections: { orders: { table: s.t } }").streams;
  const { relay } = verifyConfig({ ...stream?.given, flags: { sample: "5" } });
  assert.deepEqual(relay.namesIn("doc").tableOf(of("orders")), { schema: "s", name: "t" });
});

Deno.test("verify finds the relay's own tables if a flag selects a collection with a table in another schema", async () => {
  const [stream] = inShop("collections: { orders: { table: s.t } }").streams;
  const settings = verifyConfig({ ...stream?.given, flags: { collection: "orders" } });
  const following = async (...streams: readonly string[]) =>
    (await namesOf({
      dialect: CRATEDB,
      query: (sql, [name] = []) => {
        const rows = sql.includes('"s"."cdc_position"') && streams.includes(String(name)) ? [[name]] : [];
        return Promise.resolve({ count: rows.length, rows });
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }, settings)).metadataSchema;
  assert.equal(await following(), "doc");
  // A relay with the same flag.
  assert.equal(await following("shop.orders -> s.t"), "s");
});

/** All lines below `version: 1`, and the errors. */
const WRONG: readonly (readonly [what: string, text: string, errors: readonly string[]])[] = [
  ["no streams", "listen: 127.0.0.1:1", ["1:1: streams is missing"]],
  ["an empty list of streams", "streams: {}", [
    "2:1: streams is not a mapping with a stream: current value is {}",
  ]],
  ["a list instead of a mapping", "streams: [shop]", [
    "2:1: streams is not a mapping (key: value): current value is",
  ]],
  ["a stream with nothing", "streams:\n  a:", [
    "3:3: a is not a mapping (key: value): current value is null",
  ]],
  [
    "unknown keys, all of them",
    "strems: {}\nstreams: { a: { onDrp: keep, on-drop: keep, listen: x, nonsense: 1 } }",
    [
      "2:1: Unknown key: strems. Did you mean streams?",
      "3:17: Unknown key: onDrp. Did you mean onDrop?",
      "3:30: Unknown key: on-drop. Did you mean onDrop?",
      "3:45: Unknown key: listen. It belongs to the top of the file",
      "3:56: Unknown key: nonsense. Possible keys: mongodb, cratedb, database,",
    ],
  ],
  [
    "names whose settings would not be read",
    "streams:\n  a: { collections: { constructor: { onDrp: keep }, toString: {} } }\n  prototype: { x: 1 }",
    ["4:3: prototype cannot be a name here. Choose another one, or a pattern such as prototyp?"],
  ],
  [
    "an option of the command line for a server",
    "cratedbUrl: crate://x\nstreams: { a: {} }",
    ["2:1: Unknown key: cratedbUrl. Did you mean cratedb?"],
  ],
  [
    "a duplicate key, and another error",
    "streams:\n  a: {}\n  a: {}\nlease: 1",
    [
      "4:3: This is not YAML: Map keys must be unique. Remove one of the two",
      "5:1: Unknown key: lease. It belongs to a stream",
    ],
  ],
  ["a tag of another program", "streams: { a: { table: !env TABLE } }", [
    "2:24: This is not YAML: Unresolved tag: !env",
  ]],
  ["a part that contains itself", "streams:\n  a: &a { database: a, collections: *a }", [
    "1:1: The aliases cannot be resolved",
  ]],
  ["an unquoted *", "streams:\n  a: { database: * }", ["3:18: This is not YAML: Alias"]],
  [
    "an unquoted pattern that starts with *, and another error",
    "streams:\n  a:\n    exclude: [*_old]\n    onDrp: keep",
    [
      "4:15: This is an alias, and no &_old stands before it. Put a text that starts with * in quotes: '*_old'",
      "5:5: Unknown key: onDrp. Did you mean onDrop?",
    ],
  ],
  [
    "wrong values, all of them",
    'streams: { a: { columns: none, batchSize: 0, lease: 1ms, shards: "2", omit: [1], filter: [] } }',
    [
      '2:17: columns is not one of typed, dynamic, ignored: current value is "none"',
      "2:32: batchSize is not a whole number of at least 1: current value is 0",
      "2:46: lease is not from 1s to 24h",
      '2:58: shards is not a number (without quotes): current value is "2"',
      "2:71: omit is not a list of texts: current value is [1]",
      "2:82: filter is not a query such as",
    ],
  ],
  [
    "secrets that are not there",
    "mongodb: { url: { env: NONE } }\ncratedb: { url: { file: /none }, jwt: { fil: x } }\nstreams: { a: {} }",
    [
      "2:12: The variable NONE is not set. Set it, or use { file: PATH }",
      "3:12: cratedb.url names a file that cannot be read: /none",
      "3:34: This is neither a text, nor { env: VARIABLE }, nor { file: PATH }",
    ],
  ],
  [
    "a URL of another kind",
    "mongodb: { url: crate://db }\nstreams: { a: { mongodb: { url: 'mongo://me:hush@db/' } } }",
    [
      "2:12: mongodb.url is malformed. It begins with mongodb:// or mongodb+srv://",
      "3:28: mongodb.url is malformed. It begins with mongodb:// or mongodb+srv://",
    ],
  ],
  [
    "a secret from two places",
    `streams: { a: { cratedb: { url: { env: MONGODB_URL, file: x } } } }`,
    ["2:28: cratedb.url names a file that cannot be read: x"],
  ],
  [
    "a server of a stream without a URL",
    "cratedb: { url: crate://one }\nstreams: { a: { cratedb: { jwt: eyJh.eyJi.aHVzaA } } }",
    ["3:17: url is missing"],
  ],
  [
    "settings that exclude each other",
    "streams:\n  a: { database: a, key: documentKey, collections: { b: { omit: [x] }, c: { only: [y] } } }",
    ["3:21: key documentKey cannot be given with", "3:21: key documentKey cannot be given with"],
  ],
  [
    "one table for several collections",
    'streams:\n  a:\n    database: a\n    collections: { "l*": { table: logs } }',
    ["5:28: table doc.logs would be the table of several collections: l*. Add {collection} to it"],
  ],
  [
    "two streams with one table",
    "streams:\n  a: { database: shop, exclude: b* }\n  b: { database: shop, collection: [orders, users] }",
    ["4:3: shop.orders of b would have the table shop.orders, which is that of shop.orders of a"],
  ],
  [
    "two streams with one database",
    "streams:\n  a: { database: shop }\n  b: { database: shop }",
    ["4:3: shop.example of b would have the table shop.example, which is that of shop.example of a"],
  ],
  [
    "an empty name of a collection",
    'streams: { a: { database: a, collections: { "": { shards: 1 } } } }',
    ['2:45: A name is not a text: current value is ""'],
  ],
  [
    "two collections with one table",
    "streams:\n  a: { database: a, collections: { b: { table: t }, c: { table: t } } }",
    ["3:3: a.c of a would have the table doc.t, which is that of a.b of a"],
  ],
];

for (const [what, text, errors] of WRONG) {
  Deno.test(`readRelayFile() refuses ${what}`, () => {
    assert.throws(() => read(`version: 1\n${text}`), (error) => {
      assert.ok(error instanceof ConfigError, String(error));
      const lines = error.message.split("\n");
      assert.equal(lines.length, errors.length, error.message);
      errors.forEach((each, at) =>
        assert.ok(lines[at]?.startsWith(`relay.yaml:${each}`), `${lines[at]} ≠ ${each}`)
      );
      return true;
    });
  });
}

for (
  const [text, error] of [["", "1:1: The file is not"], ["a: [", "1:5: This is not YAML"], [
    "- 1",
    "1:1: The file is not",
  ]]
) {
  Deno.test(`readRelayFile() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => read(text ?? ""), (thrown) => {
      assert.ok(thrown instanceof ConfigError && !thrown.message.includes("\n"));
      assert.ok(thrown.message.startsWith(`relay.yaml:${error}`), thrown.message);
      return true;
    });
  });
}

Deno.test("streams with disjoint scopes, or other tables or servers, do not share tables", () => {
  const streams = [
    "a: { database: shop, exclude: orders }, b: { database: shop, collection: orders }",
    "a: { database: shop }, b: { database: shop, table: 'copy.{collection}' }",
    "a: { database: shop }, b: { database: shop, cratedb: { url: crate://two } }",
  ];
  for (const each of streams) assert.equal(read(`version: 1\nstreams: { ${each} }`).streams.length, 2);
});

for (
  const text of [
    "MONGODB_URL=x\nCDC_CONTROL_TOKEN=s3cret",
    "hooks: https://hooks.slack.com/services/s3cret",
    "cratedb: [{ jwt: s3cret }]",
  ]
) {
  Deno.test(`readRelayFile() refuses a text or a list without what is secret in it: ${text}`, () => {
    assert.throws(() => read(text), (thrown) => {
      assert.ok(thrown instanceof ConfigError);
      assert.match(thrown.message, / is not a (?:mapping|list)/);
      assert.doesNotMatch(thrown.message, /s3cret/);
      return true;
    });
  });
}
