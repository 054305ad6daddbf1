/** What a changed file changes. */
import assert from "node:assert/strict";
import { changesOf, changesOfStream, contentOf, savedText } from "../../../lib/config/effective.ts";
import { readRelayFile } from "../../../lib/config/relay_file.ts";

const read = (shop: string, process = "") =>
  readRelayFile(`version: 1\n${process}\nstreams:\n  shop: { database: shop, ${shop} }`, {
    path: "relay.yaml",
    env: {},
  });

const stream = (shop: string) => {
  const [found] = read(shop).streams;
  assert.ok(found);
  return found;
};

const CASES: readonly (readonly [
  what: string,
  before: string,
  after: string,
  changes: readonly (readonly [setting: string, collection: string | undefined, reload: string])[],
])[] = [
  ["nothing", "saveInterval: 1s", "saveInterval: 1000ms", []],
  ["a setting of the stream", "saveInterval: 1s", "saveInterval: 2s", [["saveInterval", undefined, "live"]]],
  ["a setting of a collection", "collections: { a: { omit: [b] } }", "collections: { a: { omit: [c] } }", [
    ["omit", "a", "from now on"],
  ]],
  ["a collection that gets settings", "onDrop: keep", "collections: { 'a*': { filter: { n: 1 } } }", [
    ["filter", "a*", "snapshot"],
  ]],
  ["a collection that has none any more", "collections: { a: { filter: { n: 1 } } }", "onDrop: keep", [
    ["filter", "a", "snapshot"],
  ]],
  [
    "what the collections inherit",
    "collections: { a: { shards: 1 } }",
    "columns: ignored, collections: { a: { shards: 1 } }",
    [["columns", undefined, "snapshot"]],
  ],
  [
    "a collection that leaves a pattern",
    "collections: { 'a*': { table: 's.{collection}' } }",
    "collections: { 'a*': { table: 's.{collection}' }, ab: { shards: 1 } }",
    [["table", "ab", "restart"], ["shards", "ab", "from now on"]],
  ],
  ["the scope", "exclude: [a]", "exclude: [b]", [["exclude", undefined, "restart"]]],
];

for (const [what, before, after, changes] of CASES) {
  Deno.test(`changesOf() of ${what}`, () => {
    assert.deepEqual(
      changesOf(read(before), read(after)).map(({ setting, collection, reload }) => [
        setting,
        collection,
        reload,
      ]),
      changes,
    );
    assert.equal(savedText(stream(before)) === savedText(stream(after)), changes.length === 0);
  });
}

Deno.test("changesOf() has the settings of the process, and streams that were added or removed", () => {
  const before = read("onDrop: keep", "logLevel: info");
  const after = readRelayFile("version: 1\nlogLevel: debug\nstreams: { bank: { database: bank } }", {
    path: "relay.yaml",
    env: {},
  });
  assert.deepEqual(changesOf(before, after), [
    { setting: "logLevel", before: "info", after: "debug", reload: "live" },
    { stream: "shop", setting: "streams", before: "shop", after: "", reload: "restart" },
    { stream: "bank", setting: "streams", before: "", after: "bank", reload: "restart" },
  ]);
});

Deno.test("changesOf() has another password, whose text is masked, and which is not saved", () => {
  const [before, after] = ["one", "two"].map((each) =>
    read("cratedb: { url: 'crate://me:" + each + "@db' }")
  );
  assert.ok(before && after);
  const text = "crate://me:***@db";
  assert.deepEqual(changesOf(before, after), [
    { stream: "shop", setting: "cratedbUrl", before: text, after: text, reload: "restart" },
  ]);
  assert.doesNotMatch(savedText(before.streams[0]), /one/);
  assert.deepEqual(changesOfStream(JSON.parse(savedText(before.streams[0])), after.streams[0]), []);
});

Deno.test("savedText() differs for patterns in another order, of which another one may win", () => {
  const rules = ["'a*': { shards: 1 }", "'*b': { shards: 2 }"];
  const [one, other] = [rules, rules.toReversed()].map((all) => stream(`collections: { ${all.join(", ")} }`));
  assert.ok(one && other);
  assert.notEqual(savedText(one), savedText(other));
});

Deno.test("contentOf() finds the collections whose rows have other content than with saved settings", () => {
  const before = stream("collections: { a: { filter: { n: 1 } }, c: { shards: 2 } }");
  const after = stream("onDrop: drop, collections: { a: { filter: { n: 2 } }, c: { omit: [b] } }");
  const isOutdated = contentOf(after).isOutdated(contentOf(before).text);
  const outdated = ["a", "b", "c"].map((collection) => isOutdated({ database: "shop", collection }));
  assert.deepEqual(outdated, [true, false, false]);
});

Deno.test("contentOf() finds none if an earlier version saved no value of an option", () => {
  const { text, isOutdated } = contentOf(stream("columns: ignored"));
  const earlier = text.replaceAll('"name":"columns"', '"name":"former"');
  assert.equal(isOutdated(earlier)({ database: "shop", collection: "a" }), false);
});
