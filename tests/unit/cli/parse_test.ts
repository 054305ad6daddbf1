import assert from "node:assert/strict";
import { parseCommandLine } from "../../../lib/cli/parse.ts";
import { UsageError } from "../../../lib/util/errors.ts";

const flagsOf = (...args: readonly string[]) => {
  const parsed = parseCommandLine(args, 100);
  assert.ok("flags" in parsed);
  return parsed.flags;
};

const GIVEN: readonly (readonly [readonly string[], Readonly<Record<string, string>>])[] = [
  [["--batch-size", "7", "--table=t"], { "batch-size": "7", table: "t" }],
  [["--table", "t", "--table", "u"], { table: "u" }],
  [["--database", "a", "--database=b,c"], { database: "a,b,c" }],
  [["-sv"], { "on-held": "wait", "log-level": "debug" }],
  [["--standby", "--quiet"], { "on-held": "wait", "log-level": "warn" }],
  [["--cratedb-jwt-file", "/run/token"], { "cratedb-jwt-file": "/run/token" }],
  [["--snapshot-rate", "-1"], { "snapshot-rate": "-1" }],
  [["--quiet", "-q"], { "log-level": "warn" }],
];

for (const [args, flags] of GIVEN) {
  Deno.test(`parseCommandLine() cdc-relay ${args.join(" ")}`, () => {
    assert.deepEqual({ ...flagsOf("cdc-relay", ...args) }, flags);
  });
}

for (
  const args of [["help", "wait"], ["wait", "-h"], ["wait", "--timeout", "1s", "--help"], [
    "wait",
    "--bogus",
    "--help",
  ]]
) {
  Deno.test(`parseCommandLine() ${args.join(" ")} is the help of wait`, () => {
    const parsed = parseCommandLine(args, 100);
    assert.ok("text" in parsed);
    assert.match(parsed.text, /^Usage: .* wait \[options\]$/m);
  });
}

const WRONG: readonly (readonly [readonly string[], RegExp])[] = [
  [["--quiet", "--verbose"], /--quiet cannot be given with --verbose\n/],
  [["-vq"], /--verbose cannot be given with --quiet\n/],
  [["--log-level", "warn", "-q"], /--quiet cannot be given with --log-level warn\n/],
  [["--verbose", "--log-level=info"], /--verbose cannot be given with --log-level info\n/],
  [["--quiet=yes"], /--quiet takes no value: current value is "yes"\n/],
  [["--quiet", "yes"], /Unexpected argument: "yes"\n/],
  [["--quite"], /Unknown option: --quite\nDid you mean --quiet\?/],
  [["--mongodb-url", "-q"], /--mongodb-url needs a value\n/],
];

for (const [args, message] of WRONG) {
  Deno.test(`parseCommandLine() refuses switches: ${args.join(" ")}`, () =>
    assert.throws(() => parseCommandLine(["db-workload", ...args], 100), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(`${error.message}\n${error.hint}`, message);
      return true;
    }));
}

for (
  const [command, isOneStream] of [["status", false], ["wait", false], ["cdc-relay", true], [
    "verify",
    true,
  ]] as const
) {
  Deno.test(`the help of ${command} names its default scope`, () => {
    const parsed = parseCommandLine([command, "--help"], 100);
    assert.ok("text" in parsed);
    assert.match(parsed.text, isOneStream ? /; by default testdrive\n/ : /; by default all\s+streams\n/);
  });
}

for (const args of [["relay.yaml"], ["--config", "relay.yaml"]]) {
  Deno.test(`parseCommandLine() config check ${args.join(" ")}`, () => {
    assert.deepEqual({ ...flagsOf("config", "check", ...args) }, { config: "relay.yaml" });
  });
}

Deno.test("parseCommandLine() refuses a second file", () => {
  assert.throws(() => parseCommandLine(["config", "check", "a", "b"], 100), /Unexpected argument: "b"/);
});

for (const args of [["config", "check", "-h"], ["help", "config", "check"]]) {
  Deno.test(`parseCommandLine() ${args.join(" ")} is the help of config check`, () => {
    const parsed = parseCommandLine(args, 100);
    assert.ok("text" in parsed);
    assert.match(parsed.text, /^Usage: .* config check \[FILE\] \[options\]$/m);
  });
}

for (const args of [["config", "--help"], ["config", "-h"], ["help", "config"], ["help"]]) {
  Deno.test(`parseCommandLine() ${args.join(" ")} is the help of the program`, () => {
    const parsed = parseCommandLine(args, 100);
    assert.ok("text" in parsed);
    assert.match(parsed.text, /config show/);
  });
}

for (const args of [["ctl"], ["ctl", "--wait"], ["ctl", "--stream", "shop", "pause"]]) {
  Deno.test(`parseCommandLine() does not take a call without its second word for one of the help: ${args.join(" ")}`, () => {
    assert.throws(
      () => parseCommandLine(args, 100),
      { name: "UsageError", message: /^ctl needs a second word, before its options: pause, resume, / },
    );
  });
}

Deno.test("parseCommandLine() suggests a command of two words", () => {
  assert.throws(() => parseCommandLine(["config", "chekc"], 100), { hint: "Did you mean config check?" });
});
