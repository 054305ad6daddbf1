import assert from "node:assert/strict";
import { run } from "../../support/program.ts";

for (
  const [columns, width] of [[undefined, 100], ["60", 60], ["72", 72], ["300", 100], ["x", 100]] as const
) {
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

Deno.test("--help has examples that a shell accepts", async () => {
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

Deno.test("cdc-relay --help fits two screens", async () => {
  const { stdout } = await run(["cdc-relay", "--help"]);
  const lines = stdout.trimEnd().split("\n");
  assert.ok(lines.length <= 110, `${lines.length} lines`);
  assert.ok(lines.every((line) => line.length <= 100));
  const headings = lines.filter((line) => /^[A-Z]\w+(?: \(\w+\))?:$/.test(line));
  assert.deepEqual(headings, [
    "Streams:",
    "Source (MongoDB):",
    "Target (CrateDB):",
    "Snapshot:",
    "Rows:",
    "Performance:",
    "Operation:",
    "Log:",
    "Examples:",
  ]);
});

Deno.test("--help shows no values of the environment", async () => {
  const env = { CRATEDB_JWT: "eyJh.eyJi.aHVzaA", MONGODB_URL: "mongodb://me:s3cret@db" };
  const { stdout } = await run(["cdc-relay", "--help"], { env });
  assert.match(stdout, /CRATEDB_JWT/);
  assert.doesNotMatch(stdout, /aHVzaA|s3cret/);
});
