/** Sources of options; URLs in files, as Docker and Kubernetes mount secrets. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { OptionTable } from "../../../lib/config/option.ts";
import { type Environment, find, type Flags, type Given, readOptions } from "../../../lib/config/read.ts";
import { MONGODB } from "../../../lib/config/relay_options.ts";
import { relayConfig } from "../../../lib/config/relay_settings.ts";
import { UsageError } from "../../../lib/util/errors.ts";

const FOLDER = await Deno.makeTempDir();
const MONGODB_FILE = join(FOLDER, "mongodb-url");
const CRATEDB = join(FOLDER, "cratedb-url");
const WRONG = join(FOLDER, "wrong");
await Deno.writeTextFile(MONGODB_FILE, "mongodb://relay:hush@db/\n");
await Deno.writeTextFile(CRATEDB, "crate://relay:hush@file:4200\n");
const QUOTED = join(FOLDER, "quoted");
await Deno.writeTextFile(QUOTED, '"mongodb://relay:hush@file/"\r\n');
const EMPTY = join(FOLDER, "empty");
await Deno.writeTextFile(EMPTY, "\n");
const EXPORTED = join(FOLDER, "exported");
await Deno.writeTextFile(EXPORTED, "export MONGODB_URL=mongodb://relay:hush@file/\n");
await Deno.writeTextFile(WRONG, "mysql://relay:hush@file\n");
globalThis.addEventListener("unload", () => Deno.removeSync(FOLDER, { recursive: true }));

const given = (flags: Flags, env: Environment = {}): Given => ({ flags, env });

const SOURCES: readonly (readonly [string, Given, string])[] = [
  ["a variable that names a file", given({}, { CRATEDB_URL_FILE: CRATEDB }), "file"],
  ["the other variable", given({}, { CRATEDB_SQLALCHEMY_URL_FILE: CRATEDB }), "file"],
  ["a flag that names a file", given({ "cratedb-url-file": CRATEDB }), "file"],
  [
    "a flag over a variable",
    given({ "cratedb-url-file": CRATEDB }, { CRATEDB_URL: "crate://variable" }),
    "file",
  ],
  [
    "the value over a file with it",
    given({}, { CRATEDB_URL: "crate://variable", CRATEDB_URL_FILE: CRATEDB }),
    "variable",
  ],
  ["the file of a program", { options: { cratedbUrl: { file: CRATEDB } } }, "file"],
  ["a program", { options: { cratedbUrl: "crate://program" } }, "program"],
  ["an empty variable for none", given({}, { CRATEDB_URL: "", CRATEDB_URL_FILE: CRATEDB }), "file"],
];

for (const [what, from, host] of SOURCES) {
  Deno.test(`a URL comes from ${what}`, () => assert.equal(relayConfig(from).sink.host, host));
}

Deno.test("files are read without their line ends", () => {
  const { mongodbUrl, sink } = relayConfig(
    given({}, { MONGODB_URL_FILE: MONGODB_FILE, CRATEDB_URL_FILE: CRATEDB }),
  );
  assert.deepEqual([mongodbUrl, sink.password], ["mongodb://relay:hush@db/", "hush"]);
});

const WRONG_FILES: readonly (readonly [string, Given, RegExp])[] = [
  [
    "does not exist",
    given({}, { MONGODB_URL_FILE: join(FOLDER, "none") }),
    /^MONGODB_URL_FILE names a file that cannot be read/,
  ],
  [
    "has a wrong URL",
    given({ "cratedb-url-file": WRONG }),
    /^--cratedb-url-file: The CrateDB URL must start with/,
  ],
  [
    "is empty",
    given({}, { CRATEDB_URL_FILE: EMPTY }),
    /^CRATEDB_URL_FILE names an empty file/,
  ],
  [
    "has quotation marks",
    given({ "mongodb-url-file": QUOTED }),
    /^--mongodb-url-file has quotation marks or a variable's name around its value/,
  ],
  [
    "has a variable's name",
    given({}, { MONGODB_URL_FILE: EXPORTED }),
    /^MONGODB_URL_FILE has quotation marks or a variable's name around its value/,
  ],
];

for (const [what, from, message] of WRONG_FILES) {
  Deno.test(`a file that ${what} is reported without its content`, () => {
    assert.throws(() => relayConfig(from), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /hush/);
      return true;
    });
  });
}

const BATCH = {
  batchSize: { type: "count", least: 1, default: "10", help: "Events" },
} as const satisfies OptionTable;

Deno.test("readOptions() takes flags over variables over the options of a program over the default", () => {
  const from: Given = {
    flags: { "batch-size": "1" },
    env: { CDC_BATCH_SIZE: "2" },
    options: { batchSize: 3 },
  };
  const sizes = [from, { ...from, flags: {} }, { options: { batchSize: 3 } }, {}].map((each) =>
    readOptions(BATCH, each).batchSize
  );
  assert.deepEqual(sizes, [1, 2, 3, 10]);
});

Deno.test("readOptions() names the source of a bad value as it was given, with the value", () => {
  const bad: readonly (readonly [Given, string])[] = [
    [
      { flags: { "batch-size": "x" } },
      '--batch-size is not a whole number of at least 1: current value is "x"',
    ],
    [
      { env: { CDC_BATCH_SIZE: "x" } },
      'CDC_BATCH_SIZE is not a whole number of at least 1: current value is "x"',
    ],
    [{ options: { batchSize: [1] } }, "batchSize is not a whole number of at least 1: current value is [1]"],
  ];
  for (const [from, message] of bad) {
    assert.throws(() => readOptions(BATCH, from), {
      name: "UsageError",
      message,
      hint: "Events. Default: 10",
    });
  }
});

Deno.test("find() has no file for an option that is not secret", () => {
  assert.equal(find("batchSize", BATCH.batchSize, given({ "batch-size-file": MONGODB_FILE })), undefined);
  assert.equal(
    find("mongodbUrl", MONGODB.mongodbUrl, given({ "mongodb-url-file": MONGODB_FILE }))?.file,
    MONGODB_FILE,
  );
  assert.equal(find("mongodbUrl", MONGODB.mongodbUrl, given({})), undefined);
});
