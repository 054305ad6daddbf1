import assert from "node:assert/strict";
import { wrap } from "../../../lib/cli/wrap.ts";
import { run } from "../../support/program.ts";

const CASES: readonly (readonly [string, number, string, string])[] = [
  ["Statements sent at once", 20, "  ", "  Statements sent at\n  once"],
  ["one two", 7, "", "one two"],
  ["one two", 6, "", "one\ntwo"],
  ["a-word-that-is-too-long for it", 10, " ", " a-word-that-is-too-long\n for it"],
  ["", 10, "  ", "  "],
];

for (const [text, width, indent, expected] of CASES) {
  Deno.test(`wrap() ${JSON.stringify(text)} at ${width}`, () =>
    assert.equal(wrap(text, { width, indent }), expected));
}

for (const [columns, width] of [[undefined, 80], ["60", 60], ["72", 72], ["300", 100], ["x", 80]] as const) {
  Deno.test(`--help is at most ${width} wide with COLUMNS=${columns}`, async () => {
    for (const args of [["--help"], ["cdc-relay", "--help"]]) {
      const { stdout } = await run(args, { env: { COLUMNS: columns ?? "" } });
      const [text = ""] = stdout.split("\nExamples:\n");
      const widths = text.split("\n").filter((line) => !line.startsWith("Usage:")).map((line) => line.length);
      assert.ok(Math.max(...widths) <= width, `${Math.max(...widths)}`);
      if (args.length > 1) assert.ok(Math.max(...widths) > width - 15, "The width is used");
    }
  });
}

Deno.test("--help has examples that a shell takes as they are", async () => {
  const { stdout } = await run(["cdc-relay", "--help"], { env: { COLUMNS: "60" } });
  const [, examples = ""] = stdout.split("\nExamples:\n");
  const output = await new Deno.Command("sh", {
    args: ["-c", `deno() { for each; do printf '[%s]' "$each"; done; echo; }\n${examples}`],
  }).output();
  assert.match(
    new TextDecoder().decode(output.stdout),
    /\[--collection\]\[orders\]\[--filter\]\[\{"status": "open"\}\]\[--omit\]\[card\]\n/,
  );
});
