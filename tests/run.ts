/**
 * Runs all tests: `deno task test`. With arguments it is `deno test -A` with these arguments.
 *
 * Test files run in parallel, except those in `tests/faults`, which pause and kill the servers that all tests share, and
 * the one that measures CPU time.
 * Prints the slowest files at the end. `TEST_REPORTS` names a folder that keeps the JUnit reports, `TEST_PART` the only
 * part to run.
 */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { lines } from "../dev/process/lines.ts";
import { FileTimes } from "./support/file_times.ts";

const PARTS = {
  // The long files first, so that no worker is left with one of them at the end.
  parallel: ["--parallel", "tests/integration", "tests/properties", "tests/unit"],
  serial: ["tests/faults", "tests/linear_work_test.ts"],
} as const;
/** Tests wait for servers more than they compute. */
const JOBS = `${availableParallelism() + 1}`;

async function denoTest(args: readonly string[], times = new FileTimes()): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "--allow-all", ...args],
    env: { DENO_JOBS: Deno.env.get("DENO_JOBS") || JOBS },
    stdout: "piped",
  }).spawn();
  for await (const line of lines(child.stdout)) {
    // deno-lint-ignore no-console
    console.log(line);
    times.add(line);
  }
  return (await child.status).code;
}

async function runAll(): Promise<number> {
  const given = Deno.env.get("TEST_REPORTS");
  const folder = given || await Deno.makeTempDir();
  await Deno.mkdir(folder, { recursive: true });
  const only = Deno.env.get("TEST_PART");
  const times = new FileTimes();
  const took: string[] = [];
  let code = 0;
  for (const [part, args] of Object.entries(PARTS)) {
    if (only && part !== only) continue;
    const report = join(folder, `${part}.xml`);
    const begin = performance.now();
    code = await denoTest([`--junit-path=${report}`, ...args], times) || code;
    took.push(`${part} ${((performance.now() - begin) / 60_000).toFixed(1)} min`);
  }
  if (!given) await Deno.remove(folder, { recursive: true });
  const lines = times.slowest(10).map(([file, seconds]) => `${seconds.toFixed(1).padStart(7)} s  ${file}`);
  const text = `Slowest files (${took.join(", ")}):\n${lines.join("\n")}\n`;
  Deno.stdout.writeSync(new TextEncoder().encode(text));
  return code;
}

Deno.exit(Deno.args.length > 0 ? await denoTest(Deno.args) : await runAll());
