/** `config init` writes a file that has the settings of the flags and variables. */
import assert from "node:assert/strict";
import { fc } from "../deps.ts";
import { effectiveOf, type Setting, settingsIn } from "../../lib/config/effective.ts";
import { flagOf, type Option, variablesOf } from "../../lib/config/option.ts";
import { FILE_PROCESS, PROCESS } from "../../lib/config/options.ts";
import { find, type Given } from "../../lib/config/read.ts";
import { readRelayFile } from "../../lib/config/relay_file.ts";
import { relayFileText } from "../../lib/config/relay_init.ts";
import { RELAY } from "../../lib/config/relay_options.ts";
import { relayConfig } from "../../lib/config/relay_settings.ts";

/** Texts that an option has by its type; those of certificates would have to be in files. */
const TEXTS: Readonly<Record<Option["type"], readonly string[]>> = {
  collection: ["shop.orders"],
  text: ["mongodb://db/", "mongodb://me:hush@db/?w=1#x", "mongodb+srv://a,b/"],
  choice: [],
  count: ["1", "7", "007"],
  duration: ["5000", "10s", "1.5m", "forever", "24h"],
  size: ["16MiB", "33554432", "1gib"],
  names: ["a*", "a,b", "*", "no", "1", "a:b", "- x", "#c"],
  paths: ["a", "a.b,c", "yes"],
  omittedPaths: ["a", "a.b,c", "$x"],
  filter: [
    '{"a":{"$gt":1}}',
    '{"n":{"$numberLong":"9007199254740993"},"d":{"$date":"2026-01-01T00:00:00Z"}}',
    '{"x":1.0}',
  ],
  pipeline: ['[{"$unset":"a"}]', "[]", '[{"$set":{"no":"no","n":{"$numberDecimal":"1"}}}]'],
  partition: ["month=$id", "day=a.b", "value=country"],
  retention: ["24 months", "1 day"],
  replicas: ["0-1", "1"],
  sinkUrl: ["crate://db", "crate://me:hush@db/", "postgresql://db:5432/doc"],
  token: ["eyJh.eyJi.aHVzaA"],
  password: ["0123456789abcdef-page"],
  certificate: [],
  privateKey: [],
  table: ["x.{database}_{collection}", '"a.{database}"."{collection}"'],
  worker: ["0/2"],
  address: ["127.0.0.1:9464", "[::1]:1"],
  webhook: ["https://example.org/hook/hush"],
  hooks: [],
  time: [],
  types: [],
  fulltext: [],
  tableSettings: [],
  mix: [],
  seed: [],
};

const options = Object.entries<Option>({ ...RELAY, ...PROCESS })
  .map(([name, option]) => ({ name, option, texts: [...TEXTS[option.type], ...option.choices ?? []] }))
  .filter(({ texts }) => texts.length > 0);

const one = fc.oneof(
  ...options.map(({ name, option, texts }) =>
    fc.record({
      key: fc.constantFrom(
        { flag: flagOf(name) },
        ...variablesOf(name, option).map((variable) => ({ variable })),
      ),
      text: fc.constantFrom(...texts),
    })
  ),
);

/** Flags and variables that a relay accepts. */
const given = fc.array(one, { maxLength: 8 }).map((chosen): Given => {
  const flags: Record<string, string> = {};
  const env: Record<string, string> = {};
  for (const { key, text } of chosen) {
    if ("flag" in key) flags[key.flag] = text;
    else env[key.variable] = text;
  }
  return { flags, env };
}).filter(isAccepted);

function isAccepted(each: Given): boolean {
  try {
    relayConfig(each);
    return true;
  } catch {
    return false;
  }
}

const shown = (settings: readonly Setting[]) => settings.map(({ name, text }) => `${name} ${text}`);

Deno.test("config init writes a file whose settings are those of the flags and variables", () => {
  fc.assert(
    fc.property(given, (each) => {
      const text = relayFileText(each);
      assert.doesNotMatch(text, /hush|aHVzaA/, "A password belongs in a variable");
      const env = secretsOf(each);
      const { streams: [stream], processEffective } = readRelayFile(text, { path: "relay.yaml", env });
      assert.deepEqual(shown(stream?.effective ?? []), shown(effectiveOf(each).effective), text);
      assert.deepEqual(shown(processEffective), shown(settingsIn(FILE_PROCESS, each)), text);
      const [own, theirs] = [stream?.settings, relayConfig(each)];
      const collection = { database: "a", collection: "b" };
      assert.equal(own?.namesIn("doc").stream, theirs.namesIn("doc").stream);
      assert.deepEqual(own?.for(collection).transform, theirs.for(collection).transform);
    }),
    { numRuns: 500 },
  );
});

/** The variables that the file may name. One is set by hand if its value was in a flag. */
const secretsOf = (each: Given): Record<string, string> =>
  Object.fromEntries(
    options.filter(({ option }) => option.secret).flatMap(({ name, option }) => {
      const found = find(name, option, each);
      const variables = variablesOf(name, option);
      return found ? [[variables.find((name) => name === found.source) ?? variables[0], found.value]] : [];
    }),
  );
