import assert from "node:assert/strict";
import { OPTIONS } from "../../../lib/config/options/options.ts";
import { switchesOf } from "../../../lib/config/options/switches.ts";
import { run } from "../../../dev/process/program.ts";

for (const [command, options] of Object.entries(OPTIONS)) {
  Deno.test(`${command} --help lists --quiet and --verbose, and their letters`, async () => {
    const { stdout } = await run([command, "--help"]);
    for (const line of [/^ {2}-q, --quiet$/m, /^ {2}-v, --verbose$/m]) assert.match(stdout, line);
  });

  Deno.test(`${command} has no two switches of one letter, and none named as an option is`, () => {
    const switches = switchesOf(options);
    assert.equal(new Set(switches.map(({ short }) => short)).size, switches.length);
    const flags = [...options, ...switches].map(({ flag }) => flag);
    assert.equal(new Set(flags).size, flags.length);
  });

  Deno.test(`${command} has values for its switches that their options take`, () => {
    for (const { flag, means: [option, value] } of switchesOf(options)) {
      assert.equal(options.find((each) => each.flag === option)?.parse(value), value, flag);
    }
  });
}

const WRONG: readonly (readonly [readonly string[], RegExp])[] = [
  [["--quiet", "--verbose"], /--quiet cannot be given with --verbose\n/],
  [["-vq"], /--quiet cannot be given with --verbose\n/],
  [["--log-level", "warn", "-q"], /--quiet cannot be given with --log-level warn\n/],
  [["--verbose", "--log-level=info"], /--verbose cannot be given with --log-level info\n/],
  [["--quiet=yes"], /--quiet takes no value\n/],
  [["--quiet", "yes"], /Unexpected argument: "yes"\n/],
  [["--quite"], /Unknown option: --quite\nDid you mean --quiet\?/],
  [["--mongodb-url", "-q"], /--mongodb-url needs a value\n/],
];

for (const [args, message] of WRONG) {
  Deno.test(`wrong use of switches: ${args.join(" ")}`, async () => {
    const { code, stdout, stderr } = await run(["db-workload", ...args]);
    assert.match(stderr, message);
    assert.deepEqual([code, stdout], [2, ""]);
  });
}
