import assert from "node:assert/strict";
import { relayConfig, statusConfig, verifyConfig, waitConfig } from "../../../lib/config/config.ts";
import { flagsOf, LIBRARY_OPTIONS } from "../../../lib/library/flags.ts";
import type {
  RelayOptions,
  StatusOptions,
  VerifyOptions,
  WaitOptions,
} from "../../../lib/library/options.ts";
import { UsageError } from "../../../lib/util/errors.ts";

const URLS = { mongodbUrl: "mongodb://localhost/", cratedbUrl: "crate://localhost:4200" };

Deno.test("flagsOf() writes options as the command line has them", () => {
  const options: RelayOptions = {
    ...URLS,
    database: ["a", "b"],
    filter: { n: { $gt: 1 } },
    omit: "secret",
    snapshotLanes: 2,
    maxMemory: "128MiB",
    lease: 5_000,
  };
  const flags = flagsOf(options, LIBRARY_OPTIONS.startRelay);
  assert.deepEqual([flags.database, flags.omit, flags["snapshot-lanes"]], ["a,b", "secret", "2"]);
  const { scope, omit, snapshotLanes, lease, transform } = relayConfig({ flags, env: {} });
  assert.deepEqual([`${scope}`, omit, snapshotLanes, lease], ["{a,b}.*", ["secret"], 2, 5_000]);
  assert.ok(transform.length > 0);
});

Deno.test("flagsOf() writes the options of each function", () => {
  const status: StatusOptions = { cratedbUrl: URLS.cratedbUrl, maxLag: "30s" };
  assert.equal(statusConfig({ flags: flagsOf(status, LIBRARY_OPTIONS.status), env: {} }).maxLag, 30_000);
  const wait: WaitOptions = { ...URLS, timeout: 5_000 };
  assert.equal(waitConfig({ flags: flagsOf(wait, LIBRARY_OPTIONS.wait), env: {} }).timeout, 5_000);
  const verify: VerifyOptions = { ...URLS, sample: 10, differences: "repair" };
  const { sample, differences } = verifyConfig({ flags: flagsOf(verify, LIBRARY_OPTIONS.verify), env: {} });
  assert.deepEqual([sample, differences], [10, "repair"]);
});

const MISSING = ["mongodbUrl", "cratedbUrl"] as const;
for (const name of MISSING) {
  Deno.test(`flagsOf() needs ${name}`, () => {
    assert.throws(
      () => flagsOf({ ...URLS, [name]: undefined }, LIBRARY_OPTIONS.startRelay),
      (error) => error instanceof UsageError && error.message === `${name} is missing`,
    );
  });
}

/** Options that the library has not, and what the hint names. */
const UNKNOWN: readonly (readonly [string, RegExp])[] = [
  ["nonsense", /^The options are: mongodbUrl, database, /],
  ["listen", /metrics\(\)/],
  ["maxLag", /status/],
  ["logFormat", /createLogger/],
  ["logLevel", /createLogger/],
  ["mongodbUrlFile", /as mongodbUrl/],
  ["snapshot-lanes", /snapshotLanes/],
];
for (const [name, hint] of UNKNOWN) {
  Deno.test(`flagsOf() refuses ${name}`, () => {
    assert.throws(
      () => flagsOf({ ...URLS, [name]: "x" }, LIBRARY_OPTIONS.startRelay),
      (error) => {
        assert.ok(error instanceof UsageError);
        assert.equal(error.message, `There is no option ${name}`);
        assert.match(error.hint ?? "", hint);
        return true;
      },
    );
  });
}
