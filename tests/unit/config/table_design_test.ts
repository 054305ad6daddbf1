/** The settings that design a table, in a file: what is read, and the place of each mistake. */
import assert from "node:assert/strict";
import { ConfigError } from "../../../lib/config/file_parts.ts";
import { effectiveFor } from "../../../lib/config/effective.ts";
import { readRelayFile } from "../../../lib/config/relay_file.ts";
import { inProgramWords } from "../../../lib/config/program_options.ts";

const ENV = { MONGODB_URL: "mongodb://one/", CRATEDB_URL: "crate://one" };
const fileOf = (settings: string) =>
  `version: 1
streams:
  shop:
    database: shop
    collections:
      orders:
${settings.replace(/^/gm, "        ")}`;
const read = (settings: string) => readRelayFile(fileOf(settings), { path: "relay.yaml", env: ENV });

Deno.test("a file designs the table of a collection", () => {
  const { streams: [shop] } = read(`types:
  total: numeric(20,4)
  note: { text: { index: off } }
  location: geo_point
fulltext: { search: { columns: [title, note], analyzer: english } }
with: { codec: best_compression }`);
  const namespace = { database: "shop", collection: "orders" };
  const { types, fulltext, with: settings } = shop?.settings.for(namespace) ?? {};
  assert.deepEqual([...types?.data?.children?.keys() ?? []], ["total", "note", "title"]);
  assert.deepEqual([...types?.geo?.children?.keys() ?? []], ["location"]);
  assert.deepEqual([fulltext?.[0]?.name, settings], ["search", { codec: "best_compression" }]);
  const shown = shop && effectiveFor(shop, namespace).find(({ name }) => name === "with");
  assert.deepEqual([shown?.text, shown?.origin], ['{"codec":"best_compression"}', "relay.yaml:12"]);
  assert.equal(shop?.settings.for({ database: "shop", collection: "users" }).types, undefined);
});

/** Settings, and the line (below `orders:`) and text of the problem. */
const MISTAKES: readonly (readonly [settings: string, line: number, message: RegExp])[] = [
  [
    "types:\n  at: geo_point\n  total: numerik(20,4)",
    3,
    /^types\.total is no type\. Did you mean numeric\(20,4\)\?: current value is "numerik\(20,4\)"/,
  ],
  ["types:\n  total: numeric(50,4)", 2, /^types\.total has a precision that is not from 1 to 38/],
  ["types:\n  a: uuid\n  a.b: uuid", 3, /^types\.a\.b is also the path of another type/],
  ["types: uuid", 1, /^types is not a mapping \(key: value\): current value is "uuid"/],
  ["types:\n  note: { text: { index: no } }", 2, /^types\.note is no type/],
  [
    "fulltext:\n  search: { columns: title }",
    2,
    /^fulltext\.search has no list of columns, such as columns: \[title, body\]/,
  ],
  [
    "fulltext:\n  search: { fields: [title] }",
    2,
    /^fulltext\.search has fields; it takes columns and analyzer/,
  ],
  ["with:\n  codec: [a]", 2, /^with\.codec is not a text, a number, true or false: current value is \["a"\]/],
  ["with: { blocks.write: true }", 1, /^with\.blocks\.write would close the table to its relay/],
  ["with: { number_of_replicas: 1 }", 1, /^with\.number_of_replicas is the setting replicas/],
  [
    "partitionBy: { day: a.at }\nomit: [a]",
    1,
    /^partitionBy needs a\.at, which omit or only removes/,
  ],
  ["partitionBy: { day: a.at }\nonly: [b]", 1, /^partitionBy needs a\.at, which omit or only removes/],
  ["columns: ignored\ntypes:\n  total: uuid", 2, /^types and fulltext cannot be given with columns ignored/],
  [
    "types:\n  n: uuid\nfulltext:\n  s: { columns: [n] }",
    3,
    /^fulltext s has a column that is no text by types: n/,
  ],
  ["typos: {}", 1, /Unknown key: typos\. Did you mean types\?/],
];

for (const [settings, line, message] of MISTAKES) {
  Deno.test(`a file with ${JSON.stringify(settings)} is wrong at its line`, () => {
    assert.throws(() => read(settings), (error) => {
      assert.ok(error instanceof ConfigError);
      const [, found, text = ""] = /^relay\.yaml:(\d+):\d+: (.*)$/.exec(error.message) ?? [];
      assert.equal(Number(found), line + 6, error.message);
      assert.match(text, message);
      return true;
    });
  });
}

Deno.test("a field that decides the partition may be in one that is kept, or be set by a pipeline", () => {
  const kept = [
    "only: [a]",
    "only: [a.at, b]",
    "omit: [a.b, ata]",
    "omit: [a]\npipeline: [{ $set: { a: $b } }]",
  ];
  for (const settings of kept) read(`partitionBy: { day: a.at }\n${settings}`);
  read("partitionBy: { day: $id }\nonly: [b]");
});

Deno.test("shadows need no columns in data", () => {
  const { streams: [shop] } = read("columns: ignored\ntypes: { at: geo_point }");
  assert.ok(shop?.settings.for({ database: "shop", collection: "orders" }).types?.geo);
});

Deno.test("messages name the settings as in a file", () => {
  assert.equal(inProgramWords("--types and --with"), "types and with");
});
