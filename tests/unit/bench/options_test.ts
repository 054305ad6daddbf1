import assert from "node:assert/strict";
import { parseOptions } from "../../../dev/bench/options.ts";
import { LINES } from "../../../dev/bench/lines.ts";
import { UsageError } from "../../../lib/util/errors.ts";

Deno.test("parseOptions() selects all lines and this relay by default", () => {
  const { lines, programs, against, changes } = parseOptions([]);
  assert.deepEqual(lines, Object.keys(LINES));
  assert.deepEqual(programs.map(({ name }) => name), ["relay"]);
  assert.match(programs[0]?.command ?? "", /mongodb_cdc_cratedb\.ts/);
  assert.deepEqual(against, []);
  assert.equal(changes, 100_000);
});

Deno.test("parseOptions() takes several programs, each with a name", () => {
  const args = ["--program", "old=deno run -A old.ts --a=b", "--program", "deno run -A new.ts --a=b"];
  const { programs } = parseOptions([...args, "--against", "example=python example.py"]);
  assert.deepEqual(programs, [
    { name: "old", command: "deno run -A old.ts --a=b" },
    { name: "relay", command: "deno run -A new.ts --a=b" },
  ]);
});

Deno.test("parseOptions() takes other tools apart from the relays", () => {
  const { programs, against } = parseOptions(["--against", "python example.py"]);
  assert.deepEqual(against, [{ name: "other", command: "python example.py" }]);
  assert.equal(programs.length, 1);
});

for (
  const [why, args, message] of [
    ["an unknown line", ["--lines", "inserts,upserts"], /--lines must be some of inserts, .*: upserts/],
    ["a count that is not a number", ["--changes", "many"], /--changes must be a whole number/],
    ["no changes", ["--changes", "0"], /at least 1/],
    ["an unknown option", ["--line", "inserts"], /--line/],
    ["a name given twice", ["--program", "a=x", "--against", "a=y"], /Two programs are named a/],
  ] as const
) {
  Deno.test(`parseOptions() refuses ${why}`, () => {
    assert.throws(
      () => parseOptions(args),
      (error) => error instanceof UsageError && message.test(error.message),
    );
  });
}
