import assert from "node:assert/strict";
import { statusConfig, verifyConfig, waitConfig } from "../../../lib/config/config.ts";
import {
  LIBRARY_OPTIONS,
  type RelayOptions,
  type StatusOptions,
  type VerifyOptions,
  type WaitOptions,
} from "../../../lib/config/options.ts";
import { givenByProgram, inProgramWords } from "../../../lib/config/program_options.ts";
import { relayConfig } from "../../../lib/config/relay_settings.ts";
import { UsageError } from "../../../lib/util/errors.ts";

const URLS = { mongodbUrl: "mongodb://localhost/", cratedbUrl: "crate://localhost:4200" };

Deno.test("options of a program are typed values", () => {
  const options: RelayOptions = {
    ...URLS,
    database: ["a", "b"],
    filter: { n: { $gt: 1 } },
    omit: "secret",
    snapshotLanes: 2,
    maxMemory: "128MiB",
    lease: 5_000,
    columns: "ignored",
  };
  const settings = relayConfig(givenByProgram(options, LIBRARY_OPTIONS.startRelay));
  assert.deepEqual([`${settings.scope}`, settings.snapshotLanes, settings.lease], ["{a,b}.*", 2, 5_000]);
  const { omit, transform, columns } = settings.for({ database: "a", collection: "c" });
  assert.deepEqual({ omit, transform, columns }, {
    omit: ["secret"],
    transform: [{ $match: { n: { $gt: 1 } } }, { $unset: ["secret"] }],
    columns: "ignored",
  });
  assert.equal(settings.batchBytes, 4 * 2 ** 20);
});

Deno.test("the types of a program's options are those of the table", () => {
  // @ts-expect-error: a URL is missing
  const missing: RelayOptions = { mongodbUrl: "mongodb://localhost/" };
  // @ts-expect-error: another choice
  const choice: RelayOptions = { ...URLS, columns: "none" };
  // @ts-expect-error: not a number
  const text: RelayOptions = { ...URLS, snapshotLanes: "many" };
  // @ts-expect-error: of the command line alone
  const listen: RelayOptions = { ...URLS, listen: "127.0.0.1:9464" };
  for (const options of [missing, choice, text, listen]) {
    assert.throws(() => relayConfig(givenByProgram(options, LIBRARY_OPTIONS.startRelay)), UsageError);
  }
});

Deno.test("each function has its options", () => {
  const status: StatusOptions = { cratedbUrl: URLS.cratedbUrl, maxLag: "30s" };
  assert.equal(statusConfig(givenByProgram(status, LIBRARY_OPTIONS.status)).maxLag, 30_000);
  const wait: WaitOptions = { ...URLS, timeout: 5_000 };
  assert.equal(waitConfig(givenByProgram(wait, LIBRARY_OPTIONS.wait)).timeout, 5_000);
  const verify: VerifyOptions = { ...URLS, sample: 10, differences: "repair" };
  const { sample, differences } = verifyConfig(givenByProgram(verify, LIBRARY_OPTIONS.verify));
  assert.deepEqual([sample, differences], [10, "repair"]);
});

for (const name of ["mongodbUrl", "cratedbUrl"] as const) {
  Deno.test(`givenByProgram() needs ${name}`, () => {
    assert.throws(
      () => givenByProgram({ ...URLS, [name]: undefined }, LIBRARY_OPTIONS.startRelay),
      { name: "UsageError", message: `${name} is missing` },
    );
  });
}

/** Options that the library does not have, and what the hint names. */
const UNKNOWN: readonly (readonly [string, RegExp])[] = [
  ["nonsense", /^Options: mongodbUrl, cratedbUrl, /],
  ["listen", /metrics\(\)/],
  ["maxLag", /status/],
  ["logFormat", /createLogger/],
  ["logLevel", /createLogger/],
  ["mongodbURL", /Did you mean mongodbUrl\?/],
  ["snapshot-lanes", /snapshotLanes/],
];
for (const [name, hint] of UNKNOWN) {
  Deno.test(`givenByProgram() refuses ${name}`, () => {
    assert.throws(
      () => givenByProgram({ ...URLS, [name]: "x" }, LIBRARY_OPTIONS.startRelay),
      (error) => {
        assert.ok(error instanceof UsageError);
        assert.equal(error.message, `Unknown option: ${name}`);
        assert.match(error.hint ?? "", hint);
        return true;
      },
    );
  });
}

const TEXTS: readonly (readonly [string, string])[] = [
  ["--snapshot-lanes is not a whole number", "snapshotLanes is not a whole number"],
  ["Leave some out with --exclude, or give --shards 1.", "Leave some out with exclude, or give shards 1."],
  ["Check CRATEDB_SQLALCHEMY_URL or CRATEDB_URL.", "Check cratedbUrl."],
  ["With --standby it waits", "With onHeld wait it waits"],
  ["Start mongod with --replSet rs0", "Start mongod with --replSet rs0"],
  ["SET GLOBAL max_shards_per_node = 3000", "SET GLOBAL max_shards_per_node = 3000"],
];

for (const [text, expected] of TEXTS) {
  Deno.test(`inProgramWords() ${text}`, () => assert.equal(inProgramWords(text), expected));
}
