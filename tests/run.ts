/**
 * Runs all tests: `deno task test`. With arguments it is `deno test -A` with these arguments.
 *
 * The test that measures CPU time runs alone. Then two runs of `deno test` share the cores, each with its own servers:
 * `tests/faults`, one after the other, because they pause and kill the servers; all others in parallel, on servers that
 * keep their data in memory.
 * Prints the slowest files at the end. `TEST_REPORTS` names a folder that keeps the JUnit reports.
 */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { lines } from "../dev/process/lines.ts";
import { FileTimes } from "./support/file_times.ts";

const ALONE = ["tests/linear_work_test.ts"];
const FAULTS = ["tests/faults"];
// The long files first, so that no worker is left with one of them at the end.
const OTHERS = ["--parallel", "tests/integration", "tests/properties", "tests/unit"];
/** More than there are cores, because tests also wait for servers. */
const JOBS = `${availableParallelism() + 2}`;

interface Run {
  readonly code: number;
  readonly minutes: number;
}

async function denoTest(
  args: readonly string[],
  print: (line: string) => void,
  env: Readonly<Record<string, string>> = {},
): Promise<Run> {
  const begin = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "--allow-all", ...args],
    env: { DENO_JOBS: Deno.env.get("DENO_JOBS") || JOBS, ...env },
    stdout: "piped",
  }).spawn();
  for await (const line of lines(child.stdout)) print(line);
  const { code } = await child.status;
  return { code, minutes: (performance.now() - begin) / 60_000 };
}

// deno-lint-ignore no-console
const print = (line: string) => console.log(line);

async function runAll(): Promise<number> {
  const given = Deno.env.get("TEST_REPORTS");
  const folder = given || await Deno.makeTempDir();
  await Deno.mkdir(folder, { recursive: true });
  const report = (name: string) => `--junit-path=${join(folder, `${name}.xml`)}`;
  const times = new FileTimes();
  const counted = (line: string) => {
    print(line);
    times.add(line);
  };
  const alone = await denoTest([report("alone"), ...ALONE], counted);
  const ofFaults: string[] = [];
  const [others, faults] = await Promise.all([
    denoTest([report("others"), ...OTHERS], counted, { TEST_SERVERS_IN_MEMORY: "1" }),
    denoTest([report("faults"), ...FAULTS], (line) => ofFaults.push(line)),
  ]);
  ofFaults.forEach(counted);
  if (!given) await Deno.remove(folder, { recursive: true });
  const slowest = times.slowest(10).map(([file, seconds]) => `${seconds.toFixed(1).padStart(7)} s  ${file}`);
  print(`Slowest files (others ${others.minutes.toFixed(1)} min, faults ${faults.minutes.toFixed(1)} min):`);
  print(slowest.join("\n"));
  return alone.code || others.code || faults.code;
}

Deno.exit(Deno.args.length > 0 ? (await denoTest(Deno.args, print)).code : await runAll());
