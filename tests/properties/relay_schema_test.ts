/** `relay.schema.json` and the reader of `relay.yaml` accept and refuse the same files. */
import assert from "node:assert/strict";
import { Ajv, fc } from "../deps.ts";
import schema from "../../relay.schema.json" with { type: "json" };
import { ConfigError } from "../../lib/config/file_parts.ts";
import { readRelayFile } from "../../lib/config/relay_file.ts";
import type { Option, OptionTable } from "../../lib/config/option.ts";
import { FILE_PROCESS } from "../../lib/config/options.ts";
import { COLLECTION } from "../../lib/config/relay_options.ts";
import { DEFAULTS, OF_STREAM, SERVERS } from "../../lib/config/relay_schema.ts";

/** Values that no option of another form has. Those that only a parser can refuse are not among them. */
const ANYTHING = [null, true, -1, 1.5, "", [], [1], [""], {}, { nonsense: 1 }, { env: 1 }];

/** Values that an option has by its type. */
const VALUES: Readonly<Record<Option["type"], readonly unknown[]>> = {
  collection: ["shop.orders"],
  text: ["mongodb://db/"],
  choice: ["???", 5],
  count: [1, 7, "7", "???"],
  duration: [5_000, "10s", "1.5m", "10000", "???", "10 s"],
  size: [2 ** 24, "16MiB", "32mib", "???"],
  names: ["a*", ["a", "b"], "a,b"],
  paths: ["a", ["a.b", "c"]],
  omittedPaths: ["a", ["a.b", "c"]],
  filter: [{ a: { $gt: 1 } }, "{}"],
  // Fields may be omitted, which is refused; the key may not.
  partition: [{ month: "$id" }, "day=$id", "day", { day: "$id", hour: "$id" }],
  // It needs partitions.
  retention: ["24"],
  replicas: ["0-1", "1", 1],
  pipeline: [[{ $unset: "a" }], "[]", { $unset: "a" }],
  sinkUrl: ["crate://db"],
  token: ["eyJh.eyJi.aHVzaA"],
  password: ["0123456789abcdef-page"],
  certificate: [],
  privateKey: [],
  table: ["x.{database}_{collection}"],
  worker: ["0/2"],
  address: ["127.0.0.1:9464"],
  webhook: ["https://example.org/hook"],
  hooks: [
    [{ url: "https://example.org/hook", format: "slack" }, { exec: ["/bin/tell", "-x"], kinds: ["failed"] }],
    [{ exec: [] }],
    [{ exec: ["/bin/tell"], kinds: ["???"] }],
    [{ exec: ["/bin/tell"], format: "???" }],
    [{ exec: ["/bin/tell"], nonsense: 1 }],
  ],
  time: [],
  types: [{ at: "geo_point" }, { "a.b": "float_vector(3)" }, { at: "GEO_SHAPE" }],
  fulltext: [{ search: {} }, { search: { columns: [] } }, { search: ["title"] }],
  tableSettings: [{ "codec": "default", "mapping.total_fields.limit": 2000 }, { codec: ["a"] }],
  mix: [],
  seed: [],
};

/** A variable for each type, with its first value. */
const VARIABLES = Object.fromEntries(Object.entries(VALUES).map(([type, [value]]) => [type, String(value)]));

/** Choices that exclude no other option. */
const FREE: Readonly<Record<string, readonly string[]>> = { key: ["_id"], fullDocument: ["lookup"] };

type Any = fc.Arbitrary<unknown>;

const mostly = (usual: Any, ...others: readonly unknown[]): Any =>
  fc.oneof({ weight: 20, arbitrary: usual }, {
    weight: 1,
    arbitrary: fc.constantFrom(...ANYTHING, ...others),
  });

function valueOf(name: string, option: Option): Any {
  // Only the parser knows the limits of a time.
  if (option.within) return fc.constantFrom(...VALUES.duration);
  const right = [...VALUES[option.type], ...option.choices && (FREE[name] ?? option.choices) || []];
  // The variable has another URL.
  const isHook = option.type === "webhook" || option.type === "hooks";
  const unusual = option.secret && !isHook
    ? [{ env: option.type }, { env: "" }, { env: option.type, file: "/none" }]
    : [];
  return mostly(right.length > 0 ? fc.constantFrom(...right) : fc.constant(5), ...unusual);
}

/** A few options of a table. */
function partOf(table: OptionTable, more: Readonly<Record<string, Any>> = {}): Any {
  const options = Object.entries(table).map(([name, option]) => [name, valueOf(name, option)] as const);
  const entries = [...options, ...Object.entries(more)].map(([name, value]) => ({
    weight: 3,
    arbitrary: fc.tuple(fc.constant(name), value),
  }));
  const unknown = {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom("nonsense", "toString"), fc.constant(1)),
  };
  return mostly(
    fc.uniqueArray(fc.oneof(...entries, unknown), { maxLength: 4, selector: ([name]) => name }).map(
      Object.fromEntries,
    ),
  );
}

const servers = { mongodb: partOf(SERVERS.mongodb), cratedb: partOf(SERVERS.cratedb) };
const collections = mostly(fc.dictionary(fc.constantFrom("orders", "log_*"), partOf(COLLECTION)));
const stream = partOf(OF_STREAM, { ...servers, collections });
const file = fc.tuple(
  partOf(FILE_PROCESS, { ...servers, defaults: partOf(DEFAULTS) }),
  mostly(fc.constant(1)),
  mostly(fc.dictionary(fc.constantFrom("shop", "store"), stream, { minKeys: 1, maxKeys: 1 })),
).map(([process, version, streams]) =>
  // Some parts are no mappings, and some files have no streams.
  typeof process === "object" && process !== null && !Array.isArray(process)
    ? { version, streams, ...process }
    : process
);

/** Whether the form and the values are right; settings that exclude each other are another matter. */
function isRead(text: string): boolean {
  try {
    readRelayFile(text, { path: "relay.yaml", env: VARIABLES });
    return true;
  } catch (error) {
    if (error instanceof ConfigError) return false;
    throw error;
  }
}

Deno.test("the schema and the reader accept and refuse the same files", () => {
  const validate = new Ajv({ strict: false }).compile(schema);
  let right = 0;
  const total = 1_000;
  fc.assert(
    fc.property(file, (each) => {
      // JSON is YAML.
      const text = JSON.stringify(each);
      const isValid = validate(JSON.parse(text));
      if (isValid) right++;
      assert.equal(isRead(text), isValid, text);
    }),
    { numRuns: total },
  );
  assert.ok(right > total / 10 && right < total * 0.9, `${right} of ${total} are right`);
});
